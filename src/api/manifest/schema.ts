import type {EventMetadata} from '../../schema/progress.ts';
import {badRequest} from '../api-error.ts';
import {bodyCheck} from '../validation/body-check.ts';
import type {BodySchema} from '../validation/body-check.ts';
import {keywordText} from '../validation/texts.ts';

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

/** What a Python program reports: where its bare `NaN` may stand. */
export const REPORTED: ReadonlySet<string> = new Set(['progress', 'event_metadata', 'scan_metadata']);

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
    event_type: {type: ['string', 'null']},
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

const check = bodyCheck<PatchManifestBody>(patchManifestSchema);

/**
 * Checks the body of a report.
 *
 * Scanners have no name for some kinds of events and say `event_type: null` then, in every report. SkyDriver refuses that, and with it all progress of
 * the scan. Here only metadata that comes alone is refused for it.
 *
 * @throws ApiError `invalid`
 */
export function checkPatchManifest(value: unknown): PatchManifestBody {
  const body = check(value);
  if (body.event_metadata?.event_type === null && !body.progress) throw badRequest(`'event_metadata': ${keywordText('anyOf', undefined)}`);
  return body;
}
