import {assert, must} from '../../src/lib/assert.ts';

export interface Interval {
  readonly low: number;
  readonly high: number;
}

export function mean(values: readonly number[]): number {
  assert(values.length > 0, 'a mean of nothing');
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The value below which the share `q` of `values` lies (nearest rank). */
export function quantile(values: ArrayLike<number>, q: number): number {
  assert(values.length > 0, 'a quantile of nothing');
  const sorted = Float64Array.from(values).sort();
  return must(sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(q * sorted.length) - 1))], 'the rank is within');
}

export function median(values: readonly number[]): number {
  assert(values.length > 0, 'a median of nothing');
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = must(sorted[middle], 'the middle is within');
  return sorted.length % 2 === 1 ? upper : (upper + must(sorted[middle - 1], 'so is the one before')) / 2;
}

/** The interval that holds 90 % of the medians of resamples (bootstrap). The same input gives the same interval. */
export function medianInterval(values: readonly number[], resamples = 4000): Interval {
  const random = generator(0x5ca9);
  const medians = Array.from({length: resamples}, () =>
    median(values.map(() => must(values[Math.floor(random() * values.length)], 'the index is within'))),
  );
  return {low: quantile(medians, 0.05), high: quantile(medians, 0.95)};
}

/** Numbers in [0, 1) from a seed (mulberry32), so that an interval can be computed again. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
