import type {EventMetadata} from '../../schema/progress.ts';
import {bodyCheck} from '../validation/body-check.ts';
import type {BodySchema} from '../validation/body-check.ts';

const object = {type: 'object'} as const;
const integerOrNull = {anyOf: [{type: 'integer'}, {type: 'null'}]} as const;

/** @see SkyDriver 2.x, Progress */
export interface ProgressBody {
  readonly summary: string;
  readonly epilogue: string;
  readonly tallies: Readonly<Record<string, unknown>>;
  readonly processing_stats: {
    readonly start: Readonly<Record<string, unknown>>;
    readonly runtime: Readonly<Record<string, unknown>>;
    readonly rate?: Readonly<Record<string, unknown>>;
    readonly end?: string;
    readonly finished?: boolean;
    readonly predictions?: Readonly<Record<string, unknown>>;
  };
  /** The first scanners leave these two out. */
  readonly predictive_scanning_threshold?: number;
  readonly last_updated?: string;
  readonly start?: number | null;
  readonly end?: number | null;
}

/** Body of PATCH /scan/ID/manifest. */
export interface PatchManifestBody {
  readonly progress?: ProgressBody | null;
  readonly event_metadata?: EventMetadata | null;
  readonly scan_metadata?: Readonly<Record<string, unknown>>;
}

export const progressSchema = {
  type: 'object',
  required: ['summary', 'epilogue', 'tallies', 'processing_stats', 'predictive_scanning_threshold', 'last_updated'],
  properties: {
    summary: {type: 'string'},
    epilogue: {type: 'string'},
    tallies: object,
    processing_stats: {
      type: 'object',
      required: ['start', 'runtime'],
      properties: {start: object, runtime: object, rate: object, end: {type: 'string'}, finished: {type: 'boolean'}, predictions: object},
    },
    predictive_scanning_threshold: {type: 'number', minimum: 0, maximum: 1},
    last_updated: {type: 'string'},
    start: integerOrNull,
    end: integerOrNull,
  },
} as const;

export const eventMetadataSchema = {
  type: 'object',
  required: ['run_id', 'event_id', 'event_type', 'mjd', 'is_real_event'],
  properties: {
    run_id: {type: 'integer'},
    event_id: {type: 'integer'},
    event_type: {type: 'string'},
    mjd: {type: 'number'},
    is_real_event: {type: 'boolean'},
  },
} as const;

const patchManifestSchema: BodySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    progress: {anyOf: [progressSchema, {type: 'null'}]},
    event_metadata: {anyOf: [eventMetadataSchema, {type: 'null'}]},
    scan_metadata: object,
  },
};

export const checkPatchManifest = bodyCheck<PatchManifestBody>(patchManifestSchema);
