import {timestampOf} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import type {BacklogEntry} from '../../schema/backlog.ts';
import type {Pairs} from '../../schema/scan.ts';
import type {Cache, ScanTable} from '../../store/cache.ts';
import {missing} from '../api-error.ts';
import {RawJson} from '../json/raw-json.ts';
import type {JsonMembers} from '../json/raw-json.ts';

/** A waiting scan as SkyDriver shows it. */
export type PresentedBacklogEntry = {readonly scan_id: string} & BacklogEntry;

/** Everything that waits, oldest first. */
export function presentBacklog(cache: Cache): PresentedBacklogEntry[] {
  const entries: PresentedBacklogEntry[] = [];
  for (const {of, id} of cache.backlog()) {
    if (of !== 'scan') continue;
    const entry = cache.scans.get(id)?.backlog?.value;
    if (entry === undefined) continue;
    const {timestamp, priority, pending_timestamp, next_attempt} = entry;
    entries.push({scan_id: id, timestamp, priority, pending_timestamp, next_attempt});
  }
  return entries.sort((a, b) => a.timestamp - b.timestamp);
}

/** The request that a scan and all its rescans share. @throws ApiError `not_found`: the scan is itself a rescan */
export function presentRequest(scan: Scan, scans: ScanTable): JsonMembers {
  const {request, lineage} = scan.spec.value;
  if (lineage !== undefined) throw missing('ScanRequests');
  const {nsides, scanner_server_env_from_user, older: _, ...others} = request;
  return {
    scan_id: scan.id,
    rescan_ids: rescansOf(scan, scans),
    ...others,
    nsides: pairsJson(nsides),
    scanner_server_env_from_user: pairsJson(scanner_server_env_from_user),
  };
}

/** The rescans of an original scan, oldest first. */
function rescansOf(scan: Scan, scans: ScanTable): string[] {
  const rescans = [...scans.idsBy('root', scan.id)];
  const timeOf = (id: string): number => {
    const record = scans.get(id);
    return record?.spec === undefined ? 0 : timestampOf(record as Scan);
  };
  return rescans.sort((a, b) => timeOf(a) - timeOf(b) || (a < b ? -1 : 1));
}

/** Pairs as an object that keeps their order, which no JavaScript object would. */
function pairsJson(pairs: Pairs<unknown>): RawJson {
  return RawJson.of(`{${pairs.map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`);
}
