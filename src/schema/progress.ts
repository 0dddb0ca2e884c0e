import {parserFor} from './validate.ts';

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
  readonly event_type: string;
  readonly mjd: number;
  readonly is_real_event: boolean;
}

/** `/scan/[id]/progress`: what the scanner reported. The two kinds of metadata are written once. `updated_at` is seconds since 1970. */
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
        event_type: {type: 'string'},
        mjd: {type: 'number'},
        is_real_event: {type: 'boolean'},
      },
    },
    scan_metadata: {type: ['object', 'null'], default: null},
    updated_at: {type: 'number'},
  },
} as const;

export const parseProgress = parserFor<Progress>('progress', progressSchema);
