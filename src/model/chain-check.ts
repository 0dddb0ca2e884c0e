import {ControlPlaneError} from '../lib/errors.ts';
import type {Chain} from '../schema/chain.ts';
import type {StateName} from '../schema/state.ts';
import {orderOf} from './chain-order.ts';
import type {ChainOrder} from './chain-order.ts';

/** Jobs named in one message. */
const MAX_NAMED = 10;

/**
 * Checks the structure of a chain that comes from outside: its order names jobs that it has, at most one job is the first and one the last, and none
 * waits for itself. The same of its sequences. An empty chain is one.
 *
 * @throws ControlPlaneError `invalid`: names the jobs
 */
export function checkChain(chain: Chain): void {
  checkNames(chain);
  const order = orderOf(chain);
  const named = (jobs: readonly number[]): string => listed(jobs.map((job) => order.ids[job] ?? ''));
  const firsts = withoutEdges(order.previous);
  if (firsts.length > 1) refuse(`more than one first job: nothing comes before ${named(firsts)}`);
  const lasts = withoutEdges(order.next);
  if (lasts.length > 1) refuse(`more than one last job: nothing comes after ${named(lasts)}`);
  const circle = onCycles(order);
  if (circle.length > 0) refuse(`jobs wait for each other in a circle: ${named(circle)}`);
  checkParents(chain);
}

/** What a chain says of its jobs when it is handed over: nothing of a new one has begun; of one to be resumed, nothing has failed and nothing runs. */
const STATES_OF = {new: ['PENDING'], resumed: ['PENDING', 'COMPLETE', 'STOPPED']} as const satisfies Record<string, readonly StateName[]>;

/**
 * Checks the states of the jobs of a chain from outside, and its count of those that are COMPLETE.
 *
 * @throws ControlPlaneError `invalid`: names the jobs, or the counts
 */
export function checkJobStates(kind: keyof typeof STATES_OF, states: ReadonlyMap<string, StateName>, finishedJobs: number): void {
  const allowed: readonly StateName[] = STATES_OF[kind];
  const others = [...states].filter(([, state]) => !allowed.includes(state));
  if (others.length > 0) {
    const named = listed(others.map(([job, state]) => `${job} (${state})`));
    refuse(`jobs of a ${kind === 'new' ? 'new chain' : 'chain to be resumed'} have to be ${allowed.join(' or ')}: ${named}`);
  }
  const complete = [...states.values()].filter((state) => state === 'COMPLETE').length;
  if (finishedJobs !== complete) refuse(`finishedJobs is ${finishedJobs}, and ${complete} jobs are COMPLETE`);
}

/** How many jobs come right before each. */
export function inDegrees(chain: Pick<Chain, 'jobs' | 'adjacency'>): ReadonlyMap<string, number> {
  const {ids, previous} = orderOf(chain);
  return new Map(ids.map((id, job) => [id, previous[job]?.length ?? 0]));
}

/** How many jobs come right after each. */
export function outDegrees(chain: Pick<Chain, 'jobs' | 'adjacency'>): ReadonlyMap<string, number> {
  const {ids, next} = orderOf(chain);
  return new Map(ids.map((id, job) => [id, next[job]?.length ?? 0]));
}

/** Whether no job waits for itself. */
export function isAcyclic(chain: Pick<Chain, 'jobs' | 'adjacency'>): boolean {
  const {ids, order} = orderOf(chain);
  return order.length === ids.length;
}

/** Everything that names a job has to name one that is there. */
function checkNames({jobs, adjacency, sequences = {}}: Chain): void {
  const check = (id: string, where: string): void => {
    if (!Object.hasOwn(jobs, id)) refuse(`${where} ${quoted(id)}, and the chain has no such job`);
  };
  for (const [id, successors] of Object.entries(adjacency)) {
    check(id, 'adjacency names');
    for (const successor of successors) check(successor, `adjacency names behind job ${quoted(id)} a job`);
  }
  for (const [id, {sequence}] of Object.entries(jobs)) if (sequence !== undefined) check(sequence, `job ${quoted(id)} is in the sequence of job`);
  for (const [first, {parent}] of Object.entries(sequences)) {
    check(first, 'a sequence begins with job');
    if (parent !== undefined) check(parent, `the sequence of job ${quoted(first)} lies in that of job`);
  }
}

/** No sequence lies in itself. */
function checkParents({sequences = {}}: Chain): void {
  const done = new Set<string>();
  for (const start of Object.keys(sequences)) {
    const path = new Set<string>();
    for (let first: string | undefined = start; first !== undefined && !done.has(first); first = sequences[first]?.parent) {
      if (path.has(first)) refuse(`the sequence of job ${quoted(first)} lies in itself`);
      path.add(first);
    }
    for (const first of path) done.add(first);
  }
}

/** The jobs on a cycle, or between two: those that stay when whoever has no predecessor or no successor is taken away, again and again. */
function onCycles({next, previous, order, ids}: ChainOrder): readonly number[] {
  if (order.length === ids.length) return [];
  const before = new Set(order);
  const left = [...ids.keys()].filter((job) => !before.has(job));
  const follows = new Map(left.map((job) => [job, next[job]?.length ?? 0]));
  const after = left.filter((job) => follows.get(job) === 0);
  for (const job of after) {
    for (const other of previous[job] ?? []) {
      const count = (follows.get(other) ?? 0) - 1;
      follows.set(other, count);
      if (count === 0 && !before.has(other)) after.push(other);
    }
  }
  const behind = new Set(after);
  return left.filter((job) => !behind.has(job));
}

function withoutEdges(edges: ChainOrder['next']): number[] {
  return [...edges.keys()].filter((job) => edges[job]?.length === 0);
}

function listed(names: readonly string[]): string {
  const rest = names.length > MAX_NAMED ? ` and ${names.length - MAX_NAMED} more` : '';
  return `${names.slice(0, MAX_NAMED).map(quoted).join(', ')}${rest}`;
}

/** A name from outside, as it may be shown. */
function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

function refuse(why: string): never {
  throw new ControlPlaneError('invalid', `the chain cannot be run: ${why}`);
}
