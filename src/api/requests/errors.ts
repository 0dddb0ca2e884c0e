import {STATUS_CODES} from 'node:http';
import type {Context} from 'koa';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {ErrorCode} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {ProtoError} from '../../proto/error.ts';
import {ApiError} from '../api-error.ts';

/** The status of an error that is meant for the caller. Spin Cycle knows no 403: who may not, is told as who is not known. */
const STATUS = {
  invalid: 400,
  forbidden: 401,
  not_found: 404,
  already_exists: 409,
  wrong_state: 409,
  too_large: 413,
  unsupported: 415,
  revision_conflict: 503,
  not_owner: 500,
  too_many_operations: 500,
  unknown_outcome: 503,
  unavailable: 503,
  internal: 500,
} as const satisfies Record<ErrorCode, number>;

/** Of errors from below, those that are worth a retry or a smaller body; all others are ours to mend. */
const INNER: ReadonlySet<ErrorCode> = new Set(['too_large', 'revision_conflict', 'unknown_outcome', 'unavailable']);

const RETRY_AFTER_SECONDS = '1';

/** An error that Spin Cycle's web framework tells of, not its request manager: its body has a message and nothing else. */
export class FrameworkError extends ApiError {}

/** A body that cannot be read. */
export const malformed = (reason: string): FrameworkError => new FrameworkError('invalid', reason);
export const unsupportedMediaType = (): FrameworkError => new FrameworkError('unsupported', 'Unsupported Media Type');
/** Who calls is not known, or may not do this. */
export const unauthorized = (reason: string): FrameworkError => new FrameworkError('forbidden', reason);

export const requestNotFound = (id: string): ApiError => new ApiError('not_found', `request ${id} not found`);
export const jobNotFound = (id: string, job: string): ApiError => new ApiError('not_found', `job ${job} of request ${id} not found`);
export const refused = (reason: string): ApiError => new ApiError('invalid', reason);
/** Well asked, but the request is not in a state for it. */
export const invalidState = (reason: string): ApiError => new ApiError('wrong_state', reason);

/** An answer of the web framework: `{"message"}`. */
export function answerMessage(ctx: Context, status: number, message: string): void {
  answerJson(ctx, status, {message});
}

/** Answers for anything thrown, and logs what is ours to mend: once, here. */
export function answerRequestThrown(ctx: Context, thrown: unknown, log: Log): void {
  const error = thrown instanceof ProtoError ? new ApiError('invalid', thrown.message) : ControlPlaneError.from(thrown);
  const isForCaller = error instanceof ApiError;
  const status = isForCaller || INNER.has(error.code) ? STATUS[error.code] : 500;
  const fields = {method: ctx.method, path: ctx.path, code: error.code, key: error.key};
  if (status === 503) {
    ctx.set('Retry-After', RETRY_AFTER_SECONDS);
    // Of what turns away many, not each is worth a line.
    log[isForCaller && error.isLogged ? 'debug' : 'warn']({...fields, reason: error.detail}, 'request refused for now');
  } else if (status >= 500) log.error({...fields, err: thrown}, 'request failed');
  if (status === 413) ctx.set('Connection', 'close'); // The rest of the body is not read.
  const message = isForCaller ? error.detail : (STATUS_CODES[status] ?? 'Unknown');
  if (error instanceof FrameworkError || status === 401 || (!isForCaller && status === 500)) answerMessage(ctx, status, message);
  else answerJson(ctx, status, new ProtoError(message, {httpStatus: status}));
}

function answerJson(ctx: Context, status: number, body: object): void {
  ctx.status = status;
  ctx.set('Content-Type', 'application/json; charset=UTF-8');
  ctx.body = JSON.stringify(body);
}
