import {OBS_STATES} from './execution-block.ts';
import type {ObsState} from './execution-block.ts';
import {parserFor} from './validate.ts';

/** `/lmc/subarray/[NN]`: one subarray as its commands left it. Unknown members are kept. */
export interface Subarray {
  readonly state: 'ON' | 'OFF';
  /** What it is on its way to, or has reached: what is shown may lag behind. */
  readonly obs_state_target: ObsState;
  /** Its execution block. */
  readonly eb_id: string | null;
  readonly last_command?: string | null;
  readonly transaction_id?: string | null;
  readonly [field: string]: unknown;
}

/** `/lmc/controller`: the one controller of all subarrays. Unknown members are kept. */
export interface LmcController {
  readonly state?: string;
  readonly last_command?: string | null;
  readonly transaction_id?: string | null;
  readonly [field: string]: unknown;
}

const textOrNull = {type: ['string', 'null']} as const;

const subarraySchema = {
  type: 'object',
  properties: {
    state: {enum: ['ON', 'OFF'], default: 'OFF'},
    obs_state_target: {enum: OBS_STATES, default: 'EMPTY'},
    eb_id: {...textOrNull, default: null},
    last_command: textOrNull,
    transaction_id: textOrNull,
  },
} as const;

const controllerSchema = {
  type: 'object',
  properties: {state: {type: 'string'}, last_command: textOrNull, transaction_id: textOrNull},
} as const;

export const parseSubarray = parserFor<Subarray>('subarray', subarraySchema);
export const parseLmcController = parserFor<LmcController>('controller of the subarrays', controllerSchema);

/** What a subarray is before its first command. */
export const NEW_SUBARRAY: Subarray = {state: 'OFF', obs_state_target: 'EMPTY', eb_id: null, last_command: null};
