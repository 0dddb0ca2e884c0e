export const SERVER_JOB = 'server';

/** How many workers a scan asks of each cluster, which it may name more than once. */
export function requestedWorkers(asked: Iterable<readonly [cluster: string, count: number]>): Map<string, number> {
  const wanted = new Map<string, number>();
  for (const [cluster, count] of asked) wanted.set(cluster, (wanted.get(cluster) ?? 0) + count);
  return wanted;
}
