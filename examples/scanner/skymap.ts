import {directionOf, parentOf, pixelCentre} from './geometry.ts';

/**
 * What can be read off a result in SkyScanResult's layout, of any scanner and with any columns beyond `index` and `llh`, partial ones included.
 * Pixels are HEALPix RING in equatorial coordinates; `llh` is a negative log-likelihood, lower is better; angles here are degrees.
 */
export type Skymap = Readonly<Record<string, SkymapLevel>>;

export interface SkymapLevel {
  readonly columns: readonly string[];
  readonly data: readonly (readonly unknown[])[];
}

/** The pixel with the lowest llh on the finest resolution. */
export interface BestFit {
  readonly nside: number;
  readonly index: number;
  readonly llh: number;
  /** Degrees, right ascension in [0, 360). */
  readonly ra: number;
  readonly dec: number;
  /** GeV, if the result has it. */
  readonly energy?: number;
}

export interface LevelPixels {
  readonly nside: number;
  readonly llhs: ReadonlyMap<number, number>;
}

const DEGREES = 180 / Math.PI;
/** Square degrees. */
export const FULL_SKY = 4 * Math.PI * DEGREES ** 2;

/** `undefined` for a result without a single usable pixel. */
export function bestFit(result: Skymap): BestFit | undefined {
  const finest = levelsOf(result)[0];
  if (finest === undefined) return undefined;
  const [index, llh] = [...finest.llhs].reduce((best, pixel) => (pixel[1] < best[1] ? pixel : best));
  const {ra, dec} = directionOf(pixelCentre(finest.nside, index));
  const energy = cellOf(result[`nside-${finest.nside}`], index, 'E_in');
  return {nside: finest.nside, index, llh, ra: ra * DEGREES, dec: dec * DEGREES, ...(energy === undefined ? {} : {energy})};
}

/**
 * Square degrees of the smallest region that holds at least `content` (0 to 1) of the probability, in whole pixels.
 *
 * Every point of the sky takes the finest pixel that covers it; a pixel's probability goes with exp(-llh) and the area that is left to it. That is the
 * posterior for a flat prior over the sky; the contours that IceCube publishes are calibrated on simulation and are wider.
 *
 * @returns 0 for a result without a usable pixel.
 */
export function containmentArea(result: Skymap, content: number): number {
  const patches = visiblePatches(levelsOf(result)).sort((a, b) => a.llh - b.llh);
  const lowest = patches[0]?.llh ?? 0;
  const weights = patches.map(({llh, area}) => area * Math.exp(lowest - llh));
  const enough = content * weights.reduce((sum, weight) => sum + weight, 0);
  let [area, sum] = [0, 0];
  for (const [i, patch] of patches.entries()) {
    if (sum >= enough) break;
    sum += weights[i] as number;
    area += patch.area;
  }
  return area;
}

/** What is to be seen of each pixel, in square degrees: the part of it that no finer pixel covers. */
function visiblePatches(levels: readonly LevelPixels[]): {readonly llh: number; readonly area: number}[] {
  const patches: {readonly llh: number; readonly area: number}[] = [];
  let covered = new Map<number, number>(); // Pixel of this level → how much of it finer pixels cover.
  for (const [i, {nside, llhs}] of levels.entries()) {
    const full = FULL_SKY / (12 * nside * nside);
    for (const [index, llh] of llhs) {
      const area = full - (covered.get(index) ?? 0);
      if (area > 1e-9 * full) patches.push({llh, area});
      covered.set(index, full);
    }
    const coarser = levels[i + 1];
    if (coarser === undefined) break;
    const next = new Map<number, number>();
    for (const [index, area] of covered) {
      const parent = parentOf(nside, index, coarser.nside);
      next.set(parent, (next.get(parent) ?? 0) + area);
    }
    covered = next;
  }
  return patches;
}

/** Finest first, only pixels with a finite llh, only levels that have any. */
export function levelsOf(result: Skymap): LevelPixels[] {
  const levels: LevelPixels[] = [];
  for (const [name, level] of Object.entries(result)) {
    const nside = Number(/^nside-(\d+)$/.exec(name)?.[1]);
    const [indexColumn, llhColumn] = [level.columns.indexOf('index'), level.columns.indexOf('llh')];
    if (!Number.isInteger(Math.log2(nside)) || indexColumn < 0 || llhColumn < 0) continue;
    const llhs = new Map<number, number>();
    for (const row of level.data) {
      const [index, llh] = [row[indexColumn], row[llhColumn]];
      if (typeof index === 'number' && typeof llh === 'number' && Number.isFinite(llh)) llhs.set(index, llh);
    }
    if (llhs.size > 0) levels.push({nside, llhs});
  }
  return levels.sort((a, b) => b.nside - a.nside);
}

function cellOf(level: SkymapLevel | undefined, index: number, column: string): number | undefined {
  const [indexColumn, at] = [level?.columns.indexOf('index') ?? -1, level?.columns.indexOf(column) ?? -1];
  const cell = level?.data.find((row) => row[indexColumn] === index)?.[at];
  return typeof cell === 'number' && Number.isFinite(cell) ? cell : undefined;
}
