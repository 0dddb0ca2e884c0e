import type {Clock} from '../../lib/clock.ts';
import {sleep} from '../../lib/sleep.ts';

export interface RateLimits {
  readonly perSecond: number;
  /** Requests at once after a quiet time. */
  readonly burst: number;
  /** Requests in flight. */
  readonly inFlight: number;
}

/** Lets requests through at a rate, so many at once. Who waits longest goes first. */
export class RateLimit {
  readonly #limits: RateLimits;
  readonly #clock: Clock;
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #tokens: number;
  #filledAtMs: number;

  constructor(limits: RateLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
    this.#tokens = limits.burst;
    this.#filledAtMs = clock.monotonicMs();
  }

  /** Runs `work` when its turn has come. Aborted while it waits, it runs all the same and finds the signal aborted. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    if (this.#running >= this.#limits.inFlight) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#running++;
    try {
      const pauseMs = this.#take();
      if (pauseMs > 0) await sleep(pauseMs, signal);
      return await work();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#running--;
      else next(); // It takes our place.
    }
  }

  /** Takes one token, perhaps of the future. @returns milliseconds until it is there */
  #take(): number {
    const {perSecond, burst} = this.#limits;
    const nowMs = this.#clock.monotonicMs();
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) * perSecond) / 1000) - 1;
    this.#filledAtMs = nowMs;
    return this.#tokens >= 0 ? 0 : (-this.#tokens * 1000) / perSecond;
  }
}
