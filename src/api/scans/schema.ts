import type {Scalar} from '../../schema/scan.ts';
import type {RawJson} from '../json/raw-json.ts';
import {manifestSchema, projectedManifestSchema} from '../manifest/schema.ts';
import {freeFormObject} from '../openapi/common.ts';
import {projectionSchema} from '../projection.ts';
import {resultAnswer} from '../result/schema.ts';
import {bodyCheck} from '../validation/body-check.ts';

/** A size as a user writes it: bytes, or a text such as `8GB`. */
type DataSize = string | number;
type ClusterRequest = Readonly<Record<string, number>> | readonly (readonly [string, number])[];

/** Body of POST /scan. Names that SkyDriver has renamed stand beside their old ones. */
export interface CreateScanBody {
  readonly docker_tag: string;
  readonly reco_algo: string;
  readonly nsides: Readonly<Record<string, unknown>>;
  readonly real_or_simulated_event: string;
  readonly max_pixel_reco_time: number;
  readonly request_clusters?: ClusterRequest;
  readonly cluster?: ClusterRequest;
  /** As JSON text where it is too large to be parsed with the rest. */
  readonly event_i3live_json?: Readonly<Record<string, unknown>> | string | RawJson;
  readonly i3_event_id?: string;
  readonly predictive_scanning_threshold?: number;
  readonly scanner_server_memory_bytes?: DataSize;
  readonly scanner_server_memory?: DataSize;
  readonly worker_memory_bytes?: DataSize;
  readonly worker_memory?: DataSize;
  readonly worker_disk_bytes?: DataSize;
  readonly worker_disk?: DataSize;
  readonly memory?: string | number | null;
  readonly debug_mode?: string | readonly string[];
  readonly classifiers?: Readonly<Record<string, Scalar>>;
  readonly priority?: number;
  readonly scanner_server_env_from_user?: Readonly<Record<string, Scalar>>;
  readonly scanner_server_env?: Readonly<Record<string, Scalar>>;
  /** Our addition: the execution block that the scan belongs to; empty for none. */
  readonly eb_id?: string;
  readonly manifest_projection?: string | readonly string[];
}

const nonBlank = {type: 'string', minLength: 1, pattern: '\\S'} as const;
export const dataSizeSchema = {
  anyOf: [
    {type: 'string', minLength: 1, pattern: '\\S'},
    {type: 'integer', minimum: 0},
  ],
} as const;
const workers = {type: 'integer', minimum: 1} as const;
export const requestClustersSchema = {
  anyOf: [
    {type: 'object', minProperties: 1, propertyNames: {pattern: '\\S'}, additionalProperties: workers},
    {type: 'array', minItems: 1, items: {type: 'array', minItems: 2, maxItems: 2, items: [nonBlank, workers]}},
  ],
} as const;

function scalars(maxNameLength: number, maxLength: number) {
  return {
    type: 'object',
    additionalProperties: {anyOf: [{type: 'string', maxLength}, {type: 'boolean'}, {type: 'number'}, {type: 'null'}]},
    maxProperties: 25,
    propertyNames: {maxLength: maxNameLength},
  } as const;
}

const clientLogs = {type: 'string', enum: ['client-logs']} as const;
export const environmentSchema = scalars(128, 4096);

export const realOrSimulatedSchema = {type: 'string', enum: ['real', 'real_event', 'sim', 'simulated', 'simulated_event']} as const;

export const checkCreateScan = bodyCheck<CreateScanBody>({
  type: 'object',
  additionalProperties: false,
  required: ['docker_tag', 'reco_algo', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time'],
  properties: {
    docker_tag: nonBlank,
    scanner_server_memory_bytes: dataSizeSchema,
    scanner_server_memory: dataSizeSchema,
    worker_memory_bytes: dataSizeSchema,
    worker_memory: dataSizeSchema,
    memory: {type: ['string', 'integer', 'null']},
    worker_disk_bytes: dataSizeSchema,
    worker_disk: dataSizeSchema,
    request_clusters: requestClustersSchema,
    cluster: requestClustersSchema,
    reco_algo: nonBlank,
    event_i3live_json: {anyOf: [{type: 'string', pattern: '^\\s*\\{[\\s\\S]*\\}\\s*$'}, freeFormObject]},
    i3_event_id: {type: 'string'},
    nsides: freeFormObject,
    real_or_simulated_event: realOrSimulatedSchema,
    predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1},
    max_pixel_reco_time: {type: 'integer', minimum: 1},
    debug_mode: {anyOf: [clientLogs, {type: 'array', items: clientLogs}]},
    classifiers: scalars(25, 25),
    priority: {type: 'integer'},
    scanner_server_env_from_user: environmentSchema,
    scanner_server_env: environmentSchema,
    manifest_projection: projectionSchema,
    eb_id: {type: 'string', maxLength: 64},
  },
});

/** Body of DELETE /scan/ID. */
export interface DeleteScanBody {
  readonly delete_completed_scan?: boolean;
  readonly manifest_projection?: string | readonly string[];
}

export const checkDeleteScan = bodyCheck<DeleteScanBody>({
  type: 'object',
  additionalProperties: false,
  properties: {delete_completed_scan: {type: 'boolean'}, manifest_projection: projectionSchema, no_redirect: {type: 'boolean'}},
});

/** Body of POST /scan/ID/actions/rescan; it may be missing. */
export interface RescanBody {
  readonly abort_first?: boolean;
  readonly replace_scan?: boolean;
  readonly manifest_projection?: string | readonly string[];
}

export const checkRescan = bodyCheck<RescanBody>({
  type: 'object',
  additionalProperties: false,
  properties: {
    abort_first: {type: 'boolean'},
    replace_scan: {type: 'boolean'},
    manifest_projection: projectionSchema,
    no_redirect: {type: 'boolean'},
  },
});

/** Body of POST /scan/ID/actions/add-workers. */
export interface AddWorkersBody {
  readonly n_workers: number;
  readonly cluster_location: string;
}

export const checkAddWorkers = bodyCheck<AddWorkersBody>({
  type: 'object',
  additionalProperties: false,
  required: ['n_workers', 'cluster_location'],
  properties: {n_workers: workers, cluster_location: nonBlank, no_redirect: {type: 'boolean'}},
});

/** Body of POST /scans/find. */
export interface FindScansBody {
  readonly filter: Readonly<Record<string, unknown>>;
  readonly include_deleted?: boolean;
  readonly manifest_projection?: string | readonly string[];
  /** Our addition: at most so many manifests in the answer; a large one is taken for the most that there may be. */
  readonly limit?: number;
  /** Our addition: only scans with a later id than this. */
  readonly after?: string;
}

export const checkFindScans = bodyCheck<FindScansBody>({
  type: 'object',
  additionalProperties: false,
  required: ['filter'],
  properties: {
    filter: freeFormObject,
    include_deleted: {type: 'boolean'},
    manifest_projection: projectionSchema,
    limit: {type: 'integer', minimum: 1},
    after: {type: 'string', maxLength: 128},
  },
});

/** @see SkyDriver 2.x ManifestAndResultResponse */
export const manifestAndResultAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['manifest', 'result'],
  properties: {manifest: manifestSchema, result: resultAnswer},
} as const;

export const deletedScanAnswer = {
  ...manifestAndResultAnswer,
  properties: {manifest: projectedManifestSchema, result: resultAnswer},
} as const;

export const foundScansAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['manifests'],
  properties: {manifests: {type: 'array', items: projectedManifestSchema}},
} as const;

export const addedWorkersAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['taskforce_uuid', 'n_workers'],
  properties: {taskforce_uuid: {type: 'string'}, n_workers: workers},
} as const;

/** A scan that waits. @see SkyDriver 2.x ScanBacklogEntry */
export const backlogEntrySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['scan_id', 'timestamp', 'priority', 'pending_timestamp', 'next_attempt'],
  properties: {
    scan_id: {type: 'string'},
    timestamp: {type: 'number', description: 'Since when it waits, in seconds since 1970.'},
    priority: {type: 'integer'},
    pending_timestamp: {type: 'number', description: 'When it was tried last, in seconds since 1970; 0: never.'},
    next_attempt: {type: 'integer', minimum: 0},
    pickled_k8s_job: {type: 'null', description: 'Never sent.'},
  },
} as const;

export const backlogAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['entries'],
  properties: {entries: {type: 'array', items: backlogEntrySchema}},
} as const;

const bytes = {type: 'integer', minimum: 0} as const;

const scanRequestFields = {
  scan_id: {type: 'string'},
  rescan_ids: {type: 'array', items: {type: 'string'}, description: 'Oldest first.'},
  docker_tag: nonBlank,
  scanner_server_memory_bytes: bytes,
  reco_algo: nonBlank,
  nsides: freeFormObject,
  real_or_simulated_event: realOrSimulatedSchema,
  predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1},
  classifiers: {type: 'object', additionalProperties: {type: ['string', 'number', 'boolean', 'null']}},
  request_clusters: requestClustersSchema,
  worker_memory_bytes: bytes,
  worker_disk_bytes: bytes,
  max_pixel_reco_time: workers,
  priority: {type: 'integer'},
  debug_mode: {type: 'array', items: {type: 'string'}},
  i3_event_id: {type: 'string'},
  scanner_server_env_from_user: environmentSchema,
} as const;

/** What a scan and all its rescans were asked with. Without `scan_id` and `rescan_ids` it can be sent again. @see SkyDriver 2.x ScanRequestObj */
export const scanRequestSchema = {
  type: 'object',
  additionalProperties: false,
  required: Object.keys(scanRequestFields),
  properties: {...scanRequestFields, eb_id: {type: 'string', description: 'The execution block that it belongs to, where there is one. Ours.'}},
} as const;
