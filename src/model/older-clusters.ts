import type {Cluster} from '../schema/cluster.ts';
import type {Job} from '../schema/job.ts';
import {NO_LEGACY} from '../schema/legacy.ts';
import type {ReportedCluster, ReportedCondorCluster} from '../schema/legacy.ts';
import type {Entry, ScanRecord} from './scan-record.ts';
import {presentWorkforce} from './workforce.ts';
import {JobTable} from './job-table.ts';

/** The clusters that exist, by name. */
export type ClusterTable = ReadonlyMap<string, {readonly value: Cluster}>;

/** A request of version 0 for workers: where it wants them, in HTCondor's terms. */
export interface CondorRequest {
  readonly collector: string;
  readonly schedd: string;
  readonly njobs: number;
}

/**
 * Which of our clusters a request of version 0 means: the one whose settings name the schedd (and the collector, where they name one), else the one
 * called like the schedd, else the one called like the collector. `undefined`: none.
 */
export function clusterMeant({collector, schedd}: Pick<CondorRequest, 'collector' | 'schedd'>, clusters: ClusterTable): string | undefined {
  const names = [...clusters.keys()].sort();
  const named = names.find((name) => {
    const {settings} = (clusters.get(name) as {readonly value: Cluster}).value;
    return settings.schedd === schedd && (settings.collector === undefined || settings.collector === collector);
  });
  return named ?? [schedd, collector].find((name) => clusters.has(name));
}

/** The workers of a scan as version 1 shows them: our own jobs, then what starters outside have reported. */
export function presentClusters(scan: ScanRecord, clusters: ClusterTable): ReportedCluster[] {
  const own = workersJobs(scan).map(([name, entry]) => ownCluster(scan, name, entry, clusters.get(entry.value.cluster)?.value));
  return [...own, ...(scan.legacy?.value ?? NO_LEGACY).clusters];
}

/** The workers of a scan as version 0 shows them. Its cluster ids are numbers: ours count the jobs, from 1. */
export function presentCondorClusters(scan: ScanRecord, clusters: ClusterTable): ReportedCondorCluster[] {
  const own = workersJobs(scan).map(([, {value: job}], index): ReportedCondorCluster => {
    return {...condorLocation(job, clusters.get(job.cluster)?.value), cluster_id: index + 1, jobs: job.count};
  });
  return [...own, ...(scan.legacy?.value ?? NO_LEGACY).condor_clusters];
}

function workersJobs(scan: ScanRecord): [string, Entry<Job>][] {
  return [...(scan.jobs ?? [])].filter(([, {value}]) => value.type === 'workers').sort(([a], [b]) => (a < b ? -1 : 1));
}

/** What is no Kubernetes shows as HTCondor: version 1 knows no third kind. */
function ownCluster(scan: ScanRecord, name: string, entry: Entry<Job>, cluster: Cluster | undefined): ReportedCluster {
  const job = entry.value;
  const {statuses, top_errors} = presentWorkforce({id: scan.id, jobs: JobTable.of([[name, entry]])});
  const isKubernetes = cluster?.engine === 'kubernetes';
  const {host = job.cluster, namespace = job.cluster} = cluster?.settings ?? {};
  return {
    orchestrator: isKubernetes ? 'k8s' : 'condor',
    location: isKubernetes ? {host, namespace} : condorLocation(job, cluster),
    n_workers: job.count,
    uuid: `${scan.id}-${name}`,
    cluster_id: name,
    starter_info: {},
    statuses,
    top_task_errors: top_errors,
  };
}

function condorLocation(job: Job, cluster: Cluster | undefined): {collector: string; schedd: string} {
  const {collector = job.cluster, schedd = job.cluster} = cluster?.settings ?? {};
  return {collector, schedd};
}

/** A report takes the place of the one with the same `uuid`, else it comes last. */
export function withReport(clusters: readonly ReportedCluster[], report: ReportedCluster): ReportedCluster[] {
  const index = clusters.findIndex(({uuid}) => uuid === report.uuid);
  return index === -1 ? [...clusters, report] : clusters.with(index, report);
}

/** Whether all workers of some cluster are held or have failed for good, so that the scan will never get on. @see SkyDriver 1.3, PATCH /scan/ID/manifest */
export function isPastHope(clusters: readonly ReportedCluster[]): boolean {
  return clusters.some((cluster) => lostWorkers(cluster) >= Math.max(cluster.n_workers, 1));
}

/** Workers that are held, or whose pilot failed; one that is both counts once. */
function lostWorkers({statuses}: ReportedCluster): number {
  let lost = 0;
  for (const [condor, pilots] of Object.entries(statuses)) {
    const isHeld = /^held\b/i.test(condor);
    for (const [pilot, count] of Object.entries(pilots)) if (isHeld || pilot === 'FatalError') lost += count;
  }
  return lost;
}
