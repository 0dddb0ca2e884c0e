import {MANIFEST_FIELDS} from '../../model/manifest.ts';
import type {ManifestField} from '../../model/manifest.ts';
import type {EventMetadata} from '../../schema/progress.ts';
import {badRequest} from '../api-error.ts';
import type {JsonSchema} from '../../schema/validate.ts';
import {freeFormObject} from '../openapi/common.ts';
import {bodyCheck} from '../validation/body-check.ts';
import type {BodySchema} from '../validation/body-check.ts';
import {keywordText} from '../validation/texts.ts';

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
    tallies: freeFormObject,
    processing_stats: {
      type: 'object',
      required: ['start', 'runtime'],
      properties: {
        start: freeFormObject,
        runtime: freeFormObject,
        rate: freeFormObject,
        end: {type: 'string'},
        finished: {type: 'boolean'},
        predictions: freeFormObject,
      },
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
    scan_metadata: freeFormObject,
  },
};

/**
 * The body of a report.
 *
 * Scanners have no name for some kinds of events and say `event_type: null` then, in every report. SkyDriver refuses that, and with it all progress of
 * the scan. Here only metadata that comes alone is refused for it.
 */
export const checkPatchManifest = bodyCheck<PatchManifestBody>(patchManifestSchema, (body) => {
  if (body.event_metadata?.event_type === null && !body.progress) throw badRequest(`'event_metadata': ${keywordText('anyOf', undefined)}`);
});

const text = {type: 'string'} as const;
const textOrNull = {type: ['string', 'null']} as const;
const orNull = <T extends JsonSchema>(schema: T) => ({anyOf: [schema, {type: 'null'}]}) as const;
const placeholderOrObject = {
  anyOf: [text, freeFormObject],
  description: 'A text that says where to look; an object in what older versions stored.',
} as const;
const scalar = {type: ['string', 'number', 'boolean', 'null']} as const;
const seconds = {type: 'number', description: 'Seconds since 1970.'} as const;

const manifestFields = {
  scan_id: text,
  timestamp: seconds,
  is_deleted: {type: 'boolean'},
  scanner_server_args: {type: 'string', description: 'The command line of the scanner’s server; the values of secret options are hidden.'},
  ewms_workflow_id: textOrNull,
  ewms_address: textOrNull,
  ewms_task: placeholderOrObject,
  priority: {type: 'integer'},
  classifiers: {type: 'object', additionalProperties: {anyOf: [scalar, {type: 'array', items: scalar}]}},
  i3_event_id: text,
  event_i3live_json_dict: {anyOf: [text, freeFormObject], description: 'A text that says where to look; for a scanner the event itself.'},
  event_i3live_json_dict__hash: textOrNull,
  event_metadata: orNull(eventMetadataSchema),
  scan_metadata: orNull(freeFormObject),
  progress: orNull(progressSchema),
  replaced_by_scan_id: textOrNull,
  last_updated: seconds,
} as const satisfies Record<ManifestField, JsonSchema>;

/** @see SkyDriver 2.x Manifest */
export const manifestSchema = {type: 'object', additionalProperties: false, required: MANIFEST_FIELDS, properties: manifestFields} as const;

/** A manifest of which only some fields were asked for. */
export const projectedManifestSchema = {
  type: 'object',
  description: 'A manifest, or those fields of it that were asked for.',
  additionalProperties: false,
  properties: manifestFields,
} as const;

export const i3EventSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['i3_event_id', 'json_dict'],
  properties: {i3_event_id: text, json_dict: freeFormObject},
} as const;

export const i3EventAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['i3_event'],
  properties: {i3_event: freeFormObject},
} as const;
