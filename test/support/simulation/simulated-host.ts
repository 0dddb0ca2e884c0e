import type {Engine, JobObservation, JobRef, JobSaid, JobSpec} from '../../../src/engines/engine.ts';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import type {FenceToken, JobExit} from '../../../src/schema/job.ts';
import type {VirtualProcess} from '../virtual-time/virtual-process.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';
import {RunningTry, nameOf} from './running-try.ts';
import type {Run} from './running-try.ts';

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

  /** @internal */
  tries(scanId: string): readonly JobRef[] {
    return [...this.#standing.keys()].map(refOf).filter((ref) => ref.scanId === scanId);
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
    const ref = refOf(name);
    for (const engine of this.#engines) engine.tell(ref);
    return observation;
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

  tries(scanId: string): Promise<readonly JobRef[]> {
    return this.#ask(() => this.#host.tries(scanId));
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

function refOf(name: string): JobRef {
  const [scanId = '', job = '', number] = name.split('/');
  return {scanId, job, try: Number(number)};
}
