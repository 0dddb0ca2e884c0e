import type {Clock} from '../../src/lib/clock.ts';

/** A clock that stands still until it is moved. Begins at the system's time. */
export interface MovingClock extends Clock {
  advance(ms: number): void;
}

export function movingClock(): MovingClock {
  const startedAtMs = Date.now();
  let passedMs = 0;
  return {
    now: () => startedAtMs + passedMs,
    monotonicMs: () => passedMs,
    advance: (ms) => {
      passedMs += ms;
    },
  };
}
