import type {Engine, JobObservation, JobRef, JobSaid, JobSpec} from '../../../src/engines/engine.ts';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import type {FenceToken, JobExit} from '../../../src/schema/job.ts';
import type {VirtualProcess} from '../virtual-time/virtual-process.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';

/** One launched try. */
export interface Run {
  readonly name: string;
  readonly ref: JobRef;
  readonly spec: JobSpec;
  readonly beganAtMs: number;
  readonly endedAtMs: number | undefined;
  /** It exits by itself. Of several the first counts. */
  exit(code: number | null, more?: Omit<JobExit, 'code' | 'ended_at'>): void;
  /** What it says of itself. */
  say(said: JobSaid): void;
  /** What it does when it is first asked to end; it is killed when its grace is over. Unless told it goes within its grace, every time it is asked. */
  onStop(act: () => void): void;
  /** Does something later, if it still runs then. */
  after(ms: number, act: () => void): void;
}

/** What a job does once it runs: exits sooner or later, or waits to be stopped. */
export type Behaviour = (run: Run) => void;

interface Standing {
  observation: JobObservation;
  run: RunningTry | undefined;
}

/** Milliseconds. */
const CALL_MS = {least: 0.2, more: 5};
const LAUNCH_MS = {least: 2, more: 60};

/**
 * A host on which jobs run, in virtual time: what the process engine's run directory and its supervisors are, for replicas that come and go.
 *
 * It keeps the engines' promises: at most one launch per name, nothing in the name of an old fence, jobs outlive the replica that launched them, and
 * end themselves when nobody renews them. What goes against the promises of whoever asks is noted in {@link violations}.
 */
export class SimulatedHost {
  readonly place = 'simulated';
  /** All that ever ran, in the order in which it began. */
  readonly runs: Run[] = [];
  readonly violations: string[] = [];
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #behave: Behaviour;
  readonly #standing = new Map<string, Standing>();
  /** The newest fence seen of each name. */
  readonly #fences = new Map<string, FenceToken>();
  readonly #engines = new Set<SimulatedEngine>();
  readonly #live = new Set<RunningTry>();
  readonly #begun = new Map<string, Run>();
  readonly #said = new Map<string, JobSaid>();

  constructor(time: VirtualTime, random: () => number, behave: Behaviour) {
    this.#time = time;
    this.#random = random;
    this.#behave = behave;
  }

  /** The engine as one replica has it. */
  engine(process: VirtualProcess | undefined): Engine {
    const engine = new SimulatedEngine(this, this.#time, this.#random, process);
    this.#engines.add(engine);
    process?.onKill(() => this.#engines.delete(engine));
    return engine;
  }

  /** Runs that have not ended. */
  live(): readonly Run[] {
    return [...this.#live];
  }

  /** The run of a name; `undefined`: it never began. */
  runOf(name: string): Run | undefined {
    return this.#begun.get(name);
  }

  /** @internal The launch itself. @throws ControlPlaneError `not_owner` */
  begin(spec: JobSpec): JobObservation {
    const name = nameOf(spec.ref);
    this.#check(name, spec.fence);
    const standing = this.#standing.get(name);
    if (standing !== undefined) return standing.observation;
    for (const other of this.#live) {
      if (other.ref.scanId === spec.ref.scanId && other.ref.job === spec.ref.job) this.violations.push(`${name} began while ${other.name} ran`);
    }
    const onExit = (exit: JobExit): void => {
      this.#live.delete(run);
      this.#set(name, {kind: 'exited', handle: name, exit}, undefined);
    };
    const run = new RunningTry(spec, this.#time, onExit, (said) => this.#said.set(name, said));
    this.runs.push(run);
    this.#live.add(run);
    this.#begun.set(name, run);
    const observation = this.#set(name, {kind: 'running', handle: name, startedAt: new Date().toISOString()}, run);
    this.#behave(run);
    return observation;
  }

  /** @internal */
  observe(ref: JobRef, place: string): JobObservation {
    if (place !== this.place) return {kind: 'foreign'};
    return this.#standing.get(nameOf(ref))?.observation ?? {kind: 'absent'};
  }

  /** @internal @throws ControlPlaneError `not_owner` */
  close(ref: JobRef, place: string, fence: FenceToken): JobObservation {
    const name = nameOf(ref);
    if (place === this.place) {
      this.#check(name, fence);
      if (!this.#standing.has(name)) this.#set(name, {kind: 'closed'}, undefined);
    }
    return this.observe(ref, place);
  }

  /** @internal SIGTERM: it goes within its grace. */
  stop(ref: JobRef, place: string): void {
    if (place !== this.place) return;
    const run = this.#standing.get(nameOf(ref))?.run;
    if (run === undefined || run.beginToStop()) return;
    run.after(this.#random() * run.spec.stopGraceMs, () => run.exit(null, {signal: 'SIGTERM', reason: 'stopped'}));
  }

  /** @internal */
  said(ref: JobRef, place: string): JobSaid {
    return place === this.place ? (this.#said.get(nameOf(ref)) ?? {}) : {};
  }

  /** @internal */
  renew(refs: readonly JobRef[]): void {
    for (const ref of refs) this.#standing.get(nameOf(ref))?.run?.renew();
  }

  /** @internal */
  known(): readonly string[] {
    return [...new Set([...this.#standing.keys()].map((name) => name.split('/')[0] as string))];
  }

  /** @internal @throws ControlPlaneError `wrong_state` */
  forget(scanId: string): void {
    const names = [...this.#standing.keys()].filter((name) => name.startsWith(`${scanId}/`));
    if (names.some((name) => this.#standing.get(name)?.run !== undefined)) throw new ControlPlaneError('wrong_state', 'jobs of it still run');
    for (const name of names) {
      this.#standing.delete(name);
      this.#fences.delete(name);
      this.#said.delete(name);
    }
  }

  #check(name: string, fence: FenceToken): void {
    const seen = this.#fences.get(name);
    if (seen !== undefined && (fence.epoch < seen.epoch || (fence.epoch === seen.epoch && fence.revision < seen.revision))) {
      throw new ControlPlaneError('not_owner', 'a newer owner has spoken');
    }
    this.#fences.set(name, fence);
  }

  #set(name: string, observation: JobObservation, run: RunningTry | undefined): JobObservation {
    this.#standing.set(name, {observation, run});
    const [scanId = '', job = '', number] = name.split('/');
    for (const engine of this.#engines) engine.tell({scanId, job, try: Number(number)});
    return observation;
  }
}

class RunningTry implements Run {
  readonly name: string;
  readonly ref: JobRef;
  readonly spec: JobSpec;
  readonly beganAtMs: number;
  endedAtMs: number | undefined;
  readonly #time: VirtualTime;
  readonly #onExit: (exit: JobExit) => void;
  readonly #onSaid: (said: JobSaid) => void;
  #renewedAtMs: number;
  #onStop: (() => void) | undefined;
  #isStopping = false;

  constructor(spec: JobSpec, time: VirtualTime, onExit: (exit: JobExit) => void, onSaid: (said: JobSaid) => void) {
    this.name = nameOf(spec.ref);
    this.ref = spec.ref;
    this.spec = spec;
    this.beganAtMs = time.nowMs;
    this.#renewedAtMs = time.nowMs;
    this.#time = time;
    this.#onExit = onExit;
    this.#onSaid = onSaid;
    this.#watchOwner();
  }

  exit(code: number | null, more: Omit<JobExit, 'code' | 'ended_at'> = {}): void {
    if (this.endedAtMs !== undefined) return;
    this.endedAtMs = this.#time.nowMs;
    this.#onExit({code, ended_at: new Date().toISOString(), ...more});
  }

  after(ms: number, act: () => void): void {
    this.#time.after(
      ms,
      () => {
        if (this.endedAtMs === undefined) act();
      },
      undefined,
    );
  }

  say(said: JobSaid): void {
    this.#onSaid(said);
  }

  onStop(act: () => void): void {
    this.#onStop = act;
  }

  /** @internal Whether it knows itself what to do when it is asked to end; then it does so, and is killed when its grace is over. */
  beginToStop(): boolean {
    if (this.#onStop === undefined) return false;
    if (!this.#isStopping) {
      this.#isStopping = true;
      this.after(this.spec.stopGraceMs, () => this.exit(null, {signal: 'SIGKILL', reason: 'stopped'}));
      this.#onStop();
    }
    return true;
  }

  renew(): void {
    this.#renewedAtMs = this.#time.nowMs;
  }

  #watchOwner(): void {
    this.after(this.#renewedAtMs + this.spec.orphanAfterMs - this.#time.nowMs, () => {
      if (this.#time.nowMs - this.#renewedAtMs < this.spec.orphanAfterMs) this.#watchOwner();
      else this.exit(null, {signal: 'SIGTERM', reason: 'orphaned: no controller renewed it'});
    });
  }
}

/** Calls take a while; what was asked happens also when the caller dies meanwhile, and then nobody hears of it. */
class SimulatedEngine implements Engine {
  readonly name = 'process';
  readonly place: string;
  readonly #host: SimulatedHost;
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #process: VirtualProcess | undefined;
  readonly #listeners = new Set<(ref: JobRef) => void>();

  constructor(host: SimulatedHost, time: VirtualTime, random: () => number, process: VirtualProcess | undefined) {
    this.place = host.place;
    this.#host = host;
    this.#time = time;
    this.#random = random;
    this.#process = process;
  }

  ensure(job: JobSpec): Promise<JobObservation> {
    return this.#ask(() => this.#host.begin(job), LAUNCH_MS);
  }

  observe(ref: JobRef, place: string): Promise<JobObservation> {
    return this.#ask(() => this.#host.observe(ref, place));
  }

  close(ref: JobRef, place: string, fence: FenceToken): Promise<JobObservation> {
    return this.#ask(() => this.#host.close(ref, place, fence));
  }

  stop(ref: JobRef, place: string): Promise<void> {
    return this.#ask(() => this.#host.stop(ref, place));
  }

  said(ref: JobRef, place: string): Promise<JobSaid> {
    return this.#ask(() => this.#host.said(ref, place));
  }

  renew(refs: readonly JobRef[]): Promise<void> {
    return this.#ask(() => this.#host.renew(refs));
  }

  output(): Promise<string> {
    return this.#ask(() => '');
  }

  onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void {
    this.#listeners.add(listener);
    signal.addEventListener('abort', () => this.#listeners.delete(listener), {once: true});
  }

  known(): Promise<readonly string[]> {
    return this.#ask(() => this.#host.known());
  }

  forget(scanId: string): Promise<void> {
    return this.#ask(() => this.#host.forget(scanId));
  }

  tell(ref: JobRef): void {
    this.#time.after(
      this.#ms(CALL_MS),
      () => {
        for (const listener of this.#listeners) listener(ref);
      },
      this.#process,
    );
  }

  #ask<T>(serve: () => T, takes = CALL_MS): Promise<T> {
    return new Promise((resolve, reject) => {
      const act = (): void => {
        let answer: () => void;
        try {
          const value = serve();
          answer = () => resolve(value);
        } catch (err) {
          answer = () => reject(err as Error);
        }
        this.#time.after(this.#ms(CALL_MS), answer, this.#process);
      };
      this.#time.after(this.#ms(takes), act, undefined);
    });
  }

  #ms({least, more}: {readonly least: number; readonly more: number}): number {
    return least + this.#random() * more;
  }
}

function nameOf({scanId, job, try: number}: JobRef): string {
  return `${scanId}/${job}/${number}`;
}
