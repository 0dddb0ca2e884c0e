import {canonicalJson} from '../../lib/canonical-json.ts';
import type {ResultHeader} from '../../schema/blob.ts';
import {resultKey, scanKey} from '../../schema/keys.ts';
import {changeScan, childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {JsonSyntaxError, scanLargeJson} from '../json/json-scanner.ts';
import type {JsonRange} from '../json/json-scanner.ts';
import type {JsonMembers} from '../json/raw-json.ts';
import type {BodyCheck} from '../validation/body-check.ts';
import {notJson} from '../middleware/body.ts';
import {presentResult, readResult} from './present.ts';
import {checkPutResult} from './schema.ts';

/** A result as it came in: its JSON text, untouched. */
export interface IncomingResult {
  readonly text: Buffer;
  readonly isEmpty: boolean;
  readonly isFinal: boolean;
}

/**
 * Checks the body of PUT /scan/ID/result without building the result in memory.
 *
 * @param check of the body, in which each large value is replaced by an empty one of its type
 * @param names under which the result may come; the first that is there counts
 * @throws ApiError `invalid`
 */
export async function parseResultBody(
  bytes: Buffer,
  check: BodyCheck<{readonly is_final: boolean}> = checkPutResult,
  names: readonly string[] = ['skyscan_result'],
): Promise<IncomingResult> {
  let members: ReadonlyMap<string, JsonRange>;
  try {
    members = await scanLargeJson(bytes);
  } catch (err) {
    if (err instanceof JsonSyntaxError) throw notJson(bytes);
    throw err;
  }
  const outline: Record<string, unknown> = {};
  for (const [name, range] of members) outline[name] = outlineOf(bytes, range);
  const isObject = bytes.length > 0 && bytes[bytes.findIndex((byte) => byte > 0x20)] === 0x7b;
  const {is_final} = check(isObject ? outline : []);
  const range = names.map((name) => members.get(name)).find((each) => each !== undefined) as JsonRange; // The check has seen it.
  const text = bytes.subarray(range.start, range.end);
  return {text, isEmpty: isEmptyObject(text), isFinal: is_final};
}

/** Longer texts are no truth values, and nothing else is looked at. */
const MAX_WORD = 64;

/** A stand-in for a member's value that passes or fails the check as the value would. */
function outlineOf(bytes: Buffer, {start, end}: JsonRange): unknown {
  if (bytes[start] === 0x7b) return {};
  if (bytes[start] === 0x5b) return [];
  if (bytes[start] === 0x22 && end - start > MAX_WORD) return '';
  return JSON.parse(bytes.toString('utf8', start, end));
}

function isEmptyObject(text: Buffer): boolean {
  return text.subarray(1, text.length - 1).every((byte) => byte <= 0x20);
}

/**
 * Stores a result and answers with what is stored afterwards.
 *
 * A partial result never replaces a final one: a report that was delayed on its way must not undo that the scan is complete. It is answered with
 * the final result that stands. An empty result has no effect at all; scanners send one before their first pixel.
 */
export async function putResult(deps: RouteDeps, scanId: string, incoming: IncomingResult): Promise<JsonMembers> {
  const {text, isFinal} = incoming;
  const isStored = await changeScan(deps, scanId, async (scan) => {
    const stored = scan.result?.value;
    if (incoming.isEmpty || (stored?.is_final === true && !isFinal)) return {commit: undefined, answer: () => false};
    const staged = await deps.blobs.stage('result', scanId, text, stored?.blob);
    const header: ResultHeader = {is_final: isFinal, blob: staged.header, updated_at: deps.clock.now() / 1000};
    return {
      commit: {
        compares: [{key: scanKey(scanId), exists: true}, {key: resultKey(scanId), modRevision: childRevision(scan, 'result')}, ...staged.compares],
        ops: [{put: resultKey(scanId), value: canonicalJson(header)}, ...staged.ops],
      },
      answer: () => true,
    };
  });
  if (incoming.isEmpty) return {};
  return isStored ? presentResult(scanId, text, isFinal) : readResult(deps, scanId);
}
