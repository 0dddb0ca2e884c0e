import {formatTime, timeNs} from '../proto/time.ts';

/** A stored time as the wire has it; `null` for none, and for one that nobody can read. */
export function asWireTime(text: string | undefined): string | null {
  if (text === undefined || text === '') return null;
  try {
    return formatTime(text);
  } catch {
    return null; // Written by hand.
  }
}

/** A stored time in nanoseconds since 1970; 0 for none, and for one that nobody can read. */
export function asWireNs(text: string | undefined): bigint {
  if (text === undefined || text === '') return 0n;
  try {
    return timeNs(text);
  } catch {
    return 0n;
  }
}
