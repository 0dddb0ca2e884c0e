import {canonicalJson} from '../lib/canonical-json.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {parseGoDuration} from '../lib/go-duration.ts';
import {STATE_NAME} from '../proto/state.ts';
import type {Job as WireJob, JobChain, SuspendedJobChain} from '../proto/types.ts';
import {NOOP} from '../schema/chain.ts';
import type {Chain, PlannedJob, PlannedSequence} from '../schema/chain.ts';
import type {JobType} from '../schema/job-type.ts';
import type {Job} from '../schema/job.ts';
import {isKeyId} from '../schema/keys.ts';
import type {StateName} from '../schema/state.ts';
import {checkChain, checkJobStates} from './chain-check.ts';
import {orderOf} from './chain-order.ts';
import {parentSequences} from './parent-sequences.ts';

/** How jobs that come from outside are run here. */
export interface WireJobs {
  /** How jobs of a type are run; `undefined`: nobody here can make them. */
  typeOf(type: string): JobType | undefined;
  /** Where those run whose type names no cluster. */
  readonly defaultCluster: string;
}

/** A chain from outside as it is stored: what to do, and the records of jobs of which there is something to be known already. */
export interface TakenChain {
  readonly chain: Chain;
  readonly records: ReadonlyMap<string, Job>;
}

/**
 * Takes over a chain of which nothing has begun.
 *
 * @throws ControlPlaneError `invalid`: it cannot be run, and why. `too_large`: its sequences are too entangled
 */
export function newChain(wire: JobChain, jobs: WireJobs): TakenChain {
  const chain = plannedChain(wire, jobs);
  checkJobStates('new', statesOf(wire), wire.finishedJobs);
  return {chain, records: recordsOf(chain, wire, NOTHING)};
}

/**
 * Takes over a chain that was suspended: its tries go on counting from where they were, and a try that was stopped has used up nothing.
 *
 * @throws as {@link newChain}
 */
export function resumedChain(suspended: SuspendedJobChain, jobs: WireJobs): TakenChain {
  const {jobChain, totalJobTries, latestRunJobTries, sequenceTries} = suspended;
  const chain = plannedChain(jobChain, jobs);
  checkJobStates('resumed', statesOf(jobChain), jobChain.finishedJobs);
  for (const [name, counts, known] of [
    ['totalJobTries', totalJobTries, chain.jobs],
    ['latestRunJobTries', latestRunJobTries, chain.jobs],
    ['sequenceTries', sequenceTries, chain.sequences ?? {}],
  ] as const) {
    const unknown = Object.keys(counts).find((id) => !Object.hasOwn(known, id));
    if (unknown !== undefined)
      refuse(`${name} counts for ${quoted(unknown)}, which is no ${known === chain.jobs ? 'job' : 'first job of a sequence'} of it`);
  }
  return {chain, records: recordsOf(chain, jobChain, suspended)};
}

type Counters = Pick<SuspendedJobChain, 'totalJobTries' | 'latestRunJobTries' | 'sequenceTries'>;

const NOTHING: Counters = {totalJobTries: {}, latestRunJobTries: {}, sequenceTries: {}};

/** The plan alone: jobs, order, sequences and how the types of its jobs are run. */
function plannedChain(wire: JobChain, here: WireJobs): Chain {
  const types = new Map<string, JobType>();
  const sequences = new Map<string, PlannedSequence>();
  const jobs = Object.entries(wire.jobs).map(([id, job]): [string, PlannedJob] => {
    // What names nothing but itself would be written to every object's prototype.
    if (!isKeyId(id) || id === '__proto__') refuse(`${quoted(id)} is no id of a job: letters, digits, and _ - . between them`);
    if (job.id !== '' && job.id !== id) refuse(`job ${quoted(id)} calls itself ${quoted(job.id)}`);
    if (job.type === '') refuse(`job ${quoted(id)} has no type`);
    const type = job.type === NOOP ? undefined : (types.get(job.type) ?? here.typeOf(job.type));
    if (type === undefined && job.type !== NOOP) refuse(`job ${quoted(id)} is of the unknown job type ${quoted(job.type)}`);
    if (type !== undefined) types.set(job.type, type);
    if (job.sequenceId === id) sequences.set(id, {retry: job.sequenceRetry, ...waitOf(job.sequenceRetryWait, id, 'sequenceRetryWait')});
    return [id, plannedJob(id, job, type, here.defaultCluster)];
  });
  const outside = Object.entries(wire.jobs).find(([, {sequenceId}]) => sequenceId !== '' && !sequences.has(sequenceId));
  if (outside !== undefined) refuse(`job ${quoted(outside[0])} is in a sequence of ${quoted(outside[1].sequenceId)}, with which none begins`);
  const chain: Chain = {
    jobs: Object.fromEntries(jobs),
    adjacency: wire.adjacencyList,
    ...(sequences.size === 0 ? {} : {sequences: Object.fromEntries(sequences)}),
    ...(types.size === 0 ? {} : {types: Object.fromEntries(types)}),
  };
  checkChain(chain);
  const parents = parentSequences(chain);
  if (parents.size === 0) return chain;
  for (const [first, parent] of parents) sequences.set(first, {...(sequences.get(first) ?? {retry: 0}), parent});
  return {...chain, sequences: Object.fromEntries(sequences)};
}

function plannedJob(id: string, job: WireJob, type: JobType | undefined, defaultCluster: string): PlannedJob {
  return {
    ...(job.name === '' ? {} : {name: job.name}),
    type: job.type,
    cluster: type === undefined ? '' : (type.cluster ?? defaultCluster),
    count: type?.count ?? 1,
    retry: job.retry,
    ...waitOf(job.retryWait, id, 'retryWait'),
    ...(type?.timeout === undefined ? {} : {timeout: type.timeout}),
    ...(job.args === undefined ? {} : {args: job.args}),
    ...(job.bytes === undefined ? {} : {bytes: job.bytes}),
    ...(job.sequenceId === '' ? {} : {sequence: job.sequenceId}),
  };
}

function waitOf(wait: string | undefined, id: string, field: string): {readonly retry_wait?: string} {
  if (wait === undefined) return {};
  const ms = parseGoDuration(wait);
  if (ms === undefined || ms < 0) refuse(`${field} of job ${quoted(id)} is no duration: ${quoted(wait)}`);
  return {retry_wait: wait};
}

function statesOf({jobs}: JobChain): Map<string, StateName> {
  return new Map(
    Object.entries(jobs).map(([id, {state}]) => {
      const name = STATE_NAME[state];
      if (name === 'RESERVED') refuse(`job ${quoted(id)} has a state that is retired: ${state}`);
      return [id, name];
    }),
  );
}

/**
 * What is known of the jobs already. A `noop` has a record only where its sequence has been tried again; whether it is complete follows from what comes
 * before it. Of the data that a job came with, its own is what no complete job before it has handed to it: that one does so anew.
 */
function recordsOf(chain: Chain, wire: JobChain, counters: Counters): Map<string, Job> {
  const {ids, order, previous} = orderOf(chain);
  const tries = new SequenceTries(chain, wire, counters.sequenceTries);
  const records = new Map<string, Job>();
  const handed = new Map<number, Handed>();
  let completed = 0;
  for (const at of order) {
    const id = ids[at] ?? '';
    const [planned, job] = [chain.jobs[id], wire.jobs[id]];
    if (planned === undefined || job === undefined) continue;
    const state = STATE_NAME[job.state];
    const isNoop = planned.type === NOOP;
    const isComplete = state === 'COMPLETE' && !isNoop;
    const latest = counters.latestRunJobTries[id] ?? 0;
    // The last try of one that completed was no failure; nor was one that was stopped.
    const failures = isNoop ? 0 : Math.max(0, state === 'PENDING' ? latest : latest - 1);
    const total = isNoop ? 0 : Math.max(counters.totalJobTries[id] ?? 0, latest, isComplete ? 1 : 0);
    const given = (previous[at] ?? []).flatMap((before) => handed.get(before) ?? []);
    const data = isNoop ? {} : ownData(job, given);
    if (isNoop) handed.set(at, passedOn(given));
    else if (isComplete) handed.set(at, new Map(Object.entries(job.data ?? {}).map(([key, value]) => [key, new Set([canonicalJson(value)])])));
    const sequence = tries.recordOf(id);
    const hasData = Object.keys(data).length > 0;
    if (!isComplete && total === 0 && failures === 0 && !hasData && sequence === undefined) continue;
    const sequenceTry = planned.sequence === undefined ? 1 : tries.tryOf(planned.sequence);
    const {name, type, cluster, count, retry} = planned;
    records.set(id, {
      ...(name === undefined ? {} : {name}),
      ...{type, cluster, count, retry, state: isComplete ? 'COMPLETE' : 'PENDING', tries_total: total, failures, tries: []},
      ...(sequenceTry === 1 ? {} : {sequence_try: sequenceTry}),
      ...(isComplete ? {completed: ++completed} : {}),
      ...(hasData ? {data} : {}),
      ...(sequence === undefined ? {} : {sequence}),
    });
  }
  return records;
}

/** By key, the values that those who are complete have handed to a job, as JSON. */
type Handed = ReadonlyMap<string, ReadonlySet<string>>;

/** What a job has set itself. */
function ownData({data = {}}: WireJob, given: readonly Handed[]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(data).filter(([key, value]) => {
      const text = canonicalJson(value);
      return !given.some((handed) => handed.get(key)?.has(text) === true);
    }),
  );
}

/** A `noop` hands on what it is given; it may not say so. */
function passedOn(given: readonly Handed[]): Handed {
  if (given.length === 1 && given[0] !== undefined) return given[0];
  const all = new Map<string, Set<string>>();
  for (const handed of given) {
    for (const [key, values] of handed) {
      const known = all.get(key);
      if (known === undefined) all.set(key, new Set(values));
      else for (const value of values) known.add(value);
    }
  }
  return all;
}

/** How often the sequences of a chain from outside have been tried again. */
class SequenceTries {
  readonly #chain: Chain;
  readonly #used = new Map<string, number>();

  constructor(chain: Chain, wire: JobChain, counts: SuspendedJobChain['sequenceTries']) {
    this.#chain = chain;
    for (const first of Object.keys(chain.sequences ?? {})) {
      const count = counts[first] ?? 0;
      const job = wire.jobs[first];
      // A try counts from when its first job is launched: of one that has been rolled back and waits, all before it were used up.
      const hasBegun = job !== undefined && STATE_NAME[job.state] !== 'PENDING';
      this.#used.set(first, Math.max(0, hasBegun ? count - 1 : count));
    }
  }

  /** Its own retries, and those around it: from 1. */
  tryOf(first: string): number {
    let number = 1;
    for (let each: string | undefined = first; each !== undefined; each = this.#parentOf(each)) number += this.#used.get(each) ?? 0;
    return number;
  }

  /** What the record of a sequence's first job says of it; `undefined` for any other, and for one that was never tried again. */
  recordOf(first: string): Job['sequence'] {
    const used = this.#used.get(first) ?? 0;
    const parent = this.#parentOf(first);
    return used === 0 ? undefined : {rolled_back: used, parent_try: parent === undefined ? 1 : this.tryOf(parent), used};
  }

  #parentOf(first: string): string | undefined {
    return this.#chain.sequences?.[first]?.parent;
  }
}

function quoted(name: string): string {
  return JSON.stringify(name.length > 80 ? `${name.slice(0, 80)}…` : name);
}

function refuse(why: string): never {
  throw new ControlPlaneError('invalid', `the chain cannot be run: ${why}`);
}
