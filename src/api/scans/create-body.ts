import {badRequest} from '../api-error.ts';
import {JsonSyntaxError, scanLargeJson} from '../json/json-scanner.ts';
import {decodeLargeString, isLargeUtf8, outlineOf} from '../json/outline.ts';
import type {Outline} from '../json/outline.ts';
import {RawJson} from '../json/raw-json.ts';
import {notJson, parseJson} from '../middleware/body.ts';
import {checkCreateScan} from './schema.ts';
import type {CreateScanBody} from './schema.ts';

/** Up to here a body is parsed in one go: a few milliseconds. */
const SMALL_BYTES = 1024 * 1024;

const EVENT = 'event_i3live_json';
/** Events may be as Python writes them, with bare `NaN`. */
const EVENT_ONLY: ReadonlySet<string> = new Set([EVENT]);

/** A checked body of POST /scan, and its text, in which a large event may be left out. */
export interface CreateRequest {
  readonly body: CreateScanBody;
  readonly outline: Buffer;
}

/** Reads the body of POST /scan, whose event may have a hundred megabytes. @throws ApiError `invalid` */
export async function parseCreateBody(bytes: Buffer): Promise<CreateRequest> {
  if (bytes.length <= SMALL_BYTES) {
    const value = tryParse(bytes);
    if (value !== undefined) return {body: checkCreateScan(value), outline: bytes};
  }
  if (!(await isLargeUtf8(bytes))) throw badRequest('Bad Request');
  const {text, range} = await outlineOrRefusal(bytes);
  const value = parseJson(text);
  if (range === undefined || typeof value !== 'object' || value === null || Array.isArray(value))
    return {body: checkCreateScan(value), outline: text};
  const isText = bytes[range.start] === 0x22;
  const part = bytes.subarray(range.start, range.end);
  const event = isText ? await decodeLargeString(part) : part;
  const stand = isText ? textStandIn(event) : (value as Record<string, unknown>)[EVENT];
  const body = checkCreateScan({...value, [EVENT]: stand});
  if (isText) await requireJson(event);
  const isNothing = !isText && Object.keys(stand as object).length === 0;
  return {body: isNothing ? body : {...body, [EVENT]: new RawJson(event)}, outline: text};
}

function tryParse(bytes: Buffer): unknown {
  try {
    return parseJson(bytes);
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
