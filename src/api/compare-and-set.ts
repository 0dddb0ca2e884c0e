import {ControlPlaneError} from '../lib/errors.ts';
import {isScan} from '../model/manifest.ts';
import type {Scan} from '../model/manifest.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {Commit, CommitResult, Revision} from '../store/store.ts';
import type {RouteDeps} from './deps.ts';
import {missing} from './api-error.ts';

/** How often a write that somebody else overtook is decided again. */
const MAX_ROUNDS = 10;
/** How long the cache may take to show what overtook us. */
const CATCH_UP_MS = 2000;

/** What to write, and what to answer once it is written at `revision`; `undefined` writes nothing. */
export interface Decision<T> {
  readonly commit: Commit | undefined;
  readonly answer: (revision: Revision) => T;
  /** Told what stood in the compared keys when the write was refused; may throw, where to begin again would not help. */
  readonly refused?: (result: CommitResult & {readonly ok: false}) => void;
}

/**
 * Changes a scan by compare-and-set: reads it, lets `decide` say what to write, and begins again when somebody else wrote first.
 *
 * `decide` must compare every key that it decided on.
 *
 * @throws ApiError `not_found`: there is no such scan. ControlPlaneError `revision_conflict`: overtaken too often.
 */
export function changeScan<T>(deps: RouteDeps, scanId: string, decide: (scan: Scan) => Promise<Decision<T>> | Decision<T>): Promise<T> {
  return changeRecord(deps, scanId, findScan, decide);
}

/** As {@link changeScan}, of whatever `find` finds. @throws what it throws; ControlPlaneError `revision_conflict` */
export async function changeRecord<R, T>(
  deps: Pick<RouteDeps, 'cache' | 'groupCommit'>,
  scanId: string,
  find: (deps: Pick<RouteDeps, 'cache'>, scanId: string) => R,
  decide: (record: R) => Promise<Decision<T>> | Decision<T>,
): Promise<T> {
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const {commit, answer, refused} = await decide(find(deps, scanId));
    if (commit === undefined) return answer(deps.cache.revision);
    // The group commit also reads back a write whose reply was lost.
    const result = await deps.groupCommit.commit(commit);
    if (result.ok) return answer(result.revision);
    refused?.(result);
    await deps.cache.waitFor(result.revision, CATCH_UP_MS);
  }
  throw new ControlPlaneError('revision_conflict', 'too many writers at once', {key: scanId});
}

/** A scan that exists for users, deleted or not. @throws ApiError `not_found` */
export function findScan(deps: Pick<RouteDeps, 'cache'>, scanId: string): Scan {
  const record = deps.cache.scans.get(scanId);
  if (!isScan(record)) throw missing('Manifests');
  return record;
}

/** The mod revision of a child key, 0 while it is absent. A value that does not parse counts too: what is written next mends it. */
export function childRevision(scan: ScanRecord, child: 'control' | 'progress' | 'result' | 'ewms' | 'admission' | 'state' | 'legacy'): Revision {
  return (scan[child] ?? scan.bad?.get(child))?.modRevision ?? 0;
}
