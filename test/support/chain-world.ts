import {expect} from 'vitest';
import {ChainRun} from '../../src/model/chain-run.ts';
import {withChainTry} from '../../src/model/chain-work.ts';
import {JobTable, openTry} from '../../src/model/job-table.ts';
import {planScan} from '../../src/model/scan-plan.ts';
import type {PlanPolicy, ScanStep} from '../../src/model/scan-plan.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import type {Observed} from '../../src/model/try-learning.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {Control} from '../../src/schema/control.ts';
import type {Chain, PlannedJob, PlannedSequence} from '../../src/schema/chain.ts';
import type {Job, JobExit} from '../../src/schema/job.ts';
import type {ScanState, StateName} from '../../src/schema/state.ts';
import {entry} from './builders.ts';
import type {ChainEvent, Ending} from './reference-interpreter.ts';

/** How one try of a job goes. Times are milliseconds. */
export interface Play {
  /** When it ends by itself; 0 unless told. */
  readonly afterMs?: number;
  /** How it ends then; COMPLETE unless told. */
  readonly state?: StateName;
  /** How long it takes to end when it is asked to; at once unless told. `Infinity`: it does not listen. */
  readonly stopMs?: number;
  /** How it ends when it was asked to; STOPPED unless told. */
  readonly stoppedState?: StateName;
  /** It never begins: whoever recorded the launch died before it carried it out. */
  readonly isLost?: boolean;
  readonly data?: Readonly<Record<string, unknown>>;
}

/** A log entry, as far as it matters here. */
export interface LoggedTry {
  readonly job: string;
  readonly try: number;
  readonly state: StateName;
}

interface Running {
  readonly play: Play;
  readonly startedMs: number;
  stoppedMs?: number;
}

export const POLICY: PlanPolicy = {teardownMs: 1000, retry: 2, retryBaseMs: 0, orphanAfterMs: 60_000, stopGraceMs: 10_000};
const START = Date.parse('2026-01-01T00:00:00.000Z');

/** A chain of jobs `1→{2,3}` as `{1: [2, 3]}`; jobs that are only pointed at need not be listed. All are in the sequence of `first`, unless `of` says otherwise. */
export function aChain(
  edges: Readonly<Record<string, readonly (number | string)[]>>,
  more: {
    readonly first?: string;
    readonly jobs?: Readonly<Record<string, Partial<PlannedJob>>>;
    readonly sequences?: Readonly<Record<string, PlannedSequence>>;
    readonly chain?: Partial<Chain>;
  } = {},
): Chain {
  const adjacency: Record<string, string[]> = {};
  for (const [from, to] of Object.entries(edges)) {
    adjacency[from] ??= [];
    for (const each of to) {
      adjacency[from]?.push(String(each));
      adjacency[String(each)] ??= [];
    }
  }
  const first = more.first ?? Object.keys(edges)[0] ?? '1';
  const jobs: Record<string, PlannedJob> = {};
  for (const id of Object.keys(adjacency))
    jobs[id] = {name: `n${id}`, type: 't', cluster: 'local', count: 1, retry: 0, sequence: first, ...more.jobs?.[id]};
  return {jobs, adjacency, sequences: more.sequences ?? {[first]: {retry: 0}}, ...more.chain};
}

/**
 * One chain, played: its owner takes the real planner's steps on records in memory, its jobs end as `play` says, and time passes only when nothing else can happen.
 *
 * What the planner is given is what an owner would have read; {@link takeOver} forgets all that only an owner's memory holds.
 */
export class ChainWorld {
  readonly chain: Chain;
  readonly log: LoggedTry[] = [];
  /** Launches, in order, as `<job>/<try>`. */
  readonly launched: string[] = [];
  /** What each try was given, by `<job>/<try>`. */
  readonly given = new Map<string, Readonly<Record<string, unknown>>>();
  /** Two tries of one job at once, or one try twice: none, ever. */
  readonly doubled: string[] = [];
  /** All of this and what was asked for, in the order in which it was decided. */
  readonly events: ChainEvent[] = [];
  nowMs = START;
  record: {-readonly [K in keyof ScanRecord]: ScanRecord[K]};
  owned = false;
  readonly #running = new Map<string, Running>();
  /** How tries ended, by `<job>/<try>`. */
  readonly #endings = new Map<string, Ending>();
  readonly #play: (job: string, number: number) => Play;
  #run: ChainRun | undefined;
  #revision = 100;

  constructor(chain: Chain, play: (job: string, number: number) => Play = () => ({}), slots = 1000) {
    this.chain = chain;
    this.#play = play;
    this.record = {
      id: 'r1',
      spec: entry({type: 'anything', args: {}}),
      chain: entry(chain),
      admission: entry({attempt: 1, slots: {local: slots}, admitted_at: ''}),
    };
  }

  get state(): ScanState | undefined {
    return this.record.state?.value;
  }

  get secondsPassed(): number {
    return (this.nowMs - START) / 1000;
  }

  /** Jobs that run now. */
  get running(): string[] {
    return [...this.#running.keys()].map((name) => name.split('/')[0] as string).sort();
  }

  /** A fresh look at the records, as anybody else would take it. */
  view(): ChainRun {
    const jobs = [...(this.record.jobs ?? [])].map(([id, {value}]): [string, Job] => [id, value]);
    return new ChainRun(this.chain, this.state?.attempt ?? 1, this.nowMs, jobs);
  }

  /** First letters of the states of the jobs, in the order of their ids. */
  get states(): string {
    const view = this.view();
    view.work(this.nowMs, () => 0);
    return [...view.ids()]
      .sort()
      .map((id) => view.stateOf(id)[0])
      .join('');
  }

  job(id: string): Job {
    const job = this.record.jobs?.get(id)?.value;
    if (job === undefined) throw new Error(`job ${id} has no record`);
    return job;
  }

  /** The number of all tries of a job. */
  tries(id: string): number {
    return this.record.jobs?.get(id)?.value.tries_total ?? 0;
  }

  control(change: Partial<Control>): void {
    if (change.desired !== undefined && change.desired !== 'hold') this.events.push({atMs: this.nowMs, kind: 'asked', what: change.desired});
    this.record.control = entry({...DEFAULT_CONTROL, ...this.record.control?.value, ...change}, ++this.#revision);
    if (change.desired === 'run' && this.record.admission === undefined) {
      this.record.admission = entry({attempt: 1, slots: {local: 1000}, admitted_at: ''}, ++this.#revision);
    }
  }

  /** Another replica leads from now on: it knows what is stored and nothing else. */
  takeOver(): void {
    this.#run = undefined;
  }

  /** The run that the owner follows says of every job what a fresh look at the records says. */
  expectAgreement(when: string): void {
    if (this.#run === undefined) return;
    const fresh = this.view();
    // What is due by now is due for both.
    const mine = this.#run.work(this.nowMs, () => 1);
    const its = fresh.work(this.nowMs, () => 1);
    expect([...mine.rollBack].sort(), `${when}`).toEqual([...its.rollBack].sort());
    expect({...mine, launch: mine.launch.length, rollBack: 0}, `${when}`).toEqual({...its, launch: its.launch.length, rollBack: 0});
    for (const id of fresh.ids()) {
      expect(this.#run.stateOf(id), `${when}: job ${id}`).toBe(fresh.stateOf(id));
      expect(this.#run.dataFor(id), `${when}: data for ${id}`).toEqual(fresh.dataFor(id));
    }
    expect(this.#run.jobsFinished, `${when}`).toBe(fresh.jobsFinished);
    // It may be larger: a number whose job was launched again is forgotten by who looks only now.
    expect(this.#run.nextCompletion, `${when}`).toBeGreaterThanOrEqual(fresh.nextCompletion);
  }

  /** Goes on until nothing more happens by itself, or `until` holds. */
  run(until: () => boolean = () => false, steps = 10_000): this {
    for (let n = 0; n < steps; n++) {
      if (until()) return this;
      const step = this.#step();
      if (step.kind === 'resign' || step.kind === 'finish') return this;
      if (step.kind === 'wait' || step.kind === 'quiet') {
        const nextMs = this.#nextEnd();
        const dueMs = step.kind === 'wait' && step.afterMs !== undefined ? this.nowMs + step.afterMs : Number.POSITIVE_INFINITY;
        const toMs = Math.min(nextMs, dueMs);
        if (!Number.isFinite(toMs)) return this;
        this.nowMs = Math.max(this.nowMs, toMs);
      }
    }
    throw new Error('it goes on for ever');
  }

  #step(): ScanStep {
    const attempt = Math.max(this.state?.attempt ?? 1, this.record.control?.value.attempt ?? 1);
    const known = [...(this.record.jobs ?? [])].map(([id, {value}]): [string, Job] => [id, value]);
    this.#run ??= new ChainRun(this.chain, attempt, this.nowMs, known);
    const run = this.#run;
    for (const [id, job] of known) run.update(id, job);
    const observed = new Map<string, Observed>();
    for (const [id, {value}] of this.record.jobs?.open ?? []) observed.set(id, this.#observe(id, openTry(value)?.try ?? 0));
    const step = planScan({record: this.record, observed, nowMs: this.nowMs, ownedForMs: 0, policy: POLICY, run});
    if ('changes' in step) for (const [id, job] of step.changes) this.#write(id, job);
    switch (step.kind) {
      case 'launch':
        for (const id of step.jobs.keys())
          this.#launch(id, withChainTry(run, id, attempt, {intent_at: new Date(this.nowMs).toISOString(), token_digest: 'd', place: 'p'}), run);
        this.#setState(step.state);
        break;
      case 'record':
        if (step.state !== undefined) this.#setState(step.state);
        break;
      case 'quiet':
        for (const id of step.stop) this.#stop(id);
        break;
      case 'finish':
        this.#setState(step.state);
        delete this.record.admission;
        break;
      case 'wait':
      case 'resign':
        break;
      default:
        throw new Error(`no step ${step.kind} is expected of a chain`);
    }
    return step;
  }

  #setState(state: ScanState): void {
    if (state.name !== this.state?.name && state.name !== 'RUNNING') this.events.push({atMs: this.nowMs, kind: 'rested', state: state.name});
    this.record.state = entry(state, ++this.#revision);
  }

  #write(id: string, job: Job): void {
    const before = this.record.jobs?.get(id)?.value;
    this.record.jobs = (this.record.jobs ?? JobTable.EMPTY).with(new Map([[id, entry(job, ++this.#revision)]]));
    const last = job.tries.at(-1);
    if (before === undefined || openTry(before) === undefined || last?.exit === undefined) return;
    const state = job.state === 'COMPLETE' ? 'COMPLETE' : (last.exit.state ?? 'FAIL');
    this.log.push({job: id, try: last.try, state});
    this.events.push({atMs: this.nowMs, kind: 'ended', job: id, how: this.#endings.get(`${id}/${last.try}`) ?? 'lost'});
  }

  #launch(id: string, job: Job, run: ChainRun): void {
    const number = job.tries_total;
    const name = `${id}/${number}`;
    if (this.launched.includes(name) || this.running.includes(id)) this.doubled.push(name);
    this.given.set(name, run.dataFor(id));
    this.launched.push(name);
    this.#write(id, job);
    run.update(id, job);
    this.events.push({atMs: this.nowMs, kind: 'launched', job: id});
    const play = this.#play(id, number);
    if (play.isLost !== true) this.#running.set(name, {play, startedMs: this.nowMs});
  }

  #stop(id: string): void {
    const running = this.#running.get(`${id}/${this.tries(id)}`);
    if (running !== undefined) running.stoppedMs ??= this.nowMs;
  }

  /** When and how a try ends, as things stand. */
  #endOf({play, startedMs, stoppedMs}: Running): {readonly atMs: number; readonly exit: Omit<JobExit, 'ended_at'>} {
    const {afterMs = 0, state = 'COMPLETE', stopMs = 0, stoppedState = 'STOPPED'} = play;
    const byItself = startedMs + afterMs;
    const own = {code: state === 'COMPLETE' ? 0 : 1, state};
    if (stoppedMs === undefined || byItself <= stoppedMs) return {atMs: byItself, exit: own};
    const killedMs = stoppedMs + POLICY.stopGraceMs;
    const obeysMs = stoppedMs + stopMs;
    const atMs = Math.min(byItself, obeysMs, killedMs);
    if (atMs === killedMs) return {atMs, exit: {code: null, signal: 'SIGKILL', reason: 'stopped'}};
    if (atMs === byItself) return {atMs, exit: {...own, reason: 'stopped'}};
    return {atMs, exit: {code: stoppedState === 'COMPLETE' ? 0 : 1, state: stoppedState, reason: 'stopped'}};
  }

  #nextEnd(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const running of this.#running.values()) next = Math.min(next, this.#endOf(running).atMs);
    return next;
  }

  #observe(id: string, number: number): Observed {
    const name = `${id}/${number}`;
    const running = this.#running.get(name);
    if (running === undefined) return {kind: 'closed'};
    const {atMs, exit} = this.#endOf(running);
    const startedAt = new Date(running.startedMs).toISOString();
    if (atMs > this.nowMs) return {kind: 'running', handle: name, startedAt};
    this.#running.delete(name);
    this.#endings.set(name, endingOf(exit));
    const {data} = running.play;
    return {kind: 'exited', handle: name, exit: {...exit, ended_at: new Date(atMs).toISOString()}, ...(data === undefined ? {} : {data})};
  }
}

/** What an exit means, without a look at what was asked for meanwhile. */
function endingOf(exit: Omit<JobExit, 'ended_at'>): Ending {
  if (exit.state === 'COMPLETE') return 'COMPLETE';
  if (exit.reason !== 'stopped') return exit.state ?? 'FAIL';
  return exit.signal === 'SIGKILL' ? 'killed' : 'stopped';
}
