import {BLOCK_ID} from './block-ids.ts';
import {namedAs} from './named-as.ts';
import {parserFor} from './validate.ts';

/** States of a subarray's observation, which an execution block may show while it runs. @see SKA control model, ObsState */
export const OBS_STATES = [
  'EMPTY',
  'RESOURCING',
  'IDLE',
  'CONFIGURING',
  'READY',
  'SCANNING',
  'ABORTING',
  'ABORTED',
  'RESETTING',
  'FAULT',
  'RESTARTING',
] as const;
export type ObsState = (typeof OBS_STATES)[number];

/** `ACTIVE` from the beginning; `FINISHED` and `CANCELLED` are final. */
export const EB_STATUSES = ['ACTIVE', 'FINISHED', 'CANCELLED', ...OBS_STATES] as const;
export type EbStatus = (typeof EB_STATUSES)[number];

/** One kind of scan that may be observed: what else is in it is the telescope's. */
export interface ScanType {
  readonly scan_type_id: string;
  readonly [field: string]: unknown;
}

/** Dynamic members: in the block itself, or, as newer programs have it, in `/eb/[id]/state`. */
interface EbDynamics {
  readonly status: EbStatus;
  /** One of `scan_types`, while one is configured. */
  readonly current_scan_type: string | null;
  /** While it is scanning. */
  readonly scan_id: number | null;
}

/**
 * `/eb/[id]`: an execution block: what a subarray observes, and which processing blocks belong to it. Unknown members are kept.
 *
 * `max_length` is seconds; `last_updated` see `blockTime`.
 */
export interface ExecutionBlock extends EbDynamics {
  readonly eb_id: string;
  readonly max_length?: number;
  readonly scan_types: readonly ScanType[];
  readonly pb_realtime: readonly string[];
  readonly pb_batch: readonly string[];
  /** The processing block whose script published receive addresses. */
  readonly pb_receive_addresses: string | null;
  readonly subarray_id: string | null;
  readonly last_updated?: string | number;
  readonly [field: string]: unknown;
}

/** `/eb/[id]/state`: where it stands, its members count before those of the block. Absent ones say nothing. */
export interface EbState {
  readonly status?: EbStatus;
  readonly scan_type?: string | null;
  readonly scan_id?: number | null;
  /** Scans that were executed. */
  readonly scans?: readonly {readonly scan_id: number; readonly scan_type: string | null; readonly status: string}[];
  readonly last_updated?: string | number;
  readonly [field: string]: unknown;
}

const text = {type: 'string'} as const;
const textOrNull = {type: ['string', 'null']} as const;
const blockIds = {type: 'array', default: [], items: {type: 'string', pattern: BLOCK_ID.source}} as const;
export const lastUpdatedSchema = {type: ['string', 'number']} as const;

export const executionBlockSchema = {
  type: 'object',
  required: ['eb_id'],
  properties: {
    eb_id: text,
    max_length: {type: 'number', minimum: 0},
    scan_types: {
      type: 'array',
      default: [],
      items: {type: 'object', required: ['scan_type_id'], properties: {scan_type_id: {type: 'string', minLength: 1}}},
    },
    pb_realtime: blockIds,
    pb_batch: blockIds,
    pb_receive_addresses: {...textOrNull, default: null},
    current_scan_type: {...textOrNull, default: null},
    scan_id: {type: ['integer', 'null'], default: null},
    subarray_id: {...textOrNull, default: null},
    status: {enum: EB_STATUSES, default: 'ACTIVE'},
    last_updated: lastUpdatedSchema,
  },
} as const;

const ebStateSchema = {
  type: 'object',
  properties: {
    status: {enum: EB_STATUSES},
    scan_type: textOrNull,
    scan_id: {type: ['integer', 'null']},
    scans: {
      type: 'array',
      items: {
        type: 'object',
        required: ['scan_id'],
        properties: {scan_id: {type: 'integer'}, scan_type: {...textOrNull, default: null}, status: {type: 'string', default: ''}},
      },
    },
    last_updated: lastUpdatedSchema,
  },
} as const;

/** Refuses one that is stored under another block's key. */
export const parseExecutionBlock = namedAs('eb_id', parserFor<ExecutionBlock>('execution block', executionBlockSchema));
export const parseEbState = parserFor<EbState>('state of an execution block', ebStateSchema);

/** Whether a block has come to its end. */
export function isEbOver(status: EbStatus): boolean {
  return status === 'FINISHED' || status === 'CANCELLED';
}

/** A block as it is, wherever its dynamic members are stored. */
export function currentEb(block: ExecutionBlock, state: EbState | undefined): ExecutionBlock {
  if (state === undefined) return block;
  return {
    ...block,
    ...(state.status === undefined ? {} : {status: state.status}),
    ...(state.scan_type === undefined ? {} : {current_scan_type: state.scan_type}),
    ...(state.scan_id === undefined ? {} : {scan_id: state.scan_id}),
    ...(state.last_updated === undefined ? {} : {last_updated: state.last_updated}),
  };
}
