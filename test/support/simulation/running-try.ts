import type {JobRef, JobSaid, JobSpec} from '../../../src/engines/engine.ts';
import type {JobExit} from '../../../src/schema/job.ts';
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
  /** What happens when it ends, however it does. */
  onEnd(act: () => void): void;
}

/** A try that runs on the simulated host. */
export class RunningTry implements Run {
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
  #onEnd: (() => void) | undefined;
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
    this.#onEnd?.();
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

  onEnd(act: () => void): void {
    this.#onEnd = act;
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

/** What no other try is called. */
export function nameOf({scanId, job, try: number}: JobRef): string {
  return `${scanId}/${job}/${number}`;
}
