import {isDeepStrictEqual} from 'node:util';
import {reasonOf} from './errors.ts';
import type {Log} from './log.ts';

/** How often files are looked at. Whoever renews a certificate does so days before it ends. */
const LOOK_MS = 60_000;

export interface Kept<T> {
  /** What is in force. */
  readonly current: T;
  /** What there is now. Throws when it is of no use. */
  readonly read: () => T;
  /** Puts it in force. Throws, or rejects, when it cannot be; then it is tried again at the next look. */
  readonly use: (found: T) => Promise<void> | void;
  /** How it is called in the log. */
  readonly what: string;
  readonly lookMs?: number | undefined;
}

/**
 * Looks again and again whether there is something new, and puts it in force, until `signal` aborts. What is of no use (one of two files may be replaced
 * before the other) leaves the old in force; each reason is logged once.
 */
export function keepCurrent<T>({current, read, use, what, lookMs = LOOK_MS}: Kept<T>, log: Log, signal: AbortSignal): void {
  let inForce = current;
  let problem = '';
  let isLooking = false;
  const look = async (): Promise<void> => {
    try {
      const found = read();
      if (isDeepStrictEqual(found, inForce)) return;
      await use(found);
      inForce = found;
      problem = '';
      log.info(`${what} is in use`);
    } catch (err) {
      if (problem !== reasonOf(err)) log.error({err}, `${what} is of no use; the one before stays`);
      problem = reasonOf(err);
    }
  };
  const timer = setInterval(() => {
    if (isLooking) return;
    isLooking = true;
    void look().finally(() => (isLooking = false));
  }, lookMs);
  timer.unref();
  signal.addEventListener('abort', () => clearInterval(timer), {once: true});
}
