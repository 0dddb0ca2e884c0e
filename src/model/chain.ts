import type {Chain, PlannedJob} from '../schema/chain.ts';
import type {SkymapSpec} from '../schema/scan.ts';

export const SERVER_JOB = 'server';

/** The name of the workers job for the `n`-th cluster entry of a request, from 1. */
export const workersJob = (n: number): string => `workers-${n}`;

/**
 * The jobs of a sky scan: one scanner server and one workers job per requested cluster entry, all side by side (workers live until the server is done).
 *
 * A pure function of the scan: whoever builds it, and however often, it is the same.
 */
export function buildSkymapChain(spec: SkymapSpec, retry: number): Chain {
  const jobs: Record<string, PlannedJob> = {};
  const entries = spec.request.request_clusters;
  const serverCluster = entries[0]?.[0] ?? '';
  jobs[SERVER_JOB] = {type: 'scanner-server', cluster: serverCluster, count: 1, retry};
  entries.forEach(([cluster, count], index) => {
    jobs[workersJob(index + 1)] = {type: 'workers', cluster, count, retry};
  });
  return {jobs, adjacency: Object.fromEntries(Object.keys(jobs).map((job) => [job, []]))};
}

/** How many workers a scan asks of each cluster, extra ones included. */
export function requestedWorkers(spec: SkymapSpec, extra: readonly {readonly cluster: string; readonly count: number}[]): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const [cluster, count] of spec.request.request_clusters) wanted.set(cluster, (wanted.get(cluster) ?? 0) + count);
  for (const {cluster, count} of extra) wanted.set(cluster, (wanted.get(cluster) ?? 0) + count);
  return wanted;
}
