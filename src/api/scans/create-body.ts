import {isUtf8} from 'node:buffer';
import {badRequest} from '../api-error.ts';
import {JsonSyntaxError, scanLargeJson} from '../json/json-scanner.ts';
import {decodeLargeString, isLargeUtf8, outlineOf} from '../json/outline.ts';
import type {Outline} from '../json/outline.ts';
import {RawJson} from '../json/raw-json.ts';
import {notJson, parseJson, refuseDeep} from '../middleware/body.ts';
import type {BodyCheck} from '../validation/body-check.ts';

/** Up to here a body is parsed in one go: a few milliseconds. */
const SMALL_BYTES = 1024 * 1024;

const EVENT = 'event_i3live_json';
/** Events may be as Python writes them, with bare `NaN`. */
const EVENT_ONLY: ReadonlySet<string> = new Set([EVENT]);

/** A checked body of POST /scan, and its text, in which a large event may be left out. */
export interface CreateRequest<T> {
  readonly body: T;
  readonly outline: Buffer;
}

/** Reads the body of POST /scan, whose event may have a hundred megabytes. `check` sees a large one as a short stand-in. @throws ApiError `invalid` */
export async function parseCreateBody<T>(bytes: Buffer, check: BodyCheck<T>): Promise<CreateRequest<T>> {
  if (bytes.length <= SMALL_BYTES) {
    const value = tryParse(bytes);
    if (value !== undefined) {
      refuseDeep(value, bytes);
      return {body: check(value), outline: bytes};
    }
  }
  if (!(await isLargeUtf8(bytes))) throw badRequest('Bad Request');
  const {text, range} = await outlineOrRefusal(bytes);
  const value = parseJson(text);
  if (range === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return {body: check(value), outline: text};
  const isText = bytes[range.start] === 0x22;
  const part = bytes.subarray(range.start, range.end);
  const event = isText ? await decodeLargeString(part) : part;
  const stand = isText ? textStandIn(event) : (value as Record<string, unknown>)[EVENT];
  const body = check({...value, [EVENT]: stand});
  if (isText) await requireJson(event);
  const isNothing = !isText && Object.keys(stand as object).length === 0;
  return {body: isNothing ? body : {...body, [EVENT]: new RawJson(event)}, outline: text};
}

function tryParse(bytes: Buffer): unknown {
  if (!isUtf8(bytes)) return undefined;
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch {
    return undefined; // With `NaN` in its event it may be all right.
  }
}

async function outlineOrRefusal(bytes: Buffer): Promise<Outline> {
  try {
    return await outlineOf(bytes, EVENT, {nonFiniteIn: EVENT_ONLY});
  } catch (err) {
    if (err instanceof JsonSyntaxError) throw notJson(bytes);
    throw err;
  }
}

/** A short text that passes or fails the pattern of an event as the whole would. */
function textStandIn(event: Buffer): string {
  const isBlank = (byte: number | undefined): boolean => byte !== undefined && byte <= 0x20;
  let start = 0;
  let end = event.length;
  while (isBlank(event[start])) start++;
  while (isBlank(event[end - 1])) end--;
  return event[start] === 0x7b && event[end - 1] === 0x7d ? '{}' : ' ';
}

/** @throws ApiError `invalid` */
async function requireJson(event: Buffer): Promise<void> {
  try {
    await scanLargeJson(event, {nonFiniteIn: 'everywhere'});
  } catch (err) {
    if (err instanceof JsonSyntaxError) throw badRequest(`${EVENT} is not valid JSON: ${err.message}`);
    throw err;
  }
}
