import {deletedControl} from '../../model/control-change.ts';
import type {Scan} from '../../model/manifest.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import {controlKey, resultKey, scanKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {badRequest} from '../api-error.ts';
import {changeScan, childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';

/** Version 2's idea of a completed scan. */
const hasFinalResult = (scan: Scan): boolean => scan.result?.value.is_final === true;

/**
 * Marks a scan as deleted and wants it stopped. Nothing is erased. Deleting again is allowed and only moves the time.
 *
 * @param isCompleted which scans only those may delete who say that they mean it
 * @throws ApiError `invalid`: it is completed, and the caller did not say that this is meant.
 */
export function deleteScan(deps: RouteDeps, scanId: string, deleteCompleted: boolean, isCompleted = hasFinalResult): Promise<Scan> {
  return changeScan(deps, scanId, (scan) => {
    if (!deleteCompleted && isCompleted(scan)) {
      throw badRequest('Attempted to delete a completed scan (must use `delete_completed_scan=True`)');
    }
    const value = deletedControl(scan.control?.value ?? DEFAULT_CONTROL, deps.clock.now() / 1000);
    return {
      commit: {
        compares: [
          {key: scanKey(scanId), exists: true},
          {key: controlKey(scanId), modRevision: childRevision(scan, 'control')},
          // A final result that arrives now must be seen.
          {key: resultKey(scanId), modRevision: childRevision(scan, 'result')},
        ],
        ops: [putJson(controlKey(scanId), value)],
      },
      answer: (revision) => ({
        ...scan,
        control: {value, createRevision: scan.control?.createRevision ?? revision, modRevision: revision, lease: '0'},
      }),
    };
  });
}
