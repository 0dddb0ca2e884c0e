import {parserFor} from './validate.ts';

export {STATE_NAMES, STATE_NUMBERS} from './state-names.ts';
export type {StateName} from './state-names.ts';

/** States of a scan. UNKNOWN is for jobs alone. */
export const SCAN_STATES = ['PENDING', 'RUNNING', 'COMPLETE', 'FAIL', 'STOPPED', 'SUSPENDED'] as const;
export type ScanStateName = (typeof SCAN_STATES)[number];

/** The state machine: from each state, where a scan may go. The terminal ones have no way out. */
export const SCAN_TRANSITIONS = {
  PENDING: ['RUNNING', 'FAIL', 'STOPPED', 'SUSPENDED'],
  RUNNING: ['COMPLETE', 'FAIL', 'STOPPED', 'SUSPENDED'],
  SUSPENDED: ['RUNNING', 'FAIL', 'STOPPED'],
  COMPLETE: [],
  FAIL: [],
  STOPPED: [],
} as const satisfies Record<ScanStateName, readonly ScanStateName[]>;

/** Whether a scan may go from one state to another; staying is always allowed. */
export function mayBecome(from: ScanStateName, to: ScanStateName): boolean {
  return from === to || (SCAN_TRANSITIONS[from] as readonly ScanStateName[]).includes(to);
}

/** Whether a scan in this state is over. */
export function isTerminal(name: ScanStateName): boolean {
  return SCAN_TRANSITIONS[name].length === 0;
}

/** Who wrote a value: the replica, and the create revision of its owner key (absent where the same transaction created that key). */
export interface Writer {
  readonly replica: string;
  readonly fence?: number;
}

export const writerSchema = {
  type: 'object',
  required: ['replica'],
  properties: {replica: {type: 'string'}, fence: {type: 'integer'}},
} as const;

/** How an outside workload manager is told that a workflow is over. */
export const WORKFLOW_ENDINGS = ['abort', 'finished'] as const;
export type WorkflowEnding = (typeof WORKFLOW_ENDINGS)[number];

/**
 * `/scan/[id]/state`: what is so. An absent key means PENDING.
 *
 * Times are RFC 3339 in UTC. `attempt` counts from 1. `teardown_due_at` is set when the final result is in: at that time the workers are stopped
 * even if the server still runs. `external` says that its jobs are none of ours. `workflow_ending` is what the outside workload manager is to be told,
 * written before it is told, so that whoever leads the scan next goes on with it; it is never taken back.
 */
export interface ScanState {
  readonly name: ScanStateName;
  readonly attempt: number;
  readonly reason?: string;
  readonly started_at?: string;
  readonly ended_at?: string;
  readonly teardown_due_at?: string;
  readonly jobs_total?: number;
  readonly jobs_finished?: number;
  readonly external?: true;
  readonly workflow_ending?: WorkflowEnding;
  readonly by?: Writer;
}

export const scanStateSchema = {
  type: 'object',
  required: ['name'],
  properties: {
    name: {enum: SCAN_STATES},
    attempt: {type: 'integer', minimum: 0, default: 1},
    reason: {type: 'string'},
    started_at: {type: 'string'},
    ended_at: {type: 'string'},
    teardown_due_at: {type: 'string'},
    jobs_total: {type: 'integer', minimum: 0},
    jobs_finished: {type: 'integer', minimum: 0},
    external: {const: true},
    workflow_ending: {enum: WORKFLOW_ENDINGS},
    by: writerSchema,
  },
} as const;

export const parseScanState = parserFor<ScanState>('state', scanStateSchema);
