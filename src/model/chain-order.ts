import type {Chain} from '../schema/chain.ts';

/** The jobs of a chain and their edges, by number: that of a job is its position among `ids`. */
export interface ChainOrder {
  readonly ids: readonly string[];
  readonly next: readonly (readonly number[])[];
  readonly previous: readonly (readonly number[])[];
  /** Each after its predecessors. Shorter than `ids` when some wait for each other in a circle: they, and those behind them, are not in it. */
  readonly order: readonly number[];
}

/** Puts the jobs of a chain in order. Names in `adjacency` that no job has count for nothing. */
export function orderOf({jobs, adjacency}: Pick<Chain, 'jobs' | 'adjacency'>): ChainOrder {
  const ids = Object.keys(jobs);
  const numbers = new Map(ids.map((id, number) => [id, number]));
  const next: number[][] = ids.map(() => []);
  const previous: number[][] = ids.map(() => []);
  for (const [id, successors] of Object.entries(adjacency)) {
    const from = numbers.get(id);
    if (from === undefined) continue;
    for (const successor of successors) {
      const to = numbers.get(successor);
      if (to === undefined) continue;
      next[from]?.push(to);
      previous[to]?.push(from);
    }
  }
  const missing = previous.map(({length}) => length);
  const order = [...missing.keys()].filter((job) => missing[job] === 0);
  for (const job of order) {
    // Grows while it is walked.
    for (const successor of next[job] ?? []) {
      const left = (missing[successor] ?? 0) - 1;
      missing[successor] = left;
      if (left === 0) order.push(successor);
    }
  }
  return {ids, next, previous, order};
}
