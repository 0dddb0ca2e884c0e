import type {SkymapSpec} from '../schema/scan.ts';

export const SERVER_JOB = 'server';

/** How many workers a scan asks of each cluster, extra ones included. */
export function requestedWorkers(spec: SkymapSpec, extra: readonly {readonly cluster: string; readonly count: number}[]): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const [cluster, count] of spec.request.request_clusters) wanted.set(cluster, (wanted.get(cluster) ?? 0) + count);
  for (const {cluster, count} of extra) wanted.set(cluster, (wanted.get(cluster) ?? 0) + count);
  return wanted;
}
