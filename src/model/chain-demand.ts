import {NOOP} from '../schema/chain.ts';
import type {Chain, PlannedJob} from '../schema/chain.ts';
import {orderOf} from './chain-order.ts';
import type {ChainOrder} from './chain-order.ts';

/** Clusters of one chain that are looked at one by one. */
const MAX_CLUSTERS = 64;

/**
 * How many processes of a chain's jobs may want to run at once, by cluster: `[cluster, processes]`, sorted. Never too few; for chains that specs
 * make, seldom too many. Linear in jobs and edges.
 */
export function chainDemand(chain: Chain): [string, number][] {
  const order = orderOf(chain);
  const planned = order.ids.map((id) => chain.jobs[id] as PlannedJob);
  const sums = new Map<string, {total: number; largest: number}>();
  for (const job of planned) {
    const processes = processesOf(job);
    if (processes === 0) continue;
    const {total, largest} = sums.get(job.cluster) ?? {total: 0, largest: 0};
    sums.set(job.cluster, {total: total + processes, largest: Math.max(largest, processes)});
  }
  const demand = Array.from(sums, ([cluster, {total, largest}]): [string, number] => {
    const mostJobs = chain.concurrency === undefined ? total : chain.concurrency * largest;
    if (sums.size > MAX_CLUSTERS || Math.min(total, mostJobs) <= 1) return [cluster, Math.min(total, mostJobs)];
    const wanted = planned.map((job) => (job.cluster === cluster ? processesOf(job) : 0));
    // Jobs that wait for each other in a circle are in no order; their request has to be admitted all the same, so that its owner says so.
    return [cluster, Math.max(1, Math.min(total, mostJobs, slotsFor(order, wanted)))];
  });
  return demand.sort(([a], [b]) => (a < b ? -1 : 1));
}

/** How many processes the largest job of a chain has, by cluster, where that is more than one: `[cluster, processes]`, sorted. */
export function largestJobs(chain: Chain): [string, number][] {
  const largest = new Map<string, number>();
  for (const job of Object.values(chain.jobs)) {
    const processes = processesOf(job);
    if (processes > (largest.get(job.cluster) ?? 1)) largest.set(job.cluster, processes);
  }
  return [...largest].sort(([a], [b]) => (a < b ? -1 : 1));
}

/**
 * Slots with which no job has to wait for one, if it needs `wanted` of them.
 *
 * Slots are handed along the edges: a job takes those that reach it, and new ones if they are too few, and hands all on, divided among its successors
 * by what these and whoever comes after them will need. A slot thus goes from job to job along one way through the chain, on which no two run at once: so
 * the slots that were ever new are enough.
 */
function slotsFor({next, previous, order}: ChainOrder, wanted: readonly number[]): number {
  // What comes behind several jobs expects its share of each.
  const needs = new Float64Array(wanted.length);
  for (const job of order.toReversed()) {
    let behind = 0;
    for (const successor of next[job] ?? []) behind += (needs[successor] ?? 0) / (previous[successor]?.length ?? 1);
    needs[job] = Math.max(wanted[job] ?? 0, behind);
  }
  const slots = new Float64Array(wanted.length);
  let made = 0;
  for (const job of order) {
    const more = Math.max(0, (wanted[job] ?? 0) - (slots[job] ?? 0));
    made += more;
    const all = (slots[job] ?? 0) + more;
    const successors = next[job] ?? [];
    const expected = successors.map((successor) => needs[successor] ?? 0);
    const total = expected.reduce((sum, need) => sum + need, 0);
    let share = 0;
    let handed = 0;
    successors.forEach((successor, n) => {
      share += expected[n] ?? 0;
      const upTo = n === successors.length - 1 || total === 0 ? all : Math.round((all * share) / total);
      slots[successor] = (slots[successor] ?? 0) + upTo - handed;
      handed = upTo;
    });
  }
  return made;
}

/** 0 for what runs nowhere. */
function processesOf({type, cluster, count}: PlannedJob): number {
  return type === NOOP || cluster === '' ? 0 : count;
}
