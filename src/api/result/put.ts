import type {ResultHeader} from '../../schema/blob.ts';
import {resultKey, scanKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {badRequest} from '../api-error.ts';
import {changeScan, childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {JsonSyntaxError, scanLargeJson} from '../json/json-scanner.ts';
import type {JsonRange} from '../json/json-scanner.ts';
import {isLargeUtf8, standIn} from '../json/outline.ts';
import {RawJson} from '../json/raw-json.ts';
import type {JsonMembers} from '../json/raw-json.ts';
import type {BodyCheck} from '../validation/body-check.ts';
import {notJson} from '../middleware/body.ts';
import {presentResult, readResult} from './present.ts';
import {checkPutResult} from './schema.ts';

/** Where Python's bare `NaN` may stand: as older scanners send their results. */
const RESULT: ReadonlySet<string> = new Set(['skyscan_result', 'json_dict']);

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
  if (!(await isLargeUtf8(bytes))) throw badRequest('Bad Request');
  let members: ReadonlyMap<string, JsonRange>;
  try {
    members = await scanLargeJson(bytes, {nonFiniteIn: RESULT});
  } catch (err) {
    if (err instanceof JsonSyntaxError) throw notJson(bytes);
    throw err;
  }
  const outline: Record<string, unknown> = {};
  for (const [name, range] of members) outline[name] = outlineOf(bytes, range);
  const isObject = bytes.length > 0 && bytes[bytes.findIndex((byte) => byte > 0x20)] === 0x7b;
  const {is_final} = check(isObject ? outline : []);
  const range = names.map((name) => members.get(name)).find((each) => each !== undefined) as JsonRange; // The check has seen it.
  return {text: bytes.subarray(range.start, range.end), isEmpty: standIn(bytes, range) === '{}', isFinal: is_final};
}

/** Longer texts are no truth values, and nothing else is looked at. */
const MAX_WORD = 64;

function outlineOf(bytes: Buffer, range: JsonRange): unknown {
  const isWord = bytes[range.start] === 0x22 && range.end - range.start <= MAX_WORD;
  return JSON.parse(isWord ? bytes.toString('utf8', range.start, range.end) : standIn(bytes, range));
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
        ops: [putJson(resultKey(scanId), header), ...staged.ops],
      },
      answer: () => true,
    };
  });
  if (incoming.isEmpty) return {};
  return isStored ? presentResult(scanId, new RawJson(text), isFinal) : readResult(deps, scanId);
}
