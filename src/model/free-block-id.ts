/** Who makes blocks: the second part of an id that is generated. */
export const GENERATOR = /^[A-Za-z0-9]{1,32}$/;

/** Numbers of one generator on one day. */
const NUMBERS = 100_000;

/**
 * The first id `[kind]-[generator]-[YYYYMMDD]-[nnnnn]` that is not taken, by the date in UTC; `undefined` when all numbers of that day are.
 *
 * Whoever creates it must compare that it is absent still: two who ask at once are told the same.
 */
export function freeBlockId(kind: 'eb' | 'pb', generator: string, nowMs: number, isTaken: (id: string) => boolean): string | undefined {
  const date = new Date(nowMs).toISOString().slice(0, 10).replaceAll('-', '');
  for (let n = 0; n < NUMBERS; n++) {
    const id = `${kind}-${generator}-${date}-${String(n).padStart(5, '0')}`;
    if (!isTaken(id)) return id;
  }
  return undefined;
}
