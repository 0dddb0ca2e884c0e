import type {Clock} from './clock.ts';

/** Shares the event loop among long computations: of all that wait, one goes on per turn of the loop, first come, first served. */
export class Turns {
  readonly #waiting: (() => void)[] = [];
  #isScheduled = false;

  /** Resolves in a turn that no other of them has. */
  next(): Promise<void> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#schedule();
    });
  }

  #schedule(): void {
    if (this.#isScheduled || this.#waiting.length === 0) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#waiting.shift()?.();
      this.#schedule();
    });
  }
}

/** The first slice is short, since requests that arrive together begin in one turn of the loop. */
const FIRST_SLICE_MS = 1;
const SLICE_MS = 8;

/** How one long computation spends its time: slices of some milliseconds, and other requests between them. */
export class Pace {
  readonly #turns: Turns;
  readonly #clock: Clock;
  readonly #isWanted: () => boolean;
  #until: number;
  #startedAt: number;
  #usedMs = 0;

  /** @param isWanted whether somebody still waits for the outcome */
  constructor(turns: Turns, clock: Clock, isWanted: () => boolean = () => true) {
    this.#turns = turns;
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
    await this.#turns.next();
    this.#startedAt = this.#clock.monotonicMs();
    this.#until = this.#startedAt + SLICE_MS;
    return this.#isWanted();
  }
}
