import type {Chain, PlannedJob, PlannedSequence} from '../../src/schema/chain.ts';
import {NOOP} from '../../src/schema/chain.ts';

/** What decides how a random chain looks: numbers in [0, 1). */
export type Random = () => number;

const pick = (random: Random, below: number): number => Math.floor(random() * below);

/**
 * A random chain of at most about `size` jobs, as specs build them: sequences in sequences, each with a first and a last job, which are noops or not; a DAG
 * of jobs between. Retries and waits of jobs and sequences are random too, short and small, so that all budgets get used up.
 */
export function randomChain(random: Random, size: number): Chain {
  const jobs: Record<string, PlannedJob> = {};
  const adjacency: Record<string, string[]> = {};
  const sequences: Record<string, PlannedSequence> = {};
  let left = size;
  let count = 0;

  const add = (sequence: string | undefined, canBeNoop: boolean): string => {
    const id = `j${++count}`;
    const isNoop = canBeNoop && random() < 0.4;
    const wait = {retry_wait: `${pick(random, 4) * 500}ms`, ...(random() < 0.2 ? {retry_backoff: 2, retry_max_wait: '3s'} : {})};
    jobs[id] = isNoop
      ? {name: id, type: NOOP, cluster: '', count: 1, retry: 0, sequence: sequence ?? id}
      : {name: id, type: 't', cluster: 'local', count: 1, retry: random() < 0.5 ? 0 : pick(random, 3), ...wait, sequence: sequence ?? id};
    adjacency[id] = [];
    left--;
    return id;
  };

  /** Adds a sequence: returns its first and its last job. */
  const addSequence = (parent: string | undefined, depth: number): {readonly first: string; readonly last: string} => {
    const first = add(undefined, true);
    sequences[first] = {
      retry: random() < 0.5 ? 0 : 1 + pick(random, 2),
      ...(random() < 0.5 ? {retry_wait: `${pick(random, 3)}s`} : {}),
      ...(parent === undefined ? {} : {parent}),
    };
    const inside: {first: string; last: string}[] = [];
    const nodes = 1 + pick(random, Math.max(1, Math.min(6, left)));
    for (let n = 0; n < nodes && left > 1; n++) {
      const isNested = depth < 3 && left > 4 && random() < 0.3;
      const id = isNested ? undefined : add(first, random() < 0.2);
      const node = id === undefined ? addSequence(first, depth + 1) : {first: id, last: id};
      // Behind some of the nodes before it, or right behind the first job.
      const before = inside.filter(() => random() < 0.4);
      for (const {last} of before.length > 0 ? before : [{last: first}]) adjacency[last]?.push(node.first);
      inside.push(node);
    }
    const last = add(first, true);
    const ends = inside.filter((node) => adjacency[node.last]?.length === 0);
    for (const node of ends.length > 0 ? ends : [{last: first}]) adjacency[node.last]?.push(last);
    return {first, last};
  };

  addSequence(undefined, 0);
  return {jobs, adjacency, sequences, ...(random() < 0.2 ? {concurrency: 1 + pick(random, 3)} : {})};
}
