import {ControlPlaneError} from '../lib/errors.ts';
import type {ExecutionBlock, ObsState} from '../schema/execution-block.ts';
import {OBS_STATES} from '../schema/execution-block.ts';
import type {Subarray} from '../schema/subarray.ts';

export const SUBARRAY_COMMANDS = [
  'On',
  'Off',
  'AssignResources',
  'ReleaseResources',
  'Configure',
  'Scan',
  'EndScan',
  'End',
  'Abort',
  'ObsReset',
  'Restart',
] as const;
export type SubarrayCommand = (typeof SUBARRAY_COMMANDS)[number];

/** When a command is allowed, and what it leads to. */
export interface SubarrayRule {
  readonly state: Subarray['state'];
  readonly from: readonly ObsState[];
  readonly target: ObsState;
  /** What becomes of the execution block; absent: it stays the subarray's. */
  readonly ends?: 'FINISHED' | 'CANCELLED';
}

/** @see SKA SDP subarray device, release of 2021 */
export const SUBARRAY_RULES = {
  On: {state: 'OFF', from: ['EMPTY'], target: 'EMPTY'},
  Off: {state: 'ON', from: OBS_STATES, target: 'EMPTY', ends: 'CANCELLED'},
  AssignResources: {state: 'ON', from: ['EMPTY'], target: 'IDLE'},
  ReleaseResources: {state: 'ON', from: ['IDLE'], target: 'EMPTY', ends: 'FINISHED'},
  Configure: {state: 'ON', from: ['IDLE', 'READY'], target: 'READY'},
  Scan: {state: 'ON', from: ['READY'], target: 'SCANNING'},
  EndScan: {state: 'ON', from: ['SCANNING'], target: 'READY'},
  End: {state: 'ON', from: ['READY'], target: 'IDLE'},
  Abort: {state: 'ON', from: ['IDLE', 'CONFIGURING', 'READY', 'SCANNING', 'RESETTING'], target: 'ABORTED'},
  ObsReset: {state: 'ON', from: ['ABORTED', 'FAULT'], target: 'IDLE'},
  Restart: {state: 'ON', from: ['ABORTED', 'FAULT'], target: 'EMPTY', ends: 'CANCELLED'},
} as const satisfies Record<SubarrayCommand, SubarrayRule>;

/**
 * The obsState that a subarray shows: its target, except that after AssignResources it is `RESOURCING` until a script has published receive addresses.
 *
 * Without realtime blocks there is none who could, and nothing to wait for.
 */
export function shownObsState(subarray: Subarray, block: ExecutionBlock | undefined): ObsState {
  const {obs_state_target: target, last_command: last} = subarray;
  const waits = target === 'IDLE' && last === 'AssignResources' && block !== undefined;
  return waits && block.pb_realtime.length > 0 && block.pb_receive_addresses === null ? 'RESOURCING' : target;
}

/** @throws ControlPlaneError `wrong_state`, with what it is; `invalid`: there is no such command */
export function ruleFor(command: string, subarray: Subarray, shown: ObsState): SubarrayRule {
  const rule = Object.hasOwn(SUBARRAY_RULES, command) ? SUBARRAY_RULES[command as SubarrayCommand] : undefined;
  if (rule === undefined) throw new ControlPlaneError('invalid', `${JSON.stringify(command)} is no command of a subarray`);
  if (rule.state !== subarray.state || !(rule.from as readonly ObsState[]).includes(shown)) {
    throw new ControlPlaneError('wrong_state', `${command} is not allowed while the subarray is ${subarray.state} and ${shown}`);
  }
  return rule;
}
