import {STATE_VALUE} from '../proto/state.ts';
import type {StateName} from '../proto/state.ts';
import type {Job, JobChain, JobLog, JobStatus, SuspendedJobChain} from '../proto/types.ts';
import {NOOP} from '../schema/chain.ts';
import type {Chain, PlannedJob} from '../schema/chain.ts';
import type {Job as JobRecord} from '../schema/job.ts';
import {ChainRun} from './chain-run.ts';
import {openTry} from './job-table.ts';
import {isScan} from './manifest.ts';
import {requestStateOf, shownState} from './request-view.ts';
import type {RequestRecord} from './request-view.ts';
import {scanJobs} from './scan-chain-view.ts';
import type {ScanJob} from './scan-chain-view.ts';
import {attemptOf} from './scan-record.ts';
import {asWireNs} from './wire-time.ts';

/** A job whose chain is being looked at. */
export interface ViewedJob {
  readonly id: string;
  readonly planned: PlannedJob;
  readonly record: JobRecord | undefined;
  readonly state: StateName;
}

/** A request's chain and where it stands, as Spin Cycle's wire shows it. What is asked of it is computed from what is stored; nothing is written. */
export interface ChainView {
  readonly jobsTotal: number;
  /** All of a chain but its jobs and their order. */
  readonly head: Pick<JobChain, 'requestId' | 'state' | 'finishedJobs'>;
  readonly adjacency: JobChain['adjacencyList'];
  jobs(): Iterable<ViewedJob>;
  /** One job; `undefined`: there is none of this id. */
  job(id: string): ViewedJob | undefined;
  /** As the wire shows one. Its data are those that it has set itself. */
  present(job: ViewedJob): Job;
  jobChain(): JobChain;
  /** Log entries of jobs that nothing is stored of, since they do nothing. */
  computedLogs(): Iterable<JobLog>;
  /** What would be handed to whoever resumes it: with the data that each job is given. */
  suspended(): SuspendedJobChain;
}

/** The view of a sky scan, or of any other request, whose whole chain is needed. `nowMs` is milliseconds since 1970. @throws ControlPlaneError `invalid`: the chain is none */
export function viewChain(record: RequestRecord, chain: Chain | undefined, nowMs: number): ChainView {
  if (isScan(record)) return new ScanView(record.id, requestStateOf(record), scanJobs(record));
  return new RunView(record, chain ?? {jobs: {}, adjacency: {}}, nowMs);
}

class RunView implements ChainView {
  readonly #record: RequestRecord;
  readonly #chain: Chain;
  readonly #run: ChainRun;
  readonly #state: ReturnType<typeof requestStateOf>;
  /** Before, not even what does nothing is complete. */
  readonly #hasBegun: boolean;

  constructor(record: RequestRecord, chain: Chain, nowMs: number) {
    this.#record = record;
    this.#chain = chain;
    this.#state = requestStateOf(record);
    this.#hasBegun = record.state?.value.started_at !== undefined || record.jobs !== undefined;
    const records = [...(record.jobs ?? [])].map(([id, {value}]) => [id, value] as const);
    this.#run = new ChainRun(chain, attemptOf(record), nowMs, records);
  }

  get jobsTotal(): number {
    return this.#run.jobsTotal;
  }

  get head(): ChainView['head'] {
    return {requestId: this.#record.id, state: STATE_VALUE[this.#state], finishedJobs: this.#hasBegun ? this.#run.jobsFinished : 0};
  }

  get adjacency(): JobChain['adjacencyList'] {
    return this.#chain.adjacency;
  }

  *jobs(): Generator<ViewedJob> {
    for (const id of this.#run.ids()) yield this.#viewed(id, this.#chain.jobs[id] as PlannedJob);
  }

  job(id: string): ViewedJob | undefined {
    const planned = this.#run.planned(id);
    return planned === undefined ? undefined : this.#viewed(id, planned);
  }

  #viewed(id: string, planned: PlannedJob): ViewedJob {
    const record = this.#run.record(id);
    const wasTried = record !== undefined && record.tries_total > 0 && (record.sequence_try ?? 1) === this.#run.sequenceTryOf(id);
    const state = this.#hasBegun ? this.#run.stateOf(id) : 'PENDING';
    return {id, planned, record, state: shownState(state, wasTried, this.#state)};
  }

  present(job: ViewedJob): Job {
    return presentJob(job, this.#chain, job.record?.data);
  }

  jobChain(): JobChain {
    return this.#jobChain((job) => job.record?.data);
  }

  #jobChain(dataOf: (job: ViewedJob) => Job['data']): JobChain {
    const jobs: Record<string, Job> = {};
    for (const job of this.jobs()) jobs[job.id] = presentJob(job, this.#chain, dataOf(job));
    const {requestId, ...head} = this.head;
    return {requestId, jobs, adjacencyList: this.adjacency, ...head};
  }

  *computedLogs(): Generator<JobLog> {
    const previous = new Map<string, string[]>();
    for (const [id, successors] of Object.entries(this.#chain.adjacency)) {
      for (const successor of successors) {
        const known = previous.get(successor);
        if (known === undefined) previous.set(successor, [id]);
        else known.push(id);
      }
    }
    const began = asWireNs(this.#record.state?.value.started_at);
    const ends = new Map<string, bigint>();
    for (const {id, planned, record, state} of this.jobs()) {
      if (planned.type !== NOOP) {
        ends.set(id, asWireNs(record?.tries.at(-1)?.exit?.ended_at));
        continue;
      }
      let end = began;
      for (const before of previous.get(id) ?? []) end = laterOf(end, ends.get(before) ?? 0n);
      ends.set(id, end);
      if (state === 'COMPLETE') yield noopLog(this.#record.id, id, planned, this.#run.sequenceTryOf(id), end);
    }
  }

  suspended(): SuspendedJobChain {
    const totalJobTries: Record<string, number> = {};
    const latestRunJobTries: Record<string, number> = {};
    for (const {id, planned, record, state} of this.jobs()) {
      if (planned.type === NOOP) {
        if (state !== 'COMPLETE') continue;
        totalJobTries[id] = this.#run.sequenceTryOf(id);
        latestRunJobTries[id] = 1;
      } else if (record !== undefined && record.tries_total > 0) {
        totalJobTries[id] = record.tries_total;
        // Beside the failures the try that completed, or that was stopped: whoever resumes it takes that one off again.
        if (this.#run.isCurrent(id)) latestRunJobTries[id] = record.failures + (state === 'COMPLETE' || state === 'STOPPED' ? 1 : 0);
      }
    }
    const sequenceTries: Record<string, number> = {};
    for (const first of Object.keys(this.#chain.sequences ?? {})) {
      // A try counts from when its first job is launched. Whoever goes on has as many fewer.
      const tries = this.#run.usedRetriesOf(first) + (this.job(first)?.state === 'PENDING' ? 0 : 1);
      if (tries > 0) sequenceTries[first] = tries;
    }
    return {
      requestId: this.#record.id,
      jobChain: this.#jobChain(({id, record}) => (record === undefined ? undefined : this.#run.dataFor(id))),
      totalJobTries,
      latestRunJobTries,
      sequenceTries,
    };
  }
}

class ScanView implements ChainView {
  readonly #id: string;
  readonly #state: ReturnType<typeof requestStateOf>;
  readonly #jobs: ReadonlyMap<string, ScanJob>;

  constructor(id: string, state: ReturnType<typeof requestStateOf>, jobs: ReadonlyMap<string, ScanJob>) {
    this.#id = id;
    this.#state = state;
    this.#jobs = jobs;
  }

  get jobsTotal(): number {
    return this.#jobs.size;
  }

  get head(): ChainView['head'] {
    let finishedJobs = 0;
    for (const {state} of this.#jobs.values()) if (state === 'COMPLETE') finishedJobs++;
    return {requestId: this.#id, state: STATE_VALUE[this.#state], finishedJobs};
  }

  get adjacency(): JobChain['adjacencyList'] {
    return {};
  }

  *jobs(): Generator<ViewedJob> {
    for (const id of this.#jobs.keys()) yield this.job(id) as ViewedJob;
  }

  job(id: string): ViewedJob | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined) return undefined;
    const {planned, record, state} = job;
    return {id, planned, record, state: shownState(state, (record?.tries_total ?? 0) > 0, this.#state)};
  }

  present(job: ViewedJob): Job {
    return presentJob(job, undefined, undefined);
  }

  jobChain(): JobChain {
    const {requestId, ...head} = this.head;
    const jobs = Object.fromEntries([...this.jobs()].map((job) => [job.id, this.present(job)]));
    return {requestId, jobs, adjacencyList: {}, ...head};
  }

  *computedLogs(): Generator<JobLog> {}

  suspended(): SuspendedJobChain {
    const tries = Object.fromEntries([...this.#jobs].map(([id, {record}]) => [id, record?.tries_total ?? 0]));
    const latest = Object.fromEntries([...this.#jobs].map(([id, {record}]) => [id, record?.failures ?? 0]));
    return {requestId: this.#id, jobChain: this.jobChain(), totalJobTries: tries, latestRunJobTries: latest, sequenceTries: {}};
  }
}

function presentJob({id, planned, state}: ViewedJob, chain: Chain | undefined, data: Job['data']): Job {
  const {name = id, type, bytes, args, retry, retry_wait, sequence = ''} = planned;
  const own = chain?.sequences?.[id];
  return {
    id,
    name,
    type,
    ...(bytes === undefined || bytes === '' ? {} : {bytes}),
    state: STATE_VALUE[state],
    ...(isEmpty(args) ? {} : {args: args as NonNullable<Job['args']>}),
    ...(isEmpty(data) ? {} : {data: data as NonNullable<Job['data']>}),
    retry,
    ...(retry_wait === undefined || retry_wait === '' ? {} : {retryWait: retry_wait}),
    sequenceId: sequence,
    sequenceRetry: own?.retry ?? 0,
    ...(own?.retry_wait === undefined || own.retry_wait === '' ? {} : {sequenceRetryWait: own.retry_wait}),
  };
}

function isEmpty(object: object | undefined): boolean {
  for (const _ in object) return false;
  return true;
}

function laterOf(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function noopLog(requestId: string, jobId: string, {name = jobId, type}: PlannedJob, sequenceTry: number, at: bigint): JobLog {
  const times = {startedAt: at, finishedAt: at, state: STATE_VALUE.COMPLETE, exit: 0n};
  return {requestId, jobId, try: sequenceTry, name, type, ...times, error: '', stdout: '', stderr: ''};
}

/** The jobs of a request that run now: those with a try that has not ended. */
export function* runningJobs(record: RequestRecord): Generator<JobStatus> {
  for (const [jobId, {value}] of record.jobs?.open ?? []) {
    const current = openTry(value);
    if (current === undefined) continue;
    const status = record.reports?.get(`${jobId}/${current.try}`)?.value.status ?? value.status ?? '';
    yield {
      requestId: record.id,
      jobId,
      type: value.type,
      name: value.name ?? jobId,
      startedAt: asWireNs(current.started_at ?? current.intent_at),
      state: STATE_VALUE.RUNNING,
      ...(status === '' ? {} : {status}),
      try: current.try,
    };
  }
}
