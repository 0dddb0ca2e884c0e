import type {Scalar} from '../../schema/scan.ts';
import {projectionSchema} from '../projection.ts';
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
  readonly event_i3live_json?: Readonly<Record<string, unknown>> | string;
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
  readonly manifest_projection?: string | readonly string[];
}

const nonBlank = {type: 'string', minLength: 1, pattern: '\\S'} as const;
const dataSize = {
  anyOf: [
    {type: 'string', minLength: 1, pattern: '\\S'},
    {type: 'integer', minimum: 0},
  ],
} as const;
const workers = {type: 'integer', minimum: 1} as const;
const clusters = {
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
const environment = scalars(128, 4096);

export const checkCreateScan = bodyCheck<CreateScanBody>({
  type: 'object',
  additionalProperties: false,
  required: ['docker_tag', 'reco_algo', 'nsides', 'real_or_simulated_event', 'max_pixel_reco_time'],
  properties: {
    docker_tag: nonBlank,
    scanner_server_memory_bytes: dataSize,
    scanner_server_memory: dataSize,
    worker_memory_bytes: dataSize,
    worker_memory: dataSize,
    memory: {type: ['string', 'integer', 'null']},
    worker_disk_bytes: dataSize,
    worker_disk: dataSize,
    request_clusters: clusters,
    cluster: clusters,
    reco_algo: nonBlank,
    event_i3live_json: {anyOf: [{type: 'string', pattern: '^\\s*\\{[\\s\\S]*\\}\\s*$'}, {type: 'object'}]},
    i3_event_id: {type: 'string'},
    nsides: {type: 'object'},
    real_or_simulated_event: {type: 'string', enum: ['real', 'real_event', 'sim', 'simulated', 'simulated_event']},
    predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1},
    max_pixel_reco_time: {type: 'integer', minimum: 1},
    debug_mode: {anyOf: [clientLogs, {type: 'array', items: clientLogs}]},
    classifiers: scalars(25, 25),
    priority: {type: 'integer'},
    scanner_server_env_from_user: environment,
    scanner_server_env: environment,
    manifest_projection: projectionSchema,
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
    filter: {type: 'object'},
    include_deleted: {type: 'boolean'},
    manifest_projection: projectionSchema,
    limit: {type: 'integer', minimum: 1},
    after: {type: 'string', maxLength: 128},
  },
});
