import {BLOCK_ID} from './block-ids.ts';
import type {ScriptId} from './block-ids.ts';
import {lastUpdatedSchema} from './execution-block.ts';
import {namedAs} from './named-as.ts';
import {parserFor} from './validate.ts';

/** A processing block that has to be FINISHED first; `kind` says what is taken from it. */
export interface Dependency {
  readonly pb_id: string;
  readonly kind: readonly string[];
  readonly [field: string]: unknown;
}

/** `/pb/[id]`: what is to be processed, by which script. Immutable. Unknown members are kept. */
export interface ProcessingBlock {
  readonly pb_id: string;
  /** `null`: it belongs to no execution block. */
  readonly eb_id: string | null;
  readonly script: ScriptId & Readonly<Record<string, unknown>>;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly dependencies: readonly Dependency[];
  /** Higher ones are admitted first. Default 0. */
  readonly priority?: number;
  readonly [field: string]: unknown;
}

/** `STARTING` and `FAILED` are the controller's; the script writes the rest. The last three are final. */
export const PB_STATUSES = ['STARTING', 'WAITING', 'RUNNING', 'CANCELLING', 'FINISHED', 'FAILED', 'CANCELLED'] as const;
export type PbStatus = (typeof PB_STATUSES)[number];

/** Whether a status is final. */
export function isPbOver(status: PbStatus): boolean {
  return status === 'FINISHED' || status === 'FAILED' || status === 'CANCELLED';
}

/** `/pb/[id]/state`. Absent: nobody has picked the block up yet. Written as a whole, members of others kept. */
export interface PbState {
  readonly status: PbStatus;
  /** Whether the script may begin its work: the controller's alone. */
  readonly resources_available?: boolean;
  /** Why it failed. */
  readonly reason?: string;
  /** A list of objects with `scan_type_id`, or the older map by scan type. */
  readonly receive_addresses?: readonly {readonly scan_type_id: string; readonly [field: string]: unknown}[] | Readonly<Record<string, unknown>>;
  /** Deployment id → its status, as the script saw it. */
  readonly deployments?: Readonly<Record<string, unknown>>;
  readonly error_messages?: unknown;
  readonly last_updated?: string | number;
  readonly [field: string]: unknown;
}

export const processingBlockSchema = {
  type: 'object',
  required: ['pb_id', 'script'],
  properties: {
    pb_id: {type: 'string'},
    eb_id: {type: ['string', 'null'], default: null},
    script: {
      type: 'object',
      required: ['kind', 'name', 'version'],
      properties: {kind: {type: 'string', minLength: 1}, name: {type: 'string', minLength: 1}, version: {type: 'string', minLength: 1}},
    },
    parameters: {type: 'object', default: {}},
    dependencies: {
      type: 'array',
      default: [],
      items: {
        type: 'object',
        required: ['pb_id'],
        properties: {pb_id: {type: 'string', pattern: BLOCK_ID.source}, kind: {type: 'array', default: [], items: {type: 'string'}}},
      },
    },
    priority: {type: 'integer'},
  },
} as const;

export const pbStateSchema = {
  type: 'object',
  required: ['status'],
  properties: {
    status: {enum: PB_STATUSES},
    resources_available: {type: 'boolean'},
    reason: {type: 'string'},
    receive_addresses: {
      anyOf: [
        {type: 'array', items: {type: 'object', required: ['scan_type_id'], properties: {scan_type_id: {type: 'string'}}}},
        {type: 'object'},
        {type: 'null'},
      ],
    },
    deployments: {type: 'object'},
    last_updated: lastUpdatedSchema,
  },
} as const;

/** Refuses one that is stored under another block's key. */
export const parseProcessingBlock = namedAs('pb_id', parserFor<ProcessingBlock>('processing block', processingBlockSchema));
export const parsePbState = parserFor<PbState>('state of a processing block', pbStateSchema);

/** The kind of script that runs while its execution block does: it waits for nothing. */
export const REALTIME = 'realtime';
