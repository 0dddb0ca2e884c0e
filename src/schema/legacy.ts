import {parserFor} from './validate.ts';

/** Workers that a starter of version 1 reports. `statuses` counts them by HTCondor status and pilot status. @see SkyDriver 1.x Cluster */
export interface ReportedCluster {
  readonly orchestrator: 'condor' | 'k8s';
  readonly location: {readonly collector: string; readonly schedd: string} | {readonly host: string; readonly namespace: string};
  readonly n_workers: number;
  readonly uuid: string;
  readonly cluster_id: string;
  readonly starter_info: Readonly<Record<string, unknown>>;
  readonly statuses: Readonly<Record<string, Readonly<Record<string, number>>>>;
  readonly top_task_errors: Readonly<Record<string, number>>;
}

/** Workers that a starter of version 0 reports. @see SkyDriver 0.0.x CondorCluster */
export interface ReportedCondorCluster {
  readonly collector: string;
  readonly schedd: string;
  readonly cluster_id: number;
  readonly jobs: number;
}

/**
 * `/scan/[id]/legacy`: what only clients of versions 1 and 0 report. An absent key means {@link NO_LEGACY}.
 *
 * `deleted_result` is the digest of the result that a client of version 0 has deleted: a later result is not deleted. `updated_at` is seconds since 1970.
 */
export interface Legacy {
  readonly clusters: readonly ReportedCluster[];
  readonly condor_clusters: readonly ReportedCondorCluster[];
  readonly deleted_result?: string;
  readonly updated_at?: number;
}

export const NO_LEGACY: Legacy = {clusters: [], condor_clusters: []};

const text = {type: 'string'} as const;
const counts = {type: 'object', additionalProperties: {type: 'integer'}} as const;

/** @see SkyDriver 1.x, argument `cluster` of PATCH /scan/ID/manifest */
export const reportedClusterSchema = {
  type: 'object',
  required: ['orchestrator', 'location', 'n_workers'],
  properties: {
    orchestrator: {enum: ['condor', 'k8s']},
    location: {
      type: 'object',
      anyOf: [{required: ['collector', 'schedd']}, {required: ['host', 'namespace']}],
      properties: {collector: text, schedd: text, host: text, namespace: text},
    },
    n_workers: {type: 'integer'},
    uuid: text,
    cluster_id: {type: 'string', default: ''},
    starter_info: {type: 'object', default: {}},
    statuses: {type: 'object', additionalProperties: counts, default: {}},
    top_task_errors: {...counts, default: {}},
  },
} as const;

/** @see SkyDriver 0.0.x, argument `condor_cluster` of PATCH /scan/manifest/ID */
export const reportedCondorClusterSchema = {
  type: 'object',
  required: ['collector', 'schedd', 'cluster_id', 'jobs'],
  properties: {collector: text, schedd: text, cluster_id: {type: 'integer'}, jobs: {type: 'integer'}},
} as const;

export const legacySchema = {
  type: 'object',
  properties: {
    clusters: {type: 'array', items: {...reportedClusterSchema, required: ['uuid', 'n_workers']}, default: []},
    condor_clusters: {type: 'array', items: reportedCondorClusterSchema, default: []},
    deleted_result: text,
    updated_at: {type: 'number'},
  },
} as const;

export const parseLegacy = parserFor<Legacy>('legacy', legacySchema);
