/**
 * States by name. On the wire and in storage a state is its number; names are for query strings and people. The numbers are frozen.
 *
 * UNKNOWN: a job ended without a state that is known; counts as a failure. RESERVED: retired, never given. SUSPENDED: of chains and requests, never of a job.
 */
export const STATE_VALUE = {UNKNOWN: 0, PENDING: 1, RUNNING: 2, COMPLETE: 3, FAIL: 4, RESERVED: 5, STOPPED: 6, SUSPENDED: 7} as const;

export type StateName = keyof typeof STATE_VALUE;

/** A state's number, from 0 to 7. */
export type State = (typeof STATE_VALUE)[StateName];

/** States by number. */
export const STATE_NAME = {
  0: 'UNKNOWN',
  1: 'PENDING',
  2: 'RUNNING',
  3: 'COMPLETE',
  4: 'FAIL',
  5: 'RESERVED',
  6: 'STOPPED',
  7: 'SUSPENDED',
} as const satisfies Record<State, StateName>;

export const STATE_UNKNOWN = STATE_VALUE.UNKNOWN;
export const STATE_PENDING = STATE_VALUE.PENDING;
export const STATE_RUNNING = STATE_VALUE.RUNNING;
export const STATE_COMPLETE = STATE_VALUE.COMPLETE;
export const STATE_FAIL = STATE_VALUE.FAIL;
export const STATE_RESERVED = STATE_VALUE.RESERVED;
export const STATE_STOPPED = STATE_VALUE.STOPPED;
export const STATE_SUSPENDED = STATE_VALUE.SUSPENDED;

/** Whether `value` is the number of a state. */
export function isState(value: unknown): value is State {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 7;
}

/** Whether `name` is the name of a state, in upper case as it is written. */
export function isStateName(name: string): name is StateName {
  return Object.hasOwn(STATE_VALUE, name);
}
