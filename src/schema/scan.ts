import {parserFor} from './validate.ts';

/** `[name, value]` pairs: used where order matters, since JSON objects reorder keys that look like integers. */
export type Pairs<T> = readonly (readonly [string, T])[];
export type Scalar = string | number | boolean | null;

/** What only versions 1 and 0 of the API ask for: kept as it was asked, shown by them, handed to what is launched. Times are seconds. */
export interface OlderArguments {
  readonly max_worker_runtime?: number;
  readonly skyscan_mq_client_timeout_wait_for_first_message?: number;
  /** A size such as `8GB`; the workers' memory is it, in bytes. */
  readonly memory?: string;
  readonly max_reco_time?: number;
  readonly condor_clusters?: readonly {readonly collector: string; readonly schedd: string; readonly njobs: number}[];
}

/** The normalised request of a sky scan. Sizes are bytes, times seconds. @see SkyDriver 2.x ScanRequestObj */
export interface SkymapRequest {
  readonly docker_tag: string;
  readonly reco_algo: string;
  /** `[nside, extension]` in the order asked, for example `[["8", 0], ["64", 12]]`. */
  readonly nsides: Pairs<unknown>;
  readonly real_or_simulated_event: string;
  readonly max_pixel_reco_time: number;
  /** `[cluster, workers]`; a cluster may stand more than once. */
  readonly request_clusters: Pairs<number>;
  readonly i3_event_id: string;
  readonly predictive_scanning_threshold: number;
  readonly scanner_server_memory_bytes: number;
  readonly worker_memory_bytes: number;
  readonly worker_disk_bytes: number;
  readonly debug_mode: readonly string[];
  readonly classifiers: Readonly<Record<string, Scalar>>;
  readonly scanner_server_env_from_user: Pairs<Scalar>;
  readonly priority: number;
  /** The execution block that it belongs to. */
  readonly eb_id?: string;
  readonly older?: OlderArguments;
}

/** Where a rescan comes from. */
export interface Lineage {
  /** The scan that it was asked for, which may itself be a rescan. */
  readonly origin_scan_id: string;
  /** The scan whose request all of them share. */
  readonly root_scan_id: string;
}

/** Versions of the API that a scan can have been asked through; absent: the newest. */
export const OLDER_GENERATIONS = ['v1', 'v0'] as const;
export type OlderGeneration = (typeof OLDER_GENERATIONS)[number];

/** `/scan/[id]` of a sky scan: what was asked. Immutable. `created_at` is seconds since 1970 (with a fraction); absent in one put by hand. */
export interface SkymapSpec {
  readonly type: 'skymap-scan';
  readonly request: SkymapRequest;
  readonly created_at?: number;
  readonly generation?: OlderGeneration;
  readonly user?: string;
  readonly lineage?: Lineage;
  readonly priority?: undefined;
}

/** `/scan/[id]` of any other request: its type and the arguments as the caller gave them. Immutable. Whoever makes it writes its chain beforehand. */
export interface RequestSpec {
  readonly type: string;
  readonly request?: undefined;
  readonly args: Readonly<Record<string, unknown>>;
  readonly created_at?: number;
  readonly priority?: number;
  readonly user?: string;
  /** SHA-256 in hex of what it was handed over with, where its chain came from outside: so that the same is known when it comes again. */
  readonly handed_over?: string;
  readonly generation?: undefined;
  readonly lineage?: undefined;
}

/** `/scan/[id]`: what was asked. Only a sky scan has a `request`. */
export type ScanSpec = SkymapSpec | RequestSpec;

/** The type of a request whose chain came from outside: there is no spec of it. */
export const JOB_CHAIN = 'job-chain';

/** The type of request that SkyDriver's routes know. */
export const SKYMAP_SCAN = 'skymap-scan';

const scalar = {type: ['string', 'number', 'boolean', 'null']} as const;

const olderSchema = {
  type: 'object',
  properties: {
    max_worker_runtime: {type: 'integer'},
    skyscan_mq_client_timeout_wait_for_first_message: {type: 'integer'},
    memory: {type: 'string'},
    max_reco_time: {type: 'integer'},
    condor_clusters: {
      type: 'array',
      items: {
        type: 'object',
        required: ['collector', 'schedd', 'njobs'],
        properties: {collector: {type: 'string'}, schedd: {type: 'string'}, njobs: {type: 'integer'}},
      },
    },
  },
} as const;

export const skymapRequestSchema = {
  type: 'object',
  required: ['reco_algo', 'nsides', 'request_clusters', 'i3_event_id'],
  properties: {
    docker_tag: {type: 'string', minLength: 1, default: 'latest'},
    reco_algo: {type: 'string', minLength: 1},
    nsides: {type: 'array', items: {type: 'array', minItems: 2, maxItems: 2}},
    real_or_simulated_event: {enum: ['real', 'real_event', 'sim', 'simulated', 'simulated_event'], default: 'real'},
    max_pixel_reco_time: {type: 'integer', minimum: 1, default: 3600},
    request_clusters: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'array',
        minItems: 2,
        maxItems: 2,
        items: [
          {type: 'string', minLength: 1},
          {type: 'integer', minimum: 1},
        ],
      },
    },
    i3_event_id: {type: 'string', minLength: 1},
    predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1, default: 1},
    scanner_server_memory_bytes: {type: 'integer', minimum: 0, default: 1_024_000_000},
    worker_memory_bytes: {type: 'integer', minimum: 0, default: 8_000_000_000},
    worker_disk_bytes: {type: 'integer', minimum: 0, default: 1_000_000_000},
    debug_mode: {type: 'array', items: {type: 'string'}, default: []},
    classifiers: {type: 'object', additionalProperties: scalar, default: {}},
    scanner_server_env_from_user: {
      type: 'array',
      items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string'}, scalar]},
      default: [],
    },
    priority: {type: 'integer', default: 0},
    eb_id: {type: 'string', minLength: 1},
    older: olderSchema,
  },
} as const;

const skymapSpecSchema = {
  type: 'object',
  required: ['request'],
  properties: {
    type: {const: SKYMAP_SCAN, default: SKYMAP_SCAN},
    request: skymapRequestSchema,
    created_at: {type: 'number', exclusiveMinimum: 0},
    generation: {enum: OLDER_GENERATIONS},
    user: {type: 'string'},
    lineage: {
      type: 'object',
      required: ['origin_scan_id', 'root_scan_id'],
      properties: {origin_scan_id: {type: 'string'}, root_scan_id: {type: 'string'}},
    },
  },
} as const;

/** A `request` is a sky scan's alone: under another type it would be overlooked. */
const requestSpecSchema = {
  type: 'object',
  required: ['type'],
  properties: {
    type: {type: 'string', minLength: 1, maxLength: 256},
    request: false,
    args: {type: 'object', default: {}},
    created_at: {type: 'number', exclusiveMinimum: 0},
    priority: {type: 'integer'},
    user: {type: 'string'},
    handed_over: {type: 'string'},
  },
} as const;

/** A value without a type is a sky scan's. */
export const parseScanSpec = parserFor<ScanSpec>('scan', (value) =>
  ((value as {readonly type?: unknown} | null)?.type ?? SKYMAP_SCAN) === SKYMAP_SCAN ? skymapSpecSchema : requestSpecSchema,
);
