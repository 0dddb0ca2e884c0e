/** States by name: their numbers on the wire and in storage, which never change. RESERVED is retired. SUSPENDED is never the state of a job. */
export const STATE_VALUE = {
  UNKNOWN: 0,
  PENDING: 1,
  RUNNING: 2,
  COMPLETE: 3,
  FAIL: 4,
  RESERVED: 5,
  STOPPED: 6,
  SUSPENDED: 7,
} as const;

export type StateName = keyof typeof STATE_VALUE;
export type State = (typeof STATE_VALUE)[StateName];

/** States by number: their names in query strings and on the command line. */
export const STATE_NAME = Object.fromEntries(Object.entries(STATE_VALUE).map(([name, value]) => [value, name])) as Readonly<Record<State, StateName>>;

export const STATE_UNKNOWN = STATE_VALUE.UNKNOWN;
export const STATE_PENDING = STATE_VALUE.PENDING;
export const STATE_RUNNING = STATE_VALUE.RUNNING;
export const STATE_COMPLETE = STATE_VALUE.COMPLETE;
export const STATE_FAIL = STATE_VALUE.FAIL;
export const STATE_RESERVED = STATE_VALUE.RESERVED;
export const STATE_STOPPED = STATE_VALUE.STOPPED;
export const STATE_SUSPENDED = STATE_VALUE.SUSPENDED;

/** Whether a number is that of a state. */
export function isState(value: unknown): value is State {
  return typeof value === 'number' && Object.hasOwn(STATE_NAME, value);
}

/** Whether a text is the name of a state: upper case. */
export function isStateName(text: string): text is StateName {
  return Object.hasOwn(STATE_VALUE, text);
}

/** What a caller may be allowed to do with a request. */
export const REQUEST_OP_START = 'start';
export const REQUEST_OP_STOP = 'stop';
export type RequestOp = typeof REQUEST_OP_START | typeof REQUEST_OP_STOP;

export const ARG_TYPE_REQUIRED = 'required';
export const ARG_TYPE_OPTIONAL = 'optional';
export const ARG_TYPE_STATIC = 'static';
export type ArgType = typeof ARG_TYPE_REQUIRED | typeof ARG_TYPE_OPTIONAL | typeof ARG_TYPE_STATIC;
