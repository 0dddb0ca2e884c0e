import {canonicalJson} from '../../lib/canonical-json.ts';
import {must} from '../../lib/assert.ts';
import {mixtureOf} from '../../model/admission-plan.ts';
import {extendedControl} from '../../model/control-change.ts';
import {NOT_YET_REQUESTED, workflowIdOf} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {modRevisionOf} from '../../model/scan-record.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import {controlKey, ewmsKey, resultKey, scanKey, stateKey} from '../../schema/keys.ts';
import {isTerminal} from '../../schema/state.ts';
import {ApiError, badRequest, wrongState} from '../api-error.ts';
import {changeScan, findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {otherBody} from '../idempotency/idempotency.ts';
import {requireSmall} from '../value-size.ts';
import {requireKnownClusters} from './request.ts';
import type {AddWorkersBody} from './schema.ts';

/** What was asked for, as SkyDriver names it. */
export interface AddedWorkers {
  readonly taskforce_uuid: string;
  readonly n_workers: number;
}

/**
 * Asks for more workers of a scan that runs. They start as soon as their cluster has room for them.
 *
 * @param id of what is asked: asking again under the same id adds nothing, where our own engines run the workers
 * @throws ApiError `wrong_state`: the scan takes no workers (any more), and why; or the id stands for something else. `invalid`: there is no such
 *   cluster, or it does not go with the scan's. `internal`: the workload manager that runs them does not add any.
 */
export async function addWorkers(deps: RouteDeps, scanId: string, id: string, body: AddWorkersBody): Promise<AddedWorkers> {
  return (await addOwnWorkers(deps, scanId, id, body)) ?? (await askEwms(deps, findScan(deps, scanId), body));
}

/** For a scan that was handed over to an outside workload manager. @throws ApiError `internal` */
async function askEwms(deps: RouteDeps, scan: Scan, {n_workers: count, cluster_location: cluster}: AddWorkersBody): Promise<AddedWorkers> {
  try {
    return await must(deps.ewms, 'an outside workload manager is configured').addWorkers(workflowIdOf(scan), cluster, count);
  } catch (err) {
    throw new ApiError('internal', 'failed to request additional workers on EWMS--contact admins', {cause: err});
  }
}

/** @returns `undefined` for a scan whose workers an outside workload manager runs */
function addOwnWorkers(deps: RouteDeps, scanId: string, id: string, body: AddWorkersBody): Promise<AddedWorkers | undefined> {
  const {n_workers: count, cluster_location: cluster} = body;
  const answer = (): AddedWorkers => ({taskforce_uuid: id, n_workers: count});
  return changeScan<AddedWorkers | undefined>(deps, scanId, async (scan) => {
    const before = scan.control?.value.extra_workers.find((extra) => extra.id === id);
    if (before !== undefined) {
      if (before.cluster !== cluster || before.count !== count) throw otherBody();
      return {commit: undefined, answer};
    }
    requireGoingOn(scan);
    if (scan.ewms !== undefined) return {commit: undefined, answer: () => undefined};
    await requireKnownClusters(deps, 'cluster_location', [cluster]);
    const names = scan.spec.value.request.request_clusters.map(([name]) => name);
    const mixture = mixtureOf([...names, cluster], (name) => deps.cache.clusters.get(name)?.value.engine);
    if (mixture !== undefined) throw badRequest(`'cluster_location': ${mixture}`);
    const control = extendedControl(scan.control?.value ?? DEFAULT_CONTROL, {id, cluster, count});
    const text = canonicalJson(control);
    requireSmall(deps.store.limits, text, control);
    return {
      commit: {
        compares: [
          {key: scanKey(scanId), exists: true},
          {key: controlKey(scanId), modRevision: modRevisionOf(scan, 'control')},
          {key: ewmsKey(scanId), modRevision: modRevisionOf(scan, 'ewms')},
          // What would have refused it must not come in between.
          {key: resultKey(scanId), modRevision: modRevisionOf(scan, 'result')},
          {key: stateKey(scanId), modRevision: modRevisionOf(scan, 'state')},
        ],
        ops: [{put: controlKey(scanId), value: text}],
      },
      answer,
    };
  });
}

/** @throws ApiError `wrong_state` */
function requireGoingOn(scan: Scan): void {
  const control = scan.control?.value ?? DEFAULT_CONTROL;
  if (control.is_deleted) throw wrongState('this scan has been deleted--cannot add workers');
  if (workflowIdOf(scan) === NOT_YET_REQUESTED) throw wrongState('an EWMS workflow has not been assigned--cannot add workers');
  if (scan.result?.value.is_final === true) throw wrongState('this scan has a final result--cannot add workers');
  const hasEnded = scan.state !== undefined && isTerminal(scan.state.value.name);
  if (hasEnded || control.desired === 'stop') throw wrongState('this scan has ended--cannot add workers');
}
