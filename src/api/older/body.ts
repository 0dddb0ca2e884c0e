import type {Context} from 'koa';
import {badRequest} from '../api-error.ts';
import {parseJson, readBody} from '../middleware/body.ts';

/** A body as versions 1 and 0 read it: whatever its content type, and none is as good as an empty object. */
export interface OlderBody {
  readonly bytes: Buffer;
  readonly value: Readonly<Record<string, unknown>>;
}

/** @throws ApiError `invalid`: it is not JSON, or no object. `too_large` */
export async function readOlderBody(ctx: Context, limitBytes: number): Promise<OlderBody> {
  const bytes = await readBody(ctx, limitBytes);
  const value = bytes.length === 0 ? {} : parseJson(bytes);
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest("JSON-encoded requests body must be a 'dict'");
  return {bytes, value: value as Record<string, unknown>};
}
