import {isDeepStrictEqual} from 'node:util';
import {canonicalJson} from '../../lib/canonical-json.ts';
import {isPastHope, withReport} from '../../model/older-clusters.ts';
import {workersAreDone} from '../../model/older-codes.ts';
import type {Scan} from '../../model/manifest.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import type {Control} from '../../schema/control.ts';
import {randomHex} from '../../schema/ids.ts';
import {controlKey, legacyKey} from '../../schema/keys.ts';
import {NO_LEGACY} from '../../schema/legacy.ts';
import type {Legacy, ReportedCluster, ReportedCondorCluster} from '../../schema/legacy.ts';
import {putJson} from '../../schema/put-json.ts';
import {childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import type {Alongside} from '../manifest/patch.ts';
import {requireSmall} from '../value-size.ts';

/** Puts in what version 0 or 1 reports besides progress. */
export function changeLegacy(deps: RouteDeps, scan: Scan, change: (legacy: Legacy) => Legacy): Alongside {
  const before = scan.legacy?.value ?? NO_LEGACY;
  const value: Legacy = {...change(before), updated_at: Math.max(deps.clock.now() / 1000, (before.updated_at ?? 0) + 1e-6)};
  const text = canonicalJson(value);
  requireSmall(deps.store.limits, text, value);
  return {
    compares: [{key: legacyKey(scan.id), modRevision: childRevision(scan, 'legacy')}],
    ops: [{put: legacyKey(scan.id), value: text}],
    apply: (after, revision) => ({
      ...after,
      legacy: {value, createRevision: scan.legacy?.createRevision ?? revision, modRevision: revision, lease: '0'},
    }),
  };
}

/** A starter's report as it comes in: only its place and its number of workers must be told. */
export type ClusterReport = Pick<ReportedCluster, 'orchestrator' | 'location' | 'n_workers'> & Partial<ReportedCluster>;

/** Without members that nobody knows; the rest as given or by default. */
function completeReport(report: ClusterReport): ReportedCluster {
  const {orchestrator, location, n_workers, uuid = randomHex(16), cluster_id = '', starter_info = {}, statuses = {}, top_task_errors = {}} = report;
  return {orchestrator, location, n_workers, uuid, cluster_id, starter_info, statuses, top_task_errors};
}

/** Puts in a starter's report on its workers. A scan of which some cluster has no worker left that could go on is stopped with it. */
export function reportCluster(deps: RouteDeps, scan: Scan, report: ClusterReport): Alongside {
  const clusters = withReport(scan.legacy?.value.clusters ?? [], completeReport(report));
  const change = changeLegacy(deps, scan, (legacy) => ({...legacy, clusters}));
  if (!isPastHope(clusters) || workersAreDone(scan)) return change;
  const control = scan.control?.value ?? DEFAULT_CONTROL;
  const value: Control = {
    ...control,
    desired: 'stop',
    generation: control.generation + 1,
    updated_at: Math.max(deps.clock.now() / 1000, (control.updated_at ?? 0) + 1e-6),
  };
  return {
    compares: [...change.compares, {key: controlKey(scan.id), modRevision: childRevision(scan, 'control')}],
    ops: [...change.ops, putJson(controlKey(scan.id), value)],
    apply: (after, revision) => ({
      ...change.apply(after, revision),
      control: {value, createRevision: scan.control?.createRevision ?? revision, modRevision: revision, lease: '0'},
    }),
  };
}

/** Puts in what a starter of version 0 reports: one more cluster, unless it is told again. */
export function reportCondorCluster(deps: RouteDeps, scan: Scan, report: ReportedCondorCluster): Alongside {
  const {collector, schedd, cluster_id, jobs} = report;
  const known = {collector, schedd, cluster_id, jobs};
  return changeLegacy(deps, scan, (legacy) => {
    const isToldAgain = legacy.condor_clusters.some((each) => isDeepStrictEqual(each, known));
    return isToldAgain ? legacy : {...legacy, condor_clusters: [...legacy.condor_clusters, known]};
  });
}
