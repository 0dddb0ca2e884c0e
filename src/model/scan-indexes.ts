import type {ScanRecord} from './scan-record.ts';

/** The value under which {@link SCAN_INDEXES} `run_event` files a scan. */
export const runEventValue = (runId: number, eventId: number): string => `${runId}/${eventId}`;

/** Whether a scan is marked as deleted. */
function isDeleted(scan: ScanRecord): boolean {
  return scan.control?.value.is_deleted ?? false;
}

/** The shape that the watch cache takes: see its `ScanIndex`, which lies above the model and so cannot be named here. */
interface Index {
  readonly name: string;
  of(scan: ScanRecord): string | undefined;
}

/**
 * The equality indexes that the watch cache keeps over scans. Each files a scan under one value at most.
 *
 * | name | filed under |
 * |---|---|
 * | `state` | state name; `PENDING` while only the spec is there; not at all when the stored state does not parse |
 * | `owner` | replica id of the owner key's holder (`''` for one put by hand without it) |
 * | `event` | `i3_event_id` of the request |
 * | `run_event` | `run_id/event_id` that the scanner reported, see {@link runEventValue} |
 * | `deleted` | `true`; those that are not deleted, nearly all, not at all |
 * | `workflow` | `workflow_id` of the workload manager |
 * | `root` | id of the scan at the root of the lineage; a scan without one, its own root, not at all |
 */
export const SCAN_INDEXES = [
  {
    name: 'state',
    of: (scan) => scan.state?.value.name ?? (scan.spec !== undefined && !scan.bad?.has('state') ? 'PENDING' : undefined),
  },
  {name: 'owner', of: (scan) => scan.owner?.value.replica},
  {name: 'event', of: (scan) => scan.spec?.value.request?.i3_event_id},
  {
    name: 'run_event',
    of: (scan) => {
      const event = scan.progress?.value.event_metadata;
      // Neither id is required of a stored value.
      return typeof event?.run_id === 'number' && typeof event.event_id === 'number' ? runEventValue(event.run_id, event.event_id) : undefined;
    },
  },
  {name: 'deleted', of: (scan) => (scan.spec !== undefined && isDeleted(scan) ? 'true' : undefined)},
  {name: 'workflow', of: (scan) => scan.ewms?.value.workflow_id},
  {name: 'root', of: (scan) => scan.spec?.value.lineage?.root_scan_id},
] as const satisfies readonly Index[];

export type ScanIndexName = (typeof SCAN_INDEXES)[number]['name'];
