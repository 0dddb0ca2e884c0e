import type {Clock} from '../lib/clock.ts';

/** Since when something has been so, by what it is about: for what is to be done only when it does not mend itself. */
export class Patience {
  readonly #clock: Clock;
  readonly #graceMs: number;
  readonly #since = new Map<string, {readonly why: string; readonly since: number}>();

  constructor(clock: Clock, graceMs: number) {
    this.#clock = clock;
    this.#graceMs = graceMs;
  }

  /** Milliseconds until the grace is over, 0 when it is. Another `why` begins anew. */
  left(about: string, why: string): number {
    const now = this.#clock.monotonicMs();
    const known = this.#since.get(about);
    if (known?.why !== why) this.#since.set(about, {why, since: now});
    return Math.max(0, (known?.why === why ? known.since : now) + this.#graceMs - now);
  }

  /** It is not so any more. */
  forget(about: string): void {
    this.#since.delete(about);
  }
}
