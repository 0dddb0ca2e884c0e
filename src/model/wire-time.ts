import {ZERO_TIME, formatTime, timeNs, timeText} from '../proto/time.ts';

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

/** Milliseconds since 1970 as the wire has them; Go's zero time for what no four digits of a year can say. */
export function msAsWireTime(ms: number): string {
  try {
    return timeText(ms);
  } catch {
    return ZERO_TIME; // Written by hand: in milliseconds where seconds were meant, say.
  }
}

/** A stored time in milliseconds since 1970; `undefined` for none, and for one that nobody can read. */
export function asMs(text: string | undefined): number | undefined {
  const ms = Date.parse(text ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}
