import type {Context} from 'koa';
import {badRequest} from '../api-error.ts';
import {parseLooseJson, readBody} from '../middleware/body.ts';

/** A body as versions 1 and 0 read it: whatever its content type, and none is as good as an empty object. */
export interface OlderBody {
  readonly bytes: Buffer;
  readonly value: Readonly<Record<string, unknown>>;
}

/** In the members named, `NaN` and the like may stand for numbers. @throws ApiError `invalid`: it is not JSON, or no object. `too_large` */
export async function readOlderBody(ctx: Context, limitBytes: number, nonFiniteIn: ReadonlySet<string> = NOWHERE): Promise<OlderBody> {
  const bytes = await readOlderBytes(ctx, limitBytes);
  return {bytes, value: requireDict(parseLooseJson(bytes, nonFiniteIn))};
}

/** The bytes of a body alone. @throws ApiError `too_large` */
export async function readOlderBytes(ctx: Context, limitBytes: number): Promise<Buffer> {
  const bytes = await readBody(ctx, limitBytes);
  return bytes.length === 0 ? NOTHING : bytes;
}

const NOTHING = Buffer.from('{}');
const NOWHERE: ReadonlySet<string> = new Set();

/** @throws ApiError `invalid` */
export function requireDict(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw badRequest("JSON-encoded requests body must be a 'dict'");
  return value as Record<string, unknown>;
}
