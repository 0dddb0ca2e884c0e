import {isScan} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {planRescan, rootIdOf} from '../../model/rescan.ts';
import type {RescanOptions} from '../../model/rescan.ts';
import {newScanId} from '../../schema/ids.ts';
import {notFound} from '../api-error.ts';
import {changeScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {requireSmall} from '../value-size.ts';
import type {Asked} from './create.ts';

/**
 * Runs the request of a scan again, as a new scan, which is returned. All or nothing of it is written, in one transaction.
 *
 * @throws ApiError `not_found`: there is no such scan, or the one whose request it runs has been removed. ControlPlaneError as {@link Asked.remember}.
 */
export function rescan(deps: RouteDeps, scanId: string, options: RescanOptions, {user, remember}: Asked): Promise<Scan> {
  return changeScan(deps, scanId, (origin) => {
    const root = deps.cache.scans.get(rootIdOf(origin));
    if (!isScan(root)) throw notFound();
    const nowMs = deps.clock.now();
    const id = newScanId(nowMs);
    const plan = planRescan({origin, root, options, newId: id, nowMs, ...(user === undefined ? {} : {user})});
    requireSmall(deps.store.limits, plan.specText, plan.spec.request);
    return {
      commit: {compares: [...plan.compares, ...remember.compares], ops: [...plan.ops, ...remember.ops(id)]},
      refused: (result) => remember.refused(result),
      answer: (revision) => ({id, spec: {value: plan.spec, createRevision: revision, modRevision: revision, lease: '0'}}),
    };
  });
}
