import {parserFor} from './validate.ts';

/** Where a large value lies: its size in bytes before and after compression, how many chunks, and the SHA-256 (hex) of the plain bytes. */
export interface BlobHeader {
  readonly digest: string;
  readonly size: number;
  readonly stored_size: number;
  readonly chunks: number;
  readonly compression: 'zstd';
}

export const blobHeaderSchema = {
  type: 'object',
  required: ['digest', 'size', 'stored_size', 'chunks', 'compression'],
  properties: {
    digest: {type: 'string', pattern: '^[0-9a-f]{64}$'},
    size: {type: 'integer', minimum: 0},
    stored_size: {type: 'integer', minimum: 0},
    chunks: {type: 'integer', minimum: 1},
    compression: {const: 'zstd'},
  },
} as const;

/** `/scan/[id]/result`: header of the result, whose blob is the JSON text of `skyscan_result`. */
export interface ResultHeader {
  readonly is_final: boolean;
  readonly blob: BlobHeader;
  readonly updated_at: number;
}

export const resultHeaderSchema = {
  type: 'object',
  required: ['is_final', 'blob', 'updated_at'],
  properties: {is_final: {type: 'boolean'}, blob: blobHeaderSchema, updated_at: {type: 'number'}},
} as const;

export const parseResultHeader = parserFor<ResultHeader>('result', resultHeaderSchema);

/** `/event/[id]`: an i3 event. The API stores it as a blob; an operator may put it in place as `json_dict`. */
export interface EventHeader {
  readonly blob?: BlobHeader;
  readonly json_dict?: Readonly<Record<string, unknown>>;
  readonly created_at?: number;
}

export const eventHeaderSchema = {
  type: 'object',
  anyOf: [{required: ['blob']}, {required: ['json_dict']}],
  properties: {blob: blobHeaderSchema, json_dict: {type: 'object'}, created_at: {type: 'number'}},
} as const;

export const parseEventHeader = parserFor<EventHeader>('event', eventHeaderSchema);
