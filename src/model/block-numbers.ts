import {ControlPlaneError} from '../lib/errors.ts';
import {BLOCK_ID, blockTime} from '../schema/block-ids.ts';

/** Numbers of one generator's blocks on one day. */
const NUMBERS = 100_000;
const DIGITS = 5;

/**
 * What the ids of one generator's blocks begin with on one day, in UTC: `pb-[generator]-[YYYYMMDD]-`; then come five digits.
 *
 * @throws ControlPlaneError `invalid`: a generator that no id can have
 */
export function blockIdPrefix(kind: 'pb' | 'eb', generator: string, nowMs: number): string {
  const prefix = `${kind}-${generator}-${blockTime(nowMs).slice(0, 10).replaceAll('-', '')}-`;
  if (typeof generator !== 'string' || generator === '' || !BLOCK_ID.test(prefix + '0'.repeat(DIGITS))) {
    throw new ControlPlaneError('invalid', `generator: it is letters, digits and "-", few enough for an id of 64 characters`);
  }
  return prefix;
}

/** The first id of a prefix that is not used: what has become free is used again. @throws ControlPlaneError `too_large`: all are used */
export function firstFreeId(prefix: string, used: Iterable<string>): string {
  const numbers = new Set<number>();
  for (const id of used) {
    const digits = id.slice(prefix.length);
    if (id.startsWith(prefix) && /^\d{5}$/.test(digits)) numbers.add(Number(digits));
  }
  for (let n = 0; n < NUMBERS; n++) if (!numbers.has(n)) return `${prefix}${String(n).padStart(DIGITS, '0')}`;
  throw new ControlPlaneError('too_large', `all ${NUMBERS} ids that begin with ${prefix} are used`);
}
