import {hasCode} from '../../lib/errors.ts';
import type {RouteDeps} from '../deps.ts';
import {findScan} from '../compare-and-set.ts';
import type {JsonMembers, RawJson, StreamedJson} from '../json/raw-json.ts';
import {storedJson} from '../stored-json.ts';

/** How often a result that is replaced while it is read is looked up again. */
const MAX_ROUNDS = 5;

/** A result as SkyDriver shows it. `result` is the JSON text that the scanner sent. */
export function presentResult(scanId: string, result: RawJson | StreamedJson, isFinal: boolean): JsonMembers {
  return {scan_id: scanId, skyscan_result: result, is_final: isFinal};
}

/** The stored result of a scan; `{}` while there is none. */
export async function readResult(deps: RouteDeps, scanId: string): Promise<JsonMembers> {
  for (let round = 0; ; round++) {
    const header = findScan(deps, scanId).result?.value;
    if (header === undefined) return {};
    try {
      return presentResult(scanId, await storedJson(deps, 'result', scanId, header.blob), header.is_final);
    } catch (err) {
      if (!hasCode(err, 'not_found') || round === MAX_ROUNDS) throw err;
      await deps.cache.catchUp();
    }
  }
}
