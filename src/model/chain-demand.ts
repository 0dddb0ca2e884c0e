import type {Chain} from '../schema/chain.ts';

/** Placeholder of task B. */
export function chainDemand(chain: Chain): [string, number][] {
  const wanted = new Map<string, number>();
  for (const {cluster, count} of Object.values(chain.jobs)) if (cluster !== '') wanted.set(cluster, (wanted.get(cluster) ?? 0) + count);
  return [...wanted];
}
