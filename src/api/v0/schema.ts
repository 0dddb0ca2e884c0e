import type {CondorRequest} from '../../model/older-clusters.ts';
import type {ReportedCondorCluster} from '../../schema/legacy.ts';
import {reportedCondorClusterSchema} from '../../schema/legacy.ts';
import {eventMetadataSchema, progressSchema} from '../manifest/schema.ts';
import type {PatchManifestBody} from '../manifest/schema.ts';
import type {BodyCheck} from '../validation/body-check.ts';
import {lenientCheck} from '../validation/lenient.ts';

const nonBlank = {type: 'string', pattern: '\\S'} as const;
const condorRequest = {
  type: 'object',
  required: ['collector', 'schedd', 'njobs'],
  properties: {collector: {type: 'string'}, schedd: {type: 'string'}, njobs: {type: 'integer', minimum: 1}},
} as const;

/** Body of POST /scan in version 0. Members that nobody knows are ignored. */
export interface CreateV0Body {
  readonly docker_tag: string;
  readonly cluster: CondorRequest | readonly CondorRequest[];
  readonly reco_algo: string;
  readonly event_i3live_json: Readonly<Record<string, unknown>> | string;
  readonly nsides: Readonly<Record<string, unknown>>;
  readonly real_or_simulated_event: string;
  readonly memory?: string;
  readonly predictive_scanning_threshold?: number;
  readonly max_reco_time?: number;
  readonly debug_mode?: boolean;
}

/** @see SkyDriver 0.0.73, ScanLauncherHandler.post */
export const checkCreateV0 = lenientCheck<CreateV0Body>({
  type: 'object',
  required: ['docker_tag', 'cluster', 'reco_algo', 'event_i3live_json', 'nsides', 'real_or_simulated_event'],
  properties: {
    docker_tag: nonBlank,
    cluster: {anyOf: [condorRequest, {type: 'array', minItems: 1, items: condorRequest}]},
    reco_algo: nonBlank,
    event_i3live_json: {
      anyOf: [
        {type: 'string', pattern: '^\\s*\\{[\\s\\S]*\\}\\s*$'},
        {type: 'object', minProperties: 1},
      ],
    },
    nsides: {type: 'object', minProperties: 1},
    real_or_simulated_event: {type: 'string', enum: ['real', 'real_event', 'sim', 'simulated', 'simulated_event']},
    memory: nonBlank,
    predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1},
    max_reco_time: {type: 'integer', minimum: 1},
    debug_mode: {type: 'boolean'},
  },
});

/** Body of PATCH /scan/manifest/ID. */
export interface PatchV0Body extends PatchManifestBody {
  readonly condor_cluster?: ReportedCondorCluster;
}

export const checkPatchV0 = lenientCheck<PatchV0Body>({
  type: 'object',
  properties: {
    // The first scanners know neither the threshold nor the time.
    progress: {...progressSchema, required: ['summary', 'epilogue', 'tallies', 'processing_stats']},
    event_metadata: eventMetadataSchema,
    scan_metadata: {type: 'object'},
    condor_cluster: reportedCondorClusterSchema,
  },
});

const checkNamedResult = lenientCheck<{readonly is_final: boolean}>({
  type: 'object',
  required: ['skyscan_result', 'is_final'],
  properties: {skyscan_result: {type: 'object'}, is_final: {type: 'boolean'}},
});

/** The names under which a scanner sends its result: the first scanners called it `json_dict`. */
export const RESULT_NAMES = ['skyscan_result', 'json_dict'];

export const checkPutV0: BodyCheck<{readonly is_final: boolean}> = (body) => {
  if (typeof body !== 'object' || body === null || !('json_dict' in body)) return checkNamedResult(body);
  return checkNamedResult({skyscan_result: body.json_dict, ...body});
};

/** Arguments of GET /scans. */
export interface FindV0Arguments {
  readonly run_id: number;
  readonly event_id: number;
  readonly is_real_event: boolean;
  readonly include_deleted?: boolean;
}

export const checkFindV0 = lenientCheck<FindV0Arguments>({
  type: 'object',
  required: ['run_id', 'event_id', 'is_real_event'],
  properties: {run_id: {type: 'integer'}, event_id: {type: 'integer'}, is_real_event: {type: 'boolean'}, include_deleted: {type: 'boolean'}},
});
