import {ControlPlaneError} from '../lib/errors.ts';
import {blockTime} from '../schema/block-ids.ts';

/** Who makes blocks: the second part of their ids, which have 64 characters at most. */
export const GENERATOR = /^[A-Za-z0-9-]{1,46}$/;

/** Numbers of one generator's blocks on one day. */
const NUMBERS = 100_000;
const DIGITS = 5;

/**
 * What the ids of one generator's blocks begin with on one day, in UTC: `pb-[generator]-[YYYYMMDD]-`; then come five digits.
 *
 * @throws ControlPlaneError `invalid`: a generator that no id can have
 */
export function blockIdPrefix(kind: 'pb' | 'eb', generator: string, nowMs: number): string {
  if (typeof generator !== 'string' || !GENERATOR.test(generator)) {
    throw new ControlPlaneError('invalid', 'generator: it is 1 to 46 letters, digits and "-"');
  }
  return `${kind}-${generator}-${blockTime(nowMs).slice(0, 10).replaceAll('-', '')}-`;
}

/**
 * The first id of a prefix that is not taken; what has become free is used again. Whoever creates it must compare that it is absent still: two who ask at
 * once are told the same.
 *
 * @throws ControlPlaneError `already_exists`: all are taken
 */
export function firstFreeId(prefix: string, isTaken: (id: string) => boolean): string {
  for (let n = 0; n < NUMBERS; n++) {
    const id = `${prefix}${String(n).padStart(DIGITS, '0')}`;
    if (!isTaken(id)) return id;
  }
  throw new ControlPlaneError('already_exists', `all ${NUMBERS} ids that begin with ${prefix} are taken`);
}
