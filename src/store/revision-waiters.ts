import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Revision} from './store.ts';

interface Waiter {
  readonly revision: Revision;
  /** On the monotonic clock, in milliseconds. */
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (err: unknown) => void;
}

/** How long a reader waits for the event of a write before the member is asked how far it is, and how often it is asked then. */
const NUDGE_MS = 5;
const MAX_NUDGE_MS = 250;

/**
 * Readers that wait until a revision has been applied.
 *
 * While there are some, the watch is asked now and then how far it is: the revision may be moved by writes outside what is watched.
 */
export class RevisionWaiters {
  readonly #clock: Clock;
  /** Asks the watch for its progress, at least as far as the given revision. */
  readonly #ask: (wanted: Revision) => void;
  #waiting: Waiter[] = [];
  #revision: Revision = 0;
  #timer: NodeJS.Timeout | undefined;
  #timerMs = NUDGE_MS;
  /** Whether the last wait was ended by a progress notice: then writes outside move the revision, and waiting for an event is in vain. */
  #noticesHelp = false;

  constructor(clock: Clock, ask: (wanted: Revision) => void) {
    this.#clock = clock;
    this.#ask = ask;
  }

  /** Resolves once `revision` has been applied. @throws ControlPlaneError `unavailable` after `timeoutMs`, or a nudge later. */
  wait(revision: Revision, timeoutMs: number): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({revision, deadline: this.#clock.monotonicMs() + timeoutMs, resolve, reject});
      if (this.#timer !== undefined) return;
      if (this.#noticesHelp) this.#askForLeast();
      this.#schedule();
    });
  }

  /** Everything up to `revision` has been applied, as an event or a progress notice told. */
  advance(revision: Revision, byNotice: boolean): void {
    this.#revision = revision;
    if (this.#waiting.length === 0) return;
    this.#keep((waiter) => {
      if (waiter.revision > revision) return true;
      this.#noticesHelp = byNotice;
      waiter.resolve();
      return false;
    });
  }

  /** Gives up for those whose time has passed, and asks the watch again for the others: the event will mostly have come by itself before. */
  #look(): void {
    const now = this.#clock.monotonicMs();
    this.#timer = undefined;
    this.#keep(({revision, deadline, reject}) => {
      if (deadline > now) return true;
      reject(new ControlPlaneError('unavailable', `the watch cache is behind: at revision ${this.#revision}, asked for ${revision}`));
      return false;
    });
    if (this.#waiting.length === 0) return;
    this.#askForLeast();
    this.#timerMs = Math.min(MAX_NUDGE_MS, this.#timerMs * 2);
    this.#noticesHelp = false; // Asked for by the timer from here on.
    this.#schedule();
  }

  #schedule(): void {
    this.#timer = setTimeout(() => this.#look(), this.#timerMs);
  }

  #askForLeast(): void {
    this.#ask(this.#waiting.reduce((least, {revision}) => Math.min(least, revision), Number.MAX_SAFE_INTEGER));
  }

  #keep(stays: (waiter: Waiter) => boolean): void {
    this.#waiting = this.#waiting.filter(stays);
    if (this.#waiting.length > 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#timerMs = NUDGE_MS;
  }
}
