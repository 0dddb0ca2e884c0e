/** From this priority on a scan is to start as soon as possible. @see SkyDriver 2.x, scan backlog */
export const ASAP_PRIORITY = 100;

/** How long after a start the next one of its class must wait, in milliseconds; 0: not at all. */
export interface PacePolicy {
  /** Of scans with {@link ASAP_PRIORITY} or more. */
  readonly asapEveryMs: number;
  /** Of all others. */
  readonly otherEveryMs: number;
}

/** Keeps starts apart, each class for itself, so that what they need (an image registry, a queue, a quota) is not overrun. */
export class StartPace {
  readonly #everyMs: Readonly<Record<'asap' | 'other', number>>;
  readonly #lastMs = {asap: Number.NEGATIVE_INFINITY, other: Number.NEGATIVE_INFINITY};

  constructor(policy: PacePolicy) {
    this.#everyMs = {asap: policy.asapEveryMs, other: policy.otherEveryMs};
  }

  /** Whether there is any limit at all. */
  get isLimited(): boolean {
    return this.#everyMs.asap > 0 || this.#everyMs.other > 0;
  }

  /**
   * A scan of this priority was started, on the wall clock. A time that is not known does not count, nor one further ahead than clocks of replicas
   * that go together: it would hold its class up until then.
   */
  note(priority: number, startedMs: number, nowMs: number): void {
    const name = classOf(priority);
    if (startedMs > this.#lastMs[name] && startedMs <= nowMs + this.#everyMs[name]) this.#lastMs[name] = startedMs;
  }

  /** How long a scan of this priority must wait still. Never longer than its class' pause from the first look after the clock was set back. */
  waitMs(priority: number, nowMs: number): number {
    const name = classOf(priority);
    this.#lastMs[name] = Math.min(this.#lastMs[name], nowMs);
    return Math.max(0, this.#lastMs[name] + this.#everyMs[name] - nowMs);
  }
}

function classOf(priority: number): 'asap' | 'other' {
  return priority >= ASAP_PRIORITY ? 'asap' : 'other';
}
