import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';

/** What is known now: the newest answer there ever was, `undefined` for none; and whether it should be newer but could not be had. */
export interface Remembered<T> {
  readonly value: T | undefined;
  readonly isStale: boolean;
}

export interface RememberedAnswersOptions<T> {
  readonly clock: Clock;
  readonly log: Log;
  /** Asks for the answer of one key. Ends by itself, one way or the other. */
  ask(key: string): Promise<T>;
  /** How long an answer counts as current, in milliseconds; 0: only for those who waited for it. */
  keepMs(value: T): number;
}

/** How long somebody who asks waits for an answer at the most: a scanner ends at the first answer of ours that comes late. */
const WAIT_MS = 700;
/** After a failure, before the same is asked again. */
const PAUSE_MS = 5000;
/** Questions under way at once. What is beyond is answered from memory. */
const CONCURRENCY = 64;
/** Keys remembered: a list of taskforces may be some 100 kB. */
const LIMIT = 1000;

interface Entry<T> {
  value?: T;
  /** Until when `value` is current, or after a failure: until when it has to do. Monotonic milliseconds. */
  currentUntilMs: number;
  isStale: boolean;
  asking?: {readonly done: Promise<void>; readonly waitUntilMs: number};
}

/**
 * Answers of a service that may be slow or away, for those who cannot wait for it.
 *
 * One question per key is under way at any time, and everybody who asks meanwhile shares it: until {@link WAIT_MS} after it began, then with what was known
 * before. The question itself goes on, so that even a service that takes seconds is heard.
 */
export class RememberedAnswers<T> {
  readonly #options: RememberedAnswersOptions<T>;
  readonly #entries = new Map<string, Entry<T>>();
  #asking = 0;
  #isAway = false;

  constructor(options: RememberedAnswersOptions<T>) {
    this.#options = options;
  }

  /** Never throws, and takes no longer than {@link WAIT_MS}. */
  async get(key: string): Promise<Remembered<T>> {
    const {clock} = this.#options;
    const entry = this.#entry(key);
    const nowMs = clock.monotonicMs();
    if (entry.asking === undefined) {
      if (nowMs < entry.currentUntilMs) return {value: entry.value, isStale: entry.isStale};
      if (this.#asking >= CONCURRENCY) return {value: entry.value, isStale: true};
      this.#asking++;
      entry.asking = {done: Promise.resolve().then(() => this.#ask(key, entry)), waitUntilMs: nowMs + WAIT_MS};
    }
    const {done, waitUntilMs} = entry.asking;
    const isDone = await raceTimer(done, waitUntilMs - nowMs);
    return {value: entry.value, isStale: !isDone || entry.isStale};
  }

  #entry(key: string): Entry<T> {
    const known = this.#entries.get(key);
    if (known !== undefined) return known;
    const entry: Entry<T> = {currentUntilMs: 0, isStale: true};
    if (this.#entries.size >= LIMIT) this.#entries.delete(this.#entries.keys().next().value as string); // The oldest; who waits for it keeps it.
    this.#entries.set(key, entry);
    return entry;
  }

  async #ask(key: string, entry: Entry<T>): Promise<void> {
    const {clock, log} = this.#options;
    try {
      const value = await this.#options.ask(key);
      entry.value = value;
      entry.isStale = false;
      entry.currentUntilMs = clock.monotonicMs() + this.#options.keepMs(value);
      if (this.#isAway) log.info('EWMS answers again');
      this.#isAway = false;
    } catch (err) {
      entry.isStale = true;
      entry.currentUntilMs = clock.monotonicMs() + PAUSE_MS;
      // Once for an outage, not for each question.
      if (!hasCode(err, 'not_found') && !this.#isAway) {
        this.#isAway = true;
        log.warn({err}, 'EWMS does not answer; showing what it said last');
      }
    } finally {
      this.#asking--;
      delete entry.asking;
    }
  }
}

/** Whether `done` came first. It never rejects. */
async function raceTimer(done: Promise<void>, ms: number): Promise<boolean> {
  if (ms <= 0) return false;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const first = await Promise.race([done.then(() => true as const), late]);
  clearTimeout(timer);
  return first;
}
