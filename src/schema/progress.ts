import {NON_FINITE_WORDS, putBackNonFinite, takeOutNonFinite} from '../lib/non-finite.ts';
import type {NonFinitePlace} from '../lib/non-finite.ts';
import {canonicalJson} from '../lib/canonical-json.ts';
import {parserFor} from './validate.ts';
import type {Parser} from './validate.ts';

/** What the scanner says of how far it is. @see SkyDriver 2.x Progress */
export interface ScannerProgress {
  readonly summary: string;
  readonly epilogue: string;
  readonly tallies: Readonly<Record<string, unknown>>;
  readonly processing_stats: {
    readonly start: Readonly<Record<string, unknown>>;
    readonly runtime: Readonly<Record<string, unknown>>;
    readonly rate: Readonly<Record<string, unknown>>;
    readonly end: string;
    readonly finished: boolean;
    readonly predictions: Readonly<Record<string, unknown>>;
  };
  readonly predictive_scanning_threshold: number;
  readonly last_updated: string;
  /** Seconds since 1970. */
  readonly start: number | null;
  readonly end: number | null;
}

export interface EventMetadata {
  readonly run_id: number;
  readonly event_id: number;
  /** `null` for a kind of event that the scanner has no name for. */
  readonly event_type: string | null;
  readonly mjd: number;
  readonly is_real_event: boolean;
}

/**
 * `/scan/[id]/progress`: what the scanner reported. The two kinds of metadata are written once. `updated_at` is seconds since 1970.
 *
 * Numbers that JSON has no word for (Python scanners send `NaN`) are {@link NonFinite} here; in the key they are `null`, with their places beside.
 */
export interface Progress {
  readonly progress: ScannerProgress | null;
  readonly event_metadata: EventMetadata | null;
  readonly scan_metadata: Readonly<Record<string, unknown>> | null;
  readonly updated_at: number;
}

export const progressSchema = {
  type: 'object',
  required: ['updated_at'],
  properties: {
    progress: {type: ['object', 'null'], default: null},
    event_metadata: {
      type: ['object', 'null'],
      default: null,
      properties: {
        run_id: {type: 'integer'},
        event_id: {type: 'integer'},
        event_type: {type: ['string', 'null']},
        mjd: {type: 'number'},
        is_real_event: {type: 'boolean'},
      },
    },
    scan_metadata: {type: ['object', 'null'], default: null},
    updated_at: {type: 'number'},
    /** JSON pointers into this value. */
    non_finite: {
      type: 'array',
      items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string', pattern: '^/(progress|scan_metadata)/'}, {enum: NON_FINITE_WORDS}]},
    },
  },
} as const;

/** {@link Progress} as it is stored. */
interface StoredProgress extends Progress {
  readonly non_finite?: readonly NonFinitePlace[];
}

const parseStored = parserFor<StoredProgress>('progress', progressSchema);

export const parseProgress: Parser<Progress> = (text, key) => {
  const stored = parseStored(text, key);
  if (stored.non_finite === undefined) return stored;
  const {non_finite, ...progress} = stored;
  putBackNonFinite(progress, non_finite);
  return progress;
};

/** The text of the key. */
export function progressText(progress: Progress): string {
  const {value, places} = takeOutNonFinite(progress);
  return canonicalJson(places.length === 0 ? value : {...value, non_finite: places});
}
