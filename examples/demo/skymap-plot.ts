import {ang2pix_ring} from '@hscmap/healpix';
import {levelsOf} from '../scanner/skymap.ts';
import type {LevelPixels, Skymap} from '../scanner/skymap.ts';

/** 90 % of a two-dimensional Gaussian, as a difference of the negative log-likelihood from the best pixel. */
const LIKELY = 2.3;
/** From likely to unlikely, on a logarithmic scale between the best and the worst pixel. */
const SHADES = [
  {upTo: 0.5, mark: '▓'},
  {upTo: 0.75, mark: '▒'},
  {upTo: 0.92, mark: '░'},
] as const;

function shadeOf(difference: number, largest: number): string {
  if (difference <= LIKELY) return '█';
  const part = Math.log(difference) / Math.log(Math.max(largest, Math.E));
  return SHADES.find(({upTo}) => part <= upTo)?.mark ?? '·';
}

/**
 * The sky in `width` columns of text: a Mollweide map in equatorial coordinates, right ascension growing to the left from 0 h at the right edge through 12 h in the middle.
 *
 * Every character shows the finest pixel that covers its centre; `+` is the best fit.
 */
export function drawSkymap(result: Skymap, width: number): string[] {
  const levels = levelsOf(result); // Finest first.
  if (levels.length === 0) return ['(no pixels)'];
  let best = Number.POSITIVE_INFINITY;
  let worst = Number.NEGATIVE_INFINITY;
  for (const {llhs} of levels) {
    for (const value of llhs.values()) {
      best = Math.min(best, value);
      worst = Math.max(worst, value);
    }
  }
  const height = Math.round(width / 4);
  const rows: string[] = [];
  let bestCell: {row: number; column: number; llh: number} | undefined;
  for (let row = 0; row < height; row++) {
    let line = '';
    for (let column = 0; column < width; column++) {
      const direction = unproject((column + 0.5) / width, (row + 0.5) / height);
      if (direction === undefined) {
        line += ' ';
        continue;
      }
      const value = valueAt(levels, direction.theta, direction.phi);
      if (value === undefined) {
        line += ' ';
        continue;
      }
      if (bestCell === undefined || value < bestCell.llh) bestCell = {row, column, llh: value};
      line += shadeOf(value - best, worst - best);
    }
    rows.push(line);
  }
  if (bestCell !== undefined) {
    const {row, column} = bestCell;
    rows[row] = `${rows[row]?.slice(0, column)}+${rows[row]?.slice(column + 1)}`;
  }
  return [...rows, legend()];
}

function legend(): string {
  return '+ best fit   █▓▒░· likely to unlikely   Mollweide, equatorial, RA 24 h … 0 h from left to right';
}

function valueAt(levels: readonly LevelPixels[], theta: number, phi: number): number | undefined {
  for (const {nside, llhs} of levels) {
    const value = llhs.get(ang2pix_ring(nside, theta, phi));
    if (value !== undefined) return value;
  }
  return undefined;
}

/** From the unit square (x to the right, y down) to colatitude and right ascension; `undefined` outside the ellipse. */
function unproject(x: number, y: number): {theta: number; phi: number} | undefined {
  const u = 2 * x - 1;
  const v = 1 - 2 * y;
  if (u * u + v * v >= 1) return undefined;
  const auxiliary = Math.asin(v);
  const latitude = Math.asin(Math.max(-1, Math.min(1, (2 * auxiliary + Math.sin(2 * auxiliary)) / Math.PI)));
  const longitude = (Math.PI * u) / Math.cos(auxiliary);
  if (Math.abs(longitude) > Math.PI) return undefined;
  return {theta: Math.PI / 2 - latitude, phi: Math.PI - longitude};
}
