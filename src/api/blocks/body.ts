import type {Context} from 'koa';
import {badRequest} from '../api-error.ts';
import {SMALL_BODY_BYTES, missingBody, parseJson, readJsonBytes} from '../middleware/body.ts';
import type {Violation} from '../texts/text-set.ts';
import {bodyCheck} from '../validation/body-check.ts';
import type {BodySchema, SchemaCheck} from '../validation/body-check.ts';
import {keywordText} from '../validation/texts.ts';
import {plainText} from './kinds.ts';

/** Violations that one answer tells. */
const MAX_TOLD = 10;

/** The check of a body about blocks: unlike SkyDriver's it says in which place something is missing, too. */
export function blockCheck<T>(schema: BodySchema, more?: (body: T) => void): SchemaCheck<T> {
  return bodyCheck<T>(schema, more, (violations) => badRequest(plainText(violations.slice(0, MAX_TOLD).map(tell).join('; '))));
}

function tell({path, keyword, expected, names}: Violation): string {
  const place = path.join('.');
  const within = place === '' ? '' : `${place}.`;
  if (keyword === 'required') return `${within}${names[0]}: is missing`;
  if (keyword === 'additionalProperties') return names.map((name) => `${within}${name}: is not known here`).join('; ');
  return `${place === '' ? 'the body' : place}: ${keywordText(keyword, expected)}`;
}

/** A checked body, and its bytes. @throws ApiError `invalid`, naming the place; `too_large` */
export async function readBlockBody<T>(ctx: Context, check: SchemaCheck<T>): Promise<{readonly body: T; readonly bytes: Buffer}> {
  const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
  if (bytes === undefined) throw missingBody();
  const value = parseJson(bytes);
  // Nothing else passes the check; only of an object is it known that it is not nested without end.
  if (typeof value === 'object' && !Array.isArray(value)) refuseUnstorable(value, '');
  return {body: check(value), bytes};
}

/** As {@link readBlockBody}, of a body that need not be sent. */
export async function readOptionalBody<T>(ctx: Context, check: SchemaCheck<T>): Promise<T> {
  const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
  return check(bytes === undefined ? {} : parseJson(bytes));
}

/**
 * Refuses what could not be stored as it came, in members that are the caller's own: numbers that are too large for any, and a name by which JavaScript
 * sets prototypes. What is parsed is not nested without end.
 */
function refuseUnstorable(value: unknown, place: string): void {
  if (typeof value === 'number' && !Number.isFinite(value)) throw badRequest(plainText(`${place}: is too large for a number`));
  if (typeof value !== 'object' || value === null) return;
  for (const [name, member] of Object.entries(value)) {
    const inner = place === '' ? name : `${place}.${name}`;
    if (name === '__proto__') throw badRequest(plainText(`${inner}: no member may have this name`));
    refuseUnstorable(member, inner);
  }
}
