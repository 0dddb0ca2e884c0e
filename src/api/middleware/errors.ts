import {STATUS_CODES} from 'node:http';
import type {Context} from 'koa';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {ErrorCode} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {ApiError, WordedError} from '../api-error.ts';
import type {TextSet} from '../texts/text-set.ts';

/** The status of an error that is meant for the caller. */
const STATUS = {
  invalid: 400,
  forbidden: 403,
  not_found: 404,
  already_exists: 409,
  wrong_state: 422,
  too_large: 413,
  unsupported: 501,
  revision_conflict: 503,
  not_owner: 500,
  too_many_operations: 500,
  unknown_outcome: 503,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** The status of an error from below, which was not meant for the caller: only a retry or a smaller body can be advised. */
const INNER_STATUS = {
  ...STATUS,
  invalid: 500,
  forbidden: 500,
  not_found: 500,
  already_exists: 500,
  wrong_state: 500,
  unsupported: 500,
} as const satisfies Record<ErrorCode, number>;

/** Seconds after which a caller may try again: by then a new etcd leader is elected or a lost reply is known. */
const RETRY_AFTER_SECONDS = '1';

/** Node refuses to send, and clients to read, headers without end. */
const MAX_REASON = 2000;

/**
 * The reason as it may stand in a status line: what SkyDriver's web framework would refuse there becomes `Unknown` as a whole.
 *
 * @see tornado 6.5, RequestHandler.send_error
 */
export function safeReason(reason: string, allowsMarkup = false): string {
  return /^[\t\x20-\x7e]+$/.test(reason) && (allowsMarkup || !reason.includes('<')) ? reason.slice(0, MAX_REASON) : 'Unknown';
}

/** Answers with SkyDriver's error shape: the reason stands in the body and in the status line. */
export function answerError(ctx: Context, status: number, reason: string): void {
  const text = safeReason(reason, textsOf(ctx)?.allowsMarkup);
  ctx.status = status;
  ctx.message = text;
  ctx.set('Content-Type', 'application/json; charset=UTF-8');
  ctx.body = JSON.stringify({code: status, error: text});
}

/** Answers for anything thrown, and logs what is ours to mend: once, here. */
export function answerThrown(ctx: Context, thrown: unknown, log: Log): void {
  const error = ControlPlaneError.from(thrown);
  const isForCaller = error instanceof ApiError;
  const status = isForCaller ? (error.status ?? STATUS[error.code]) : INNER_STATUS[error.code];
  if (status === 503) ctx.set('Retry-After', RETRY_AFTER_SECONDS);
  if (status === 413) ctx.set('Connection', 'close'); // The rest of the body is not read.
  const fields = {method: ctx.method, path: ctx.path, code: error.code, key: error.key};
  if (isForCaller && error.isLogged) log.debug({...fields, reason: error.detail}, 'request refused for now');
  else if (status === 503) log.warn({...fields, reason: error.detail}, 'request refused for now');
  else if (status >= 500) log.error({...fields, err: thrown}, 'request failed');
  const phrase = status === 413 ? 'Request Entity Too Large' : (STATUS_CODES[status] ?? 'Unknown');
  answerError(ctx, status, isForCaller ? detailFor(ctx, error) : phrase);
}

function detailFor(ctx: Context, error: ApiError): string {
  const texts = textsOf(ctx);
  return error instanceof WordedError && texts !== undefined ? error.say(texts) : error.detail;
}

/** The words of the version that was asked. */
export function textsOf(ctx: Context): TextSet | undefined {
  return ctx.state['texts'] as TextSet | undefined;
}
