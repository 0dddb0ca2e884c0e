import {isUtf8} from 'node:buffer';
import type {Context} from 'koa';
import {ApiError} from '../api-error.ts';
import {plainProblem} from '../../lib/plain-json.ts';
import {FieldError} from '../../proto/error.ts';
import {decodeJson} from '../../proto/json.ts';
import {readBody} from '../middleware/body.ts';
import {malformed, unsupportedMediaType} from './errors.ts';

/** A body as it was sent, and as it was read. */
export interface SentBody<T> {
  readonly bytes: Buffer;
  readonly value: T;
}

/**
 * Reads the body of a call of Spin Cycle's API. An empty one counts as an empty object.
 *
 * @param decode one of the decoders of `proto`
 * @throws FrameworkError `unsupported`: the content type is not JSON's; `invalid`: not JSON, or of another shape. ApiError `too_large`
 */
export async function readRequestBody<T>(ctx: Context, limitBytes: number, decode: (value: unknown) => T): Promise<SentBody<T>> {
  const bytes = await readBytes(ctx, limitBytes);
  if (bytes.length === 0) return {bytes, value: decode({})};
  const mime = (ctx.req.headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase();
  if (mime !== 'application/json') throw unsupportedMediaType();
  return {bytes, value: decodeBody(bytes, decode)};
}

async function readBytes(ctx: Context, limitBytes: number): Promise<Buffer> {
  try {
    return await readBody(ctx, limitBytes);
  } catch (err) {
    if (err instanceof ApiError && err.code === 'invalid') throw malformed(err.detail);
    throw err;
  }
}

function decodeBody<T>(bytes: Buffer, decode: (value: unknown) => T): T {
  if (!isUtf8(bytes)) throw malformed('the body is not UTF-8');
  let value: unknown;
  try {
    value = decodeJson(bytes.toString('utf8'));
  } catch {
    throw malformed('the body is not JSON');
  }
  const problem = plainProblem(value, true);
  if (problem !== undefined) throw malformed(problem);
  try {
    return decode(value);
  } catch (err) {
    if (err instanceof FieldError) throw malformed(err.message);
    throw err;
  }
}
