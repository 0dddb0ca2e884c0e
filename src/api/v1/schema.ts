import {reportedClusterSchema} from '../../schema/legacy.ts';
import {eventMetadataSchema, progressSchema} from '../manifest/schema.ts';
import type {PatchManifestBody} from '../manifest/schema.ts';
import type {ClusterReport} from '../older/report.ts';
import type {CreateScanBody, DeleteScanBody, FindScansBody} from '../scans/schema.ts';
import {lenientCheck} from '../validation/lenient.ts';

/** `*`, names with `|` between them, or a list of names. */
export const olderProjectionSchema = {anyOf: [{type: 'string'}, {type: 'array', items: {type: 'string'}}]} as const;

const nonBlank = {type: 'string', pattern: '\\S'} as const;
const size = {anyOf: [nonBlank, {type: 'integer', minimum: 0}]} as const;
const workers = {type: 'integer', minimum: 1} as const;

function scalars(maxNameLength: number, maxLength: number) {
  return {
    type: 'object',
    additionalProperties: {anyOf: [{type: 'string', maxLength}, {type: 'boolean'}, {type: 'number'}, {type: 'null'}]},
    maxProperties: 25,
    propertyNames: {maxLength: maxNameLength},
  } as const;
}

/** Body of POST /scan in version 1. */
export interface CreateV1Body extends CreateScanBody {
  readonly max_worker_runtime?: number;
  readonly skyscan_mq_client_timeout_wait_for_first_message?: number;
}

/** @see SkyDriver 1.3, ScanLauncherHandler.post */
export const checkCreateV1 = lenientCheck<CreateV1Body>({
  type: 'object',
  additionalProperties: false,
  required: ['docker_tag', 'cluster', 'reco_algo', 'event_i3live_json', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time'],
  properties: {
    docker_tag: nonBlank,
    max_worker_runtime: {type: 'integer'},
    skyscan_mq_client_timeout_wait_for_first_message: {type: 'integer'},
    scanner_server_memory: size,
    worker_memory: size,
    worker_disk: size,
    memory: {type: ['string', 'integer']},
    cluster: {
      anyOf: [
        {type: 'object', minProperties: 1, propertyNames: {pattern: '\\S'}, additionalProperties: workers},
        {type: 'array', minItems: 1, items: {type: 'array', minItems: 2, maxItems: 2, items: [nonBlank, workers]}},
      ],
    },
    reco_algo: nonBlank,
    event_i3live_json: {
      anyOf: [
        {type: 'string', pattern: '^\\s*\\{[\\s\\S]*\\}\\s*$'},
        {type: 'object', minProperties: 1},
      ],
    },
    nsides: {type: 'object', minProperties: 1},
    real_or_simulated_event: {type: 'string', enum: ['real', 'real_event', 'sim', 'simulated', 'simulated_event']},
    predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1},
    max_pixel_reco_time: {type: 'integer', minimum: 1},
    debug_mode: {
      anyOf: [
        {type: 'string', enum: ['client-logs']},
        {type: 'array', items: {type: 'string', enum: ['client-logs']}},
      ],
    },
    classifiers: scalars(25, 25),
    priority: {type: 'integer'},
    scanner_server_env: scalars(128, 4096),
    manifest_projection: olderProjectionSchema,
  },
});

export const checkDeleteV1 = lenientCheck<DeleteScanBody>({
  type: 'object',
  additionalProperties: false,
  properties: {delete_completed_scan: {type: 'boolean'}, manifest_projection: olderProjectionSchema},
});

/** Body of POST /scan/ID/actions/rescan in version 1. */
export interface RescanV1Body {
  readonly manifest_projection?: DeleteScanBody['manifest_projection'];
}

export const checkRescanV1 = lenientCheck<RescanV1Body>({
  type: 'object',
  additionalProperties: false,
  properties: {manifest_projection: olderProjectionSchema},
});

export const checkFindV1 = lenientCheck<FindScansBody>({
  type: 'object',
  additionalProperties: false,
  required: ['filter'],
  properties: {filter: {type: 'object'}, include_deleted: {type: 'boolean'}, manifest_projection: olderProjectionSchema},
});

/** Body of PATCH /scan/ID/manifest in version 1. */
export interface PatchV1Body extends PatchManifestBody {
  readonly cluster?: ClusterReport;
}

export const checkPatchV1 = lenientCheck<PatchV1Body>({
  type: 'object',
  additionalProperties: false,
  properties: {
    progress: progressSchema,
    event_metadata: eventMetadataSchema,
    scan_metadata: {type: 'object'},
    cluster: reportedClusterSchema,
  },
});

export const checkPutV1 = lenientCheck<{readonly is_final: boolean}>({
  type: 'object',
  additionalProperties: false,
  required: ['skyscan_result', 'is_final'],
  properties: {skyscan_result: {type: 'object'}, is_final: {type: 'boolean'}},
});
