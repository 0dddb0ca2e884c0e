import type {Clock} from './clock.ts';
import {ownTurn} from './turn.ts';

/** The first slice is short, since requests that arrive together begin in one turn of the loop. */
const FIRST_SLICE_MS = 1;
const SLICE_MS = 8;

/** How one long computation spends its time: slices of some milliseconds, and other requests between them. */
export class Pace {
  readonly #clock: Clock;
  readonly #isWanted: () => boolean;
  #until: number;
  #startedAt: number;
  #usedMs = 0;

  /** @param isWanted whether somebody still waits for the outcome */
  constructor(clock: Clock, isWanted: () => boolean = () => true) {
    this.#clock = clock;
    this.#isWanted = isWanted;
    this.#startedAt = clock.monotonicMs();
    this.#until = this.#startedAt + FIRST_SLICE_MS;
  }

  /** Whether the slice is over: call {@link rest} then. */
  isDue(): boolean {
    return this.#clock.monotonicMs() >= this.#until;
  }

  /** Milliseconds spent in slices, without the one that runs. */
  get usedMs(): number {
    return this.#usedMs;
  }

  /** Lets others run. @returns whether to go on: somebody still waits for the outcome */
  async rest(): Promise<boolean> {
    this.#usedMs += this.#clock.monotonicMs() - this.#startedAt;
    await ownTurn();
    this.#startedAt = this.#clock.monotonicMs();
    this.#until = this.#startedAt + SLICE_MS;
    return this.#isWanted();
  }
}
