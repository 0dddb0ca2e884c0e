import {unreachable} from '../../src/lib/assert.ts';
import {parseGoDuration} from '../../src/lib/go-duration.ts';
import type {Chain, PlannedJob, PlannedSequence} from '../../src/schema/chain.ts';
import {NOOP} from '../../src/schema/chain.ts';
import type {ScanStateName, StateName} from '../../src/schema/state.ts';

/**
 * How a try ended: with a state of its own accord; `stopped` when it was asked to, whatever it said then short of COMPLETE; `killed` because it did not listen;
 * `lost` before it had begun.
 */
export type Ending = StateName | 'stopped' | 'killed' | 'lost';

/** What a user wants of a request. */
export type Asked = 'run' | 'suspend' | 'stop';

/** What happened to a request, in the order in which it was decided. Times are milliseconds since 1970. */
export type ChainEvent = {readonly atMs: number} & (
  | {readonly kind: 'launched'; readonly job: string}
  | {readonly kind: 'ended'; readonly job: string; readonly how: Ending}
  | {readonly kind: 'asked'; readonly what: Asked}
  /** Its owner let go of it in this state: a terminal one, or SUSPENDED. */
  | {readonly kind: 'rested'; readonly state: ScanStateName}
);

/** What has become of a job: PENDING, too, where its last try was ended by a stop. `failures` are those of the present try of its sequence. */
export interface JobOutcome {
  readonly state: StateName;
  readonly tries: number;
  readonly failures: number;
}

interface JobStanding {
  readonly planned: PlannedJob;
  readonly before: readonly string[];
  state: StateName;
  tries: number;
  failures: number;
  notBeforeMs: number;
}

interface SequenceStanding {
  readonly planned: PlannedSequence;
  /** Roll-backs ever, and those within the present try of the sequence around it. */
  rolledBack: number;
  used: number;
  /** It is to be rolled back as soon as nothing of it runs. */
  isDue: boolean;
  notBeforeMs: number;
}

/**
 * What a chain does, said again in the plainest way and from its description alone: every rule looks at all jobs, nothing is derived from a stored record.
 *
 * Fed with what happened it says, at each event, whether it was allowed ({@link violations}), and at any time what has become of jobs, sequences and the whole.
 */
export class ReferenceInterpreter {
  readonly violations: string[] = [];
  readonly #chain: Chain;
  readonly #jobs = new Map<string, JobStanding>();
  readonly #sequences = new Map<string, SequenceStanding>();
  #asked: Asked = 'run';
  #rested: ScanStateName | undefined;
  #events = 0;

  constructor(chain: Chain) {
    this.#chain = chain;
    for (const [id, planned] of Object.entries(chain.jobs)) {
      const before = Object.keys(chain.adjacency).filter((from) => chain.adjacency[from]?.includes(id));
      this.#jobs.set(id, {planned, before, state: 'PENDING', tries: 0, failures: 0, notBeforeMs: 0});
    }
    for (const [first, planned] of Object.entries(chain.sequences ?? {})) {
      this.#sequences.set(first, {planned, rolledBack: 0, used: 0, isDue: false, notBeforeMs: 0});
    }
  }

  /** Takes in what happened next; of several events, what happened at once. Ends that became known together are looked at together. */
  apply(...events: readonly ChainEvent[]): void {
    let last: ChainEvent | undefined;
    for (const event of events) {
      const isTogether = last?.kind === 'ended' && event.kind === 'ended';
      if (last !== undefined && !isTogether) this.#settle(last.atMs);
      if (!isTogether) this.#settle(event.atMs);
      this.#take(event);
      last = event;
    }
    if (last !== undefined) this.#settle(last.atMs);
  }

  #take(event: ChainEvent): void {
    this.#events += 1;
    switch (event.kind) {
      case 'launched':
        this.#launched(event.job, event.atMs);
        break;
      case 'ended':
        this.#ended(event.job, event.how, event.atMs);
        break;
      case 'asked':
        if (!this.#isOver()) this.#asked = event.what;
        break;
      case 'rested':
        this.#hasRested(event.state);
        break;
      default:
        unreachable(event);
    }
  }

  /** The state that the request has, or would come to if nothing else happened; RUNNING while anything is left to be done. */
  get state(): ScanStateName {
    const states = [...this.#jobs.values()].map(({state}) => state);
    if (states.includes('RUNNING')) return 'RUNNING';
    if (states.every((state) => state === 'COMPLETE')) return 'COMPLETE';
    const hasFailed = [...this.#jobs].some(([id]) => this.#hasFailedForGood(id));
    if (this.#asked === 'stop') return hasFailed ? 'FAIL' : 'STOPPED';
    if (this.#asked === 'suspend') return hasFailed ? 'FAIL' : 'SUSPENDED';
    return [...this.#jobs.keys()].some((id) => this.#isRunnable(id)) ? 'RUNNING' : 'FAIL';
  }

  job(id: string): JobOutcome {
    const {state, tries, failures} = this.#standing(id);
    return {state, tries, failures};
  }

  /** How often a sequence was rolled back by itself, ever. */
  rolledBack(first: string): number {
    return this.#sequences.get(first)?.rolledBack ?? 0;
  }

  #launched(id: string, nowMs: number): void {
    const job = this.#standing(id);
    if (this.#asked !== 'run') this.#object(`${id} was launched although ${this.#asked} was asked for`);
    if (this.#isOver()) this.#object(`${id} was launched although all was over`);
    if (job.state !== 'PENDING') this.#object(`${id} was launched while it was ${job.state}`);
    else if (!this.#isRunnable(id)) this.#object(`${id} was launched although what is before it is not COMPLETE`);
    if (this.#around(id).some((first) => this.#sequence(first).isDue)) this.#object(`${id} was launched although its sequence is to be rolled back`);
    if (nowMs < Math.max(job.notBeforeMs, this.#sequences.get(id)?.notBeforeMs ?? 0)) this.#object(`${id} was launched before its wait was over`);
    const running = [...this.#jobs.values()].filter(({state}) => state === 'RUNNING').length;
    if (running >= (this.#chain.concurrency ?? Number.POSITIVE_INFINITY)) this.#object(`${id} was launched beside ${running} others`);
    if (this.#rested === 'SUSPENDED') this.#rested = undefined;
    Object.assign(job, {state: 'RUNNING', tries: job.tries + 1});
  }

  #ended(id: string, how: Ending, nowMs: number): void {
    const job = this.#standing(id);
    if (job.state !== 'RUNNING') this.#object(`a try of ${id} ended while it was ${job.state}`);
    if (how === 'COMPLETE') job.state = 'COMPLETE';
    else if (how === 'killed') job.state = 'FAIL';
    else if (how === 'lost') job.state = 'PENDING';
    // A failure of which nobody knows any more whether the stop caused it.
    else if (how === 'stopped' || this.#asked !== 'run') job.state = 'PENDING';
    else if (how === 'STOPPED') job.state = 'STOPPED';
    else this.#failed(id, how === 'UNKNOWN' ? 'UNKNOWN' : 'FAIL', nowMs);
  }

  #failed(id: string, state: 'UNKNOWN' | 'FAIL', nowMs: number): void {
    const job = this.#standing(id);
    job.failures += 1;
    if (job.failures <= job.planned.retry) {
      const {retry_wait: wait, retry_backoff: backoff = 1, retry_max_wait: longest} = job.planned;
      const waitMs = Math.min(milliseconds(wait) * backoff ** (job.failures - 1), milliseconds(longest, Number.POSITIVE_INFINITY));
      Object.assign(job, {state: 'PENDING', notBeforeMs: nowMs + waitMs});
      return;
    }
    job.state = state;
    const innermost = this.#around(id).find((first) => this.#sequence(first).used < this.#sequence(first).planned.retry);
    if (innermost !== undefined) this.#sequence(innermost).isDue = true;
  }

  /** All that comes about without anybody doing anything: sequences are rolled back, noops complete. */
  #settle(nowMs: number): void {
    if (this.#isOver()) return;
    for (;;) {
      // One inside another that is due as well goes back with that one.
      const due = [...this.#sequences.keys()].filter((first) => this.#sequence(first).isDue);
      const ready = due.find((first) => this.#isQuiet(first) && !this.#around(first).some((other) => other !== first && due.includes(other)));
      if (ready !== undefined) {
        this.#rollBack(ready, nowMs);
        continue;
      }
      const noop = [...this.#jobs].find(
        ([id, {planned, state}]) =>
          planned.type === NOOP && state === 'PENDING' && this.#isRunnable(id) && nowMs >= (this.#sequences.get(id)?.notBeforeMs ?? 0),
      );
      if (noop === undefined) return;
      noop[1].state = 'COMPLETE';
    }
  }

  #rollBack(first: string, nowMs: number): void {
    const sequence = this.#sequence(first);
    for (const inner of this.#sequences.keys()) {
      if (inner !== first && this.#around(inner).includes(first)) Object.assign(this.#sequence(inner), {used: 0, isDue: false, notBeforeMs: 0});
    }
    sequence.rolledBack += 1;
    sequence.used += 1;
    sequence.isDue = false;
    sequence.notBeforeMs = nowMs + milliseconds(sequence.planned.retry_wait);
    for (const id of this.#inside(first)) Object.assign(this.#standing(id), {state: 'PENDING', failures: 0, notBeforeMs: 0});
  }

  #hasRested(state: ScanStateName): void {
    if (this.#isOver()) this.#object(`it ended as ${state} after it had ended as ${this.#rested}`);
    if (this.state !== state) this.#object(`it came to rest as ${state}, and ought to be ${this.state}`);
    this.#rested = state;
  }

  #isOver(): boolean {
    return this.#rested !== undefined && this.#rested !== 'SUSPENDED';
  }

  /** Runnable as far as order goes; waits may not be over. */
  #isRunnable(id: string): boolean {
    const {state, before} = this.#standing(id);
    return state === 'PENDING' && before.every((other) => this.#standing(other).state === 'COMPLETE');
  }

  #hasFailedForGood(id: string): boolean {
    const {state} = this.#standing(id);
    if (state !== 'FAIL' && state !== 'UNKNOWN') return false;
    return !this.#around(id).some((first) => this.#sequence(first).isDue);
  }

  /** Whether nothing of a sequence runs, nor of those inside it. */
  #isQuiet(first: string): boolean {
    return this.#inside(first).every((id) => this.#standing(id).state !== 'RUNNING');
  }

  #inside(first: string): string[] {
    return [...this.#jobs.keys()].filter((id) => this.#around(id).includes(first));
  }

  /** The sequences around a job, from the innermost outwards; around a sequence's first job its own is the innermost. */
  #around(id: string): string[] {
    const around: string[] = [];
    for (let first = this.#standing(id).planned.sequence; first !== undefined; first = this.#sequence(first).planned.parent) around.push(first);
    return around;
  }

  #standing(id: string): JobStanding {
    const job = this.#jobs.get(id);
    if (job === undefined) throw new Error(`the chain has no job ${id}`);
    return job;
  }

  #sequence(first: string): SequenceStanding {
    const sequence = this.#sequences.get(first);
    if (sequence === undefined) throw new Error(`the chain has no sequence ${first}`);
    return sequence;
  }

  #object(what: string): void {
    this.violations.push(`event ${this.#events}: ${what}`);
  }
}

function milliseconds(duration: string | undefined, otherwise = 0): number {
  return duration === undefined ? otherwise : (parseGoDuration(duration) ?? otherwise);
}
