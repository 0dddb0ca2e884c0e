import {seededRandom} from './seeded-random.ts';

const COLUMNS = '["index", "llh", "E_in", "E_tot", "X", "Y", "Z", "T"]';

/** How a scanner writes a value that could not be computed: as a string since version 4, before as Python's bare word. */
export type NanStyle = '"<skyreader.nan>"' | 'NaN';

/** Rows of a progression, such as `[[8, 768], [64, 768]]`: `[nside, rows]`. */
export type Rows = readonly (readonly [nside: number, rows: number])[];

/** All pixels of the sky. */
export const fullSky = (nside: number): number => 12 * nside * nside;

/**
 * A result as Python's json module writes it: eight columns with all digits, blanks after commas and colons, about 147 bytes per row.
 * Equal arguments give equal text.
 */
export function skyscanResult(progression: Rows, nan: NanStyle = '"<skyreader.nan>"'): string {
  const random = seededRandom(7);
  const digits = (scale: number): string => String(scale * (0.5 + random()));
  const levels = progression.map(([nside, rows]) => {
    const data = Array.from({length: rows}, (_, i) => {
      const energies = random() < 0.01 ? [nan, nan] : [digits(150_000), digits(250_000)];
      return `[${[i, digits(6000), ...energies, `-${digits(200)}`, digits(200), `-${digits(300)}`, digits(9900)].join(', ')}]`;
    });
    const metadata = `{"nside": ${nside}, "complete": true, "run_id": 136662, "event_id": 23, "event_type": "gfu-gold", "mjd": 59287.5, "is_real_event": true, "version": 1}`;
    return `"nside-${nside}": {"columns": ${COLUMNS}, "data": [${data.join(', ')}], "metadata": ${metadata}}`;
  });
  return `{${levels.join(', ')}}`;
}
