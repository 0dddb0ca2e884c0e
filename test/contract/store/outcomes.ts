import {expect} from 'vitest';
import {hasCode} from '../../../src/lib/errors.ts';

/** The code with which `promise` rejects. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown = await promise.then(
    () => undefined,
    (err: unknown) => err,
  );
  return hasCode(
    thrown,
    'invalid',
    'forbidden',
    'not_found',
    'too_large',
    'revision_conflict',
    'too_many_operations',
    'unknown_outcome',
    'unavailable',
  )
    ? thrown.code
    : `not ours: ${String(thrown)}`;
}

/** The revision of a transaction that went through. */
export function written(result: {readonly ok: boolean; readonly revision: number}): number {
  expect(result.ok).toBe(true);
  return result.revision;
}
