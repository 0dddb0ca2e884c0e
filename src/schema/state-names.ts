/** Spin Cycle's states, with its numbers on the wire; RESERVED (5) is retired there and never used here. Apart from the parsers: the job host loads no ajv. */
export const STATE_NUMBERS = {UNKNOWN: 0, PENDING: 1, RUNNING: 2, COMPLETE: 3, FAIL: 4, STOPPED: 6, SUSPENDED: 7} as const;
export const STATE_NAMES = ['UNKNOWN', 'PENDING', 'RUNNING', 'COMPLETE', 'FAIL', 'STOPPED', 'SUSPENDED'] as const;
export type StateName = (typeof STATE_NAMES)[number];
