import {BLOCK_ID, DEPLOYMENT_ID, SUBARRAY_ID} from '../../schema/block-ids.ts';
import {DEPLOYMENT_TYPES} from '../../schema/deployment.ts';
import type {Deployment} from '../../schema/deployment.ts';
import {EB_STATUSES, executionBlockSchema} from '../../schema/execution-block.ts';
import type {EbStatus, ScanType} from '../../schema/execution-block.ts';
import {pbStateSchema, processingBlockSchema} from '../../schema/processing-block.ts';
import type {ProcessingBlock} from '../../schema/processing-block.ts';
import {scriptSchema} from '../../schema/script.ts';
import type {Script} from '../../schema/script.ts';
import type {JsonSchema} from '../../schema/validate.ts';
import {blockCheck} from './body.ts';

const blockId = {type: 'string', pattern: BLOCK_ID.source} as const;
const blockIdOrNull = {anyOf: [blockId, {type: 'null'}]} as const;
const scriptPart = {type: 'string', pattern: '^[\\w.-]{1,64}$'} as const;
const dependencies = {...processingBlockSchema.properties.dependencies, maxItems: 100} as const;

/** Blocks of one transaction: etcd takes 128 operations. */
export const MAX_BLOCKS = 50;

/** What a new processing block is made of. Unknown members are kept. */
export interface NewProcessingBlock {
  readonly pb_id?: string;
  readonly eb_id?: string | null;
  readonly script: ProcessingBlock['script'];
  readonly [field: string]: unknown;
}

const newPbSchema = {
  type: 'object',
  required: ['script'],
  properties: {
    pb_id: blockId,
    eb_id: blockIdOrNull,
    script: {type: 'object', required: ['kind', 'name', 'version'], properties: {kind: scriptPart, name: scriptPart, version: scriptPart}},
    parameters: processingBlockSchema.properties.parameters,
    dependencies,
    priority: processingBlockSchema.properties.priority,
  },
} as const;

export const checkCreatePb = blockCheck<NewProcessingBlock>(newPbSchema);

/** What a new execution block is made of. Unknown members are kept. */
export interface NewExecutionBlock {
  readonly eb_id?: string;
  readonly processing_blocks?: readonly NewProcessingBlock[];
  readonly scan_types?: readonly ScanType[];
  readonly status?: EbStatus;
  readonly current_scan_type?: string | null;
  readonly [field: string]: unknown;
}

const subarrayId = {anyOf: [{type: 'string', pattern: SUBARRAY_ID.source}, {type: 'null'}]} as const;
const scanId = {type: ['integer', 'null'], minimum: 0} as const;
const {scan_types, max_length} = executionBlockSchema.properties;

export const checkCreateEb = blockCheck<NewExecutionBlock>({
  type: 'object',
  properties: {
    eb_id: blockId,
    max_length,
    scan_types,
    subarray_id: subarrayId,
    current_scan_type: {type: ['string', 'null']},
    scan_id: scanId,
    status: {enum: EB_STATUSES.filter((status) => status !== 'FINISHED' && status !== 'CANCELLED')},
    processing_blocks: {type: 'array', maxItems: MAX_BLOCKS, items: newPbSchema},
    // Made of the processing blocks; and said by the script that receives.
    pb_realtime: {type: 'array', maxItems: 0},
    pb_batch: {type: 'array', maxItems: 0},
    pb_receive_addresses: {type: 'null'},
  },
});

export interface PatchEbBody {
  readonly scan_types?: readonly ScanType[];
  readonly current_scan_type?: string | null;
  readonly scan_id?: number | null;
  readonly status?: EbStatus;
}

export const checkPatchEb = blockCheck<PatchEbBody>({
  type: 'object',
  additionalProperties: false,
  minProperties: 1,
  properties: {scan_types, current_scan_type: {type: ['string', 'null']}, scan_id: scanId, status: {enum: EB_STATUSES}},
});

export type PbStateBody = Readonly<Record<string, unknown>>;

/** A whole state. Unknown members are kept. */
export const checkPutPbState = blockCheck<PbStateBody>(pbStateSchema);

/** Some members of a state; `null` takes one out. */
export const checkPatchPbState = blockCheck<PbStateBody>({
  type: 'object',
  minProperties: 1,
  properties: {
    ...pbStateSchema.properties,
    reason: {type: ['string', 'null']},
    deployments: {type: ['object', 'null']},
    last_updated: {type: ['string', 'number', 'null']},
  },
});

/** Seconds that a claim may hold without being renewed. etcd grants 2 at least. */
const TTL_SECONDS = {type: 'integer', minimum: 2, maximum: 3600} as const;

export interface ClaimBody {
  readonly command?: readonly string[];
  readonly hostname: string;
  readonly pid: number;
  readonly ttl_seconds: number;
  readonly claimant?: string;
}

export const checkClaim = blockCheck<ClaimBody>({
  type: 'object',
  additionalProperties: false,
  required: ['hostname', 'pid', 'ttl_seconds'],
  properties: {
    command: {type: 'array', maxItems: 1000, items: {type: 'string'}},
    hostname: {type: 'string', minLength: 1, maxLength: 255},
    pid: {type: 'integer', minimum: 0},
    ttl_seconds: TTL_SECONDS,
    claimant: {
      type: 'string',
      pattern: '^[\\w.-]{16,128}$',
      description: 'A random id of the caller’s own choice. Who repeats a claim with it, as after a lost answer, gets the claim that it has.',
    },
  },
});

export const checkEmpty = blockCheck<object>({type: 'object', additionalProperties: false, properties: {}});

export interface NewScript extends Script {
  readonly kind: string;
  readonly name: string;
  readonly version: string;
}

/** What runs a script: nothing without an image or a command. */
const needsProgram = {anyOf: [{required: ['image']}, {required: ['command']}]} as const;

export const checkCreateScript = blockCheck<NewScript>({
  ...scriptSchema,
  ...needsProgram,
  required: ['kind', 'name', 'version'],
  properties: {kind: scriptPart, name: scriptPart, version: scriptPart, ...scriptSchema.properties},
});

export const checkPutScript = blockCheck<Script>({...scriptSchema, ...needsProgram});

export interface NewDeployment extends Partial<Deployment> {
  readonly id: string;
  readonly type: Deployment['type'];
}

const deploymentProperties = {type: {enum: DEPLOYMENT_TYPES}, args: {type: 'object', default: {}}, pb_id: blockId} as const;

export const checkCreateDeployment = blockCheck<NewDeployment>({
  type: 'object',
  required: ['id', 'type'],
  properties: {id: {type: 'string', pattern: DEPLOYMENT_ID.source}, ...deploymentProperties},
});

export type PutDeploymentBody = Partial<Deployment>;

export const checkPutDeployment = blockCheck<PutDeploymentBody>({
  type: 'object',
  required: ['args'],
  properties: {id: {type: 'string'}, ...deploymentProperties},
});

// Answers

const orNull = (schema: JsonSchema): JsonSchema => ({anyOf: [schema, {type: 'null'}]});
const damaged = {
  type: 'array',
  description: 'Keys whose value cannot be read, and why.',
  items: {type: 'object', additionalProperties: false, required: ['key', 'reason'], properties: {key: {type: 'string'}, reason: {type: 'string'}}},
} as const;

export const blockOwnerSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['command', 'hostname', 'pid', 'since', 'owner_revision'],
  properties: {
    command: {type: 'array', items: {type: 'string'}},
    hostname: {type: 'string'},
    pid: {type: 'integer'},
    since: {type: 'string'},
    owner_revision: {type: 'integer', description: 'What whoever holds this claim names as Owner-Revision.'},
  },
} as const;

function objectSchema(more: Readonly<Record<string, JsonSchema>>) {
  return {
    type: 'object',
    additionalProperties: false,
    required: ['id', ...Object.keys(more)],
    properties: {id: {type: 'string'}, ...more, damaged},
  } as const;
}

const free = {type: 'object'} as const;

export const ebAnswer = objectSchema({spec: orNull(executionBlockSchema), state: orNull(free)});
export const pbAnswer = objectSchema({
  spec: orNull(processingBlockSchema),
  state: orNull(pbStateSchema),
  owner: orNull(blockOwnerSchema),
  admission: orNull(free),
  is_waiting: {type: 'boolean', description: 'Whether it stands in the backlog.'},
});
export const scriptAnswer = objectSchema({spec: orNull(scriptSchema)});
export const deploymentAnswer = objectSchema({spec: orNull(free), state: orNull(free), owner: orNull(blockOwnerSchema)});

export function listAnswer(plural: string, item: JsonSchema) {
  return {
    type: 'object',
    additionalProperties: false,
    required: [plural, 'damaged'],
    properties: {[plural]: {type: 'array', items: item}, damaged},
  } as const;
}

export const claimAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['owner_revision', 'ttl_seconds'],
  properties: {
    owner_revision: {type: 'integer'},
    ttl_seconds: {type: 'integer', description: 'For how long the claim holds without being renewed.'},
  },
} as const;
