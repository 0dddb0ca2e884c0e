/** Time, injected so that tests can move it. */
export interface Clock {
  /** Wall clock: milliseconds since 1970 with a fraction (microseconds), for what people and the wire see. Never for deadlines. */
  now(): number;
  /** Milliseconds on a clock that never jumps, for deadlines and waits. */
  monotonicMs(): number;
}

export const systemClock: Clock = {
  now: () => performance.timeOrigin + performance.now(),
  monotonicMs: () => performance.now(),
};

/** `ms` since 1970 as RFC 3339 in UTC with milliseconds. */
export function rfc3339(ms: number): string {
  return new Date(ms).toISOString();
}
