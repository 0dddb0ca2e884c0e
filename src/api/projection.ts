import {presentFields, presentManifest} from '../model/manifest.ts';
import type {Manifest, Scan} from '../model/manifest.ts';
import {badRequest} from './api-error.ts';

/** Which fields of a manifest are wanted; `undefined` for all. */
export type Projection = ReadonlySet<string> | undefined;

/** Schema of `manifest_projection` in a body. */
export const projectionSchema = {
  anyOf: [
    {type: 'string', enum: ['*']},
    {type: 'array', items: {type: 'string'}, uniqueItems: true},
  ],
} as const;

/** The projection of a body: an empty list and one that contains `*` mean all. Names that no manifest has select nothing. */
export function projectionOf(value: string | readonly string[] | undefined): Projection {
  if (value === undefined || typeof value === 'string' || value.length === 0 || value.includes('*')) return undefined;
  return new Set(value);
}

/** The projection of a query: names with `|` between them; `*` among them means all. @throws ApiError `invalid`: blanks only */
export function queryProjection(text: string | undefined): Projection {
  if (text === undefined || text === '') return undefined;
  if (!/\S/.test(text)) throw badRequest("must match the pattern '\\\\S'");
  return projectionOf(
    text
      .split('|')
      .map((name) => name.trim())
      .filter((name) => name !== ''),
  );
}

/** A scan's manifest with the wanted fields. */
export function projectManifest(scan: Scan, projection: Projection): Partial<Manifest> {
  return projection === undefined ? presentManifest(scan) : presentFields(scan, projection);
}
