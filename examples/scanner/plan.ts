import {childrenOf, neighboursOf, parentOf} from './geometry.ts';

/** `[nside, index]`, RING order. */
export type Pixel = readonly [nside: number, index: number];

/** One number of a row; what could not be computed travels as a text, since JSON has no NaN. */
export type Cell = number | typeof NAN;
export const NAN = '<skyreader.nan>';

/** A finished pixel, as in a result: index, llh, E_in, E_tot, X, Y, Z, T. */
export type Row = readonly [index: number, ...cells: Cell[]];

/** A resolution of the scan, and how many pixels of the one before it are refined to this one (0: the full sky). */
export interface Level {
  readonly nside: number;
  readonly extension: number;
}

/** A progression that cannot be scanned; the text says why. */
export class ProgressionError extends Error {}

/**
 * Reads `8:0`, `64:12`, ...: powers of two up to 1024, rising. The first is scanned over the full sky, whatever its extension says.
 *
 * @throws ProgressionError
 */
export function parseProgression(texts: readonly string[]): Level[] {
  if (texts.length === 0) throw new ProgressionError('no nside given');
  const levels = texts.map((text, i): Level => {
    const match = /^(\d+):(\d+)$/.exec(text);
    if (match === null) throw new ProgressionError(`'${text}' is not of the form NSIDE:EXTENSION`);
    const nside = Number(match[1]);
    const extension = i === 0 ? 0 : Number(match[2]);
    if (!Number.isInteger(Math.log2(nside)) || nside > 1024) throw new ProgressionError(`nside ${nside} is not a power of two up to 1024`);
    if (i > 0 && extension === 0)
      throw new ProgressionError(`nside ${nside} needs an extension above 0: only the first is scanned over the full sky`);
    return {nside, extension};
  });
  for (const [i, level] of levels.entries()) {
    const previous = levels[i - 1];
    if (previous !== undefined && level.nside <= previous.nside)
      throw new ProgressionError(`nside ${level.nside} does not rise above ${previous.nside}`);
  }
  return levels;
}

interface LevelState extends Level {
  /** Pixels asked for, done or not. */
  readonly wanted: Set<number>;
  readonly rows: Map<number, Row>;
  /** The best pixels so far, best first, as many as the next level refines; one at the finest. */
  readonly best: {readonly index: number; readonly llh: number}[];
  readonly keep: number;
  /** Pixels of the level before that have been refined to this one. */
  readonly refined: Set<number>;
  /** No further pixel will be asked for at this level. */
  isSettled: boolean;
}

/** A landscape without a minimum (nothing but NaN, say) must not make a scan wander over the whole sky. */
function refinedAtMost(extension: number): number {
  return 3 * extension + 24;
}

/** Counts of pixels. `expected` is a lower bound until the scan is done. */
export interface LevelTally {
  readonly nside: number;
  readonly done: number;
  readonly asked: number;
  readonly expected: number;
}

/**
 * Which pixels to scan, from coarse to fine. Purely a state: it is told of finished pixels and answers which further ones are wanted.
 *
 * - The first level is the full sky.
 * - When `threshold` of a level is done, its `extension` best pixels are refined to the next; with a threshold below 1 pixels that become best later
 *   are refined too.
 * - When a level would be complete but the best pixel's neighbours are not all in it, the pixels around are refined as well, until the minimum lies inside
 *   (or it has led that astray that {@link refinedAtMost} is reached).
 */
export class ScanPlan {
  readonly #levels: readonly LevelState[];
  readonly #threshold: number;

  constructor(levels: readonly Level[], threshold: number) {
    this.#threshold = threshold;
    this.#levels = levels.map((level, i) => ({
      ...level,
      wanted: new Set<number>(),
      rows: new Map<number, Row>(),
      best: [],
      keep: levels[i + 1]?.extension ?? 1,
      refined: new Set<number>(),
      isSettled: false,
    }));
  }

  /** The pixels to begin with. */
  start(): Pixel[] {
    const [first] = this.#levels;
    if (first === undefined || first.wanted.size > 0) return [];
    return Array.from({length: 12 * first.nside ** 2}, (_, index) => {
      first.wanted.add(index);
      return [first.nside, index] as const;
    });
  }

  /** Takes a finished pixel; one that was not asked for, or is done already, changes nothing. */
  record(nside: number, row: Row): {readonly isNew: boolean; readonly wanted: readonly Pixel[]} {
    const level = this.#levels.find((l) => l.nside === nside);
    const [index, llh] = row;
    if (level === undefined || !level.wanted.has(index) || level.rows.has(index)) return {isNew: false, wanted: []};
    level.rows.set(index, row);
    rank(level, index, typeof llh === 'number' ? llh : Infinity);
    return {isNew: true, wanted: this.#advance()};
  }

  get isDone(): boolean {
    return this.#levels.every((level) => level.isSettled);
  }

  get levels(): readonly Level[] {
    return this.#levels;
  }

  tallies(): LevelTally[] {
    return this.#levels.map((level, i) => {
      const previous = this.#levels[i - 1];
      const bound = previous === undefined ? 12 * level.nside ** 2 : level.extension * (level.nside / previous.nside) ** 2;
      const asked = level.wanted.size;
      return {nside: level.nside, done: level.rows.size, asked, expected: level.isSettled ? asked : Math.max(asked, bound)};
    });
  }

  /** The finished rows of a level, by index. */
  rows(nside: number): Row[] {
    return [...(this.#levels.find((l) => l.nside === nside)?.rows.values() ?? [])].sort((a, b) => a[0] - b[0]);
  }

  #advance(): Pixel[] {
    const added: Pixel[] = [];
    for (const [i, level] of this.#levels.entries()) {
      const previous = this.#levels[i - 1];
      if (level.isSettled) continue;
      if (previous !== undefined) {
        const isRipe =
          previous.isSettled || (previous.rows.size > 0 && this.#threshold < 1 && previous.rows.size >= this.#threshold * previous.wanted.size);
        if (!isRipe) break; // Nor is anything finer.
        for (const {index} of previous.best) refine(previous.nside, index, level, added);
      }
      if (level.rows.size < level.wanted.size || (previous !== undefined && !previous.isSettled)) continue;
      if (previous !== undefined && level.refined.size < refinedAtMost(level.extension)) {
        const [best] = level.best;
        const around = best === undefined ? [] : neighboursOf(level.nside, best.index).filter((index) => !level.wanted.has(index));
        for (const index of around) refine(previous.nside, parentOf(level.nside, index, previous.nside), level, added);
      }
      level.isSettled = level.rows.size === level.wanted.size;
    }
    return added;
  }
}

function refine(nside: number, index: number, finer: LevelState, added: Pixel[]): void {
  if (finer.refined.has(index)) return;
  finer.refined.add(index);
  for (const child of childrenOf(nside, index, finer.nside)) {
    finer.wanted.add(child);
    added.push([finer.nside, child]);
  }
}

/** Inserts the pixel among the best, in order of llh, then of index, and forgets the one that falls out. */
function rank(level: LevelState, index: number, llh: number): void {
  const at = level.best.findIndex((b) => llh < b.llh || (llh === b.llh && index < b.index));
  level.best.splice(at < 0 ? level.best.length : at, 0, {index, llh});
  if (level.best.length > level.keep) level.best.pop();
}
