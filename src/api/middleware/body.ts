import {isUtf8} from 'node:buffer';
import type {Context} from 'koa';
import getRawBody from 'raw-body';
import {ApiError, WordedError, badRequest, tooLarge} from '../api-error.ts';
import {requireShallow} from '../json/json-members.ts';
import {JsonSyntaxError} from '../json/json-scanner.ts';
import {looseParse} from '../json/loose-json.ts';
import {Arguments} from '../validation/query.ts';
import {textsOf} from './errors.ts';
import {LARGE_BODY_BYTES, readLargeBody} from './large-body.ts';

const COMMON_ARGUMENTS = ['include_deleted', 'no_redirect'];

/** Largest body of a request that carries no event and no result. */
export const SMALL_BODY_BYTES = 8 * 1024 * 1024;

/** The bytes of a request's body. @throws ApiError `too_large`; `invalid`: the client went away. */
export async function readBody(ctx: Context, limitBytes: number): Promise<Buffer> {
  const before = ctx.state['body'] as Buffer | undefined;
  if (before !== undefined) return before; // See peekBody.
  const declared = ctx.req.headers['content-length'];
  const length = declared === undefined ? undefined : Number(declared);
  if (length !== undefined && length > limitBytes) throw tooLarge();
  try {
    if (length === undefined || length > LARGE_BODY_BYTES) return await readLargeBody(ctx, length, limitBytes);
    return await getRawBody(ctx.req, {length, limit: limitBytes});
  } catch (err) {
    if (err instanceof ApiError) throw err;
    throw new ApiError('invalid', 'Bad Request', {cause: err});
  }
}

/** As {@link readBody}, of a small body that somebody else reads afterwards. */
export async function peekBody(ctx: Context): Promise<Buffer> {
  const bytes = await readBody(ctx, SMALL_BODY_BYTES);
  ctx.state['body'] = bytes;
  return bytes;
}

/** The bytes of a JSON body; `undefined` when there are none. @throws ApiError `too_large`; `invalid`: another content type. */
export async function readJsonBytes(ctx: Context, limitBytes: number): Promise<Buffer | undefined> {
  const bytes = await readBody(ctx, limitBytes);
  if (bytes.length === 0) return undefined;
  const type = ctx.req.headers['content-type'];
  const mime = type === undefined ? '*/*' : (type.split(';', 1)[0] as string).trim().toLowerCase();
  if (mime === 'application/x-www-form-urlencoded' || mime === 'multipart/form-data') throw badRequest('Bad Request');
  if (mime !== 'application/json') {
    const known = "Valid mimetypes: ['application/json']";
    throw badRequest(`Request body validation error: Content for the following mimetype not found: ${mime}. ${known}`);
  }
  return bytes;
}

/** What a body that is not JSON is told: its own text. */
export function notJson(bytes: Buffer): ApiError {
  return new WordedError('invalid', (texts) => texts.notJson(bytes.toString('utf8', 0, 4096)));
}

export const missingBody = (): ApiError => new WordedError('invalid', (texts) => texts.noBody);

/** Parses JSON bytes. @throws ApiError `invalid` */
export function parseJson(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) throw badRequest('Bad Request');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw notJson(bytes);
  }
  refuseDeep(value, bytes);
  return value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Refuses an object that is nested without end: whoever writes it again would run out of stack. @throws ApiError `invalid`, naming the member */
export function refuseDeep(value: unknown, bytes: Buffer): void {
  if (!isObject(value)) return;
  try {
    requireShallow(bytes);
  } catch (err) {
    if (err instanceof JsonSyntaxError) throw badRequest(err.message);
    throw err;
  }
}

/** Parses JSON bytes that a Python program wrote: in the named members `NaN` and the like may stand for numbers. @throws ApiError `invalid` */
export function parseLooseJson(bytes: Buffer, nonFiniteIn: ReadonlySet<string>): unknown {
  if (!isUtf8(bytes)) throw badRequest('Bad Request');
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    try {
      return looseParse(bytes, nonFiniteIn);
    } catch (err) {
      if (err instanceof JsonSyntaxError) throw notJson(bytes);
      throw err;
    }
  }
  refuseDeep(value, bytes);
  return value;
}

/**
 * Arguments of a GET: from its query, and from a JSON body whatever its content type says.
 *
 * @param names what the route knows besides `include_deleted`; only some versions mind others
 * @throws ApiError `invalid`
 */
export async function readArguments(ctx: Context, ...names: readonly string[]): Promise<Arguments> {
  const args = new Arguments(ctx.querystring, await readArgumentsBody(ctx));
  if (ctx.querystring === '') return args; // As good as every GET.
  const unknown = textsOf(ctx)?.unknownQuery(args.namesBut([...COMMON_ARGUMENTS, ...names]));
  if (unknown !== undefined) throw badRequest(unknown);
  return args;
}

async function readArgumentsBody(ctx: Context): Promise<Readonly<Record<string, unknown>>> {
  const {headers} = ctx.req;
  if (headers['transfer-encoding'] === undefined && (headers['content-length'] ?? '0') === '0') return {}; // As good as every GET.
  const bytes = await readBody(ctx, SMALL_BODY_BYTES);
  if (bytes.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(bytes.toString('utf8'));
  } catch {
    throw badRequest('requests body is not JSON-encoded');
  }
  if (!isObject(value)) throw badRequest("JSON-encoded requests body must be a 'dict'");
  refuseDeep(value, bytes);
  return value;
}
