import {canonicalJson} from '../lib/canonical-json.ts';

/** The write of a value as it is kept: readable JSON, the same bytes for the same value. */
export function putJson(key: string, value: unknown): {readonly put: string; readonly value: string} {
  return {put: key, value: canonicalJson(value)};
}
