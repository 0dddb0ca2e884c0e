import {existsSync, readFileSync} from 'node:fs';
import {describe, expect, test} from 'vitest';
import {angleBetween, pixelCentre, vectorOf} from '../../examples/scanner/geometry.ts';
import {NAN} from '../../examples/scanner/plan.ts';
import {bestFit, containmentArea, FULL_SKY} from '../../examples/scanner/skymap.ts';
import type {Skymap} from '../../examples/scanner/skymap.ts';

const columns = ['index', 'llh', 'E_in'];
const level = (rows: readonly (readonly unknown[])[]): Skymap[string] => ({columns, data: rows});

/** A full sky at `nside` whose llh is that of a round Gaussian of `sigma` radians around `centre`. */
function gaussian(nside: number, sigma: number, centre = vectorOf({ra: 1, dec: 0.2})): Skymap[string] {
  return level(
    Array.from({length: 12 * nside * nside}, (_, index) => [
      index,
      100 + angleBetween(pixelCentre(nside, index), centre) ** 2 / (2 * sigma * sigma),
      5,
    ]),
  );
}

describe('the best fit', () => {
  test('is the lowest pixel of the finest resolution, even if a coarser one is lower', () => {
    const found = bestFit({
      'nside-1': level([[4, -5, 1]]),
      'nside-2': level([
        [9, 7, 1],
        [20, 3, 1234],
        [21, 8, 1],
      ]),
    });
    expect(found).toMatchObject({nside: 2, index: 20, llh: 3, energy: 1234});
    expect(found?.ra).toBeCloseTo(22.5, 9);
    expect(found?.dec).toBeCloseTo(0, 9);
  });

  test('passes over pixels without a likelihood and levels that have none', () => {
    expect(
      bestFit({
        'nside-1': level([
          [0, NAN, NAN],
          [1, 5, NAN],
        ]),
        'nside-2': level([[3, NAN, 1]]),
      }),
    ).toMatchObject({nside: 1, index: 1, llh: 5});
    expect(bestFit({'nside-1': level([[1, 5, NAN]])})).not.toHaveProperty('energy');
    expect(bestFit({})).toBeUndefined();
    expect(containmentArea({}, 0.9)).toBe(0);
  });
});

describe('the area that holds a part of the probability', () => {
  test('is that of a Gaussian: 2 pi sigma^2 ln(1 / (1 - content))', () => {
    const sigma = 0.1;
    const map = {'nside-64': gaussian(64, sigma)};
    for (const content of [0.5, 0.9]) {
      const expected = 2 * Math.PI * (sigma * (180 / Math.PI)) ** 2 * Math.log(1 / (1 - content));
      expect(containmentArea(map, content) / expected).toBeCloseTo(1, 1.5);
    }
  });

  test('is half of the sky where all of it is equally likely', () => {
    expect(containmentArea({'nside-8': gaussian(8, 1e9)}, 0.5) / FULL_SKY).toBeCloseTo(0.5, 2);
    expect(containmentArea({'nside-8': gaussian(8, 1e9)}, 1) / FULL_SKY).toBeCloseTo(1, 6);
  });

  test('takes the finest pixel that covers a point, so that no point counts twice', () => {
    // The coarse level says nothing; the finer one has all of the sky and a narrow peak.
    const flat = gaussian(1, 1e9);
    expect(containmentArea({'nside-1': flat, 'nside-32': gaussian(32, 0.1)}, 0.9)).toBeCloseTo(
      containmentArea({'nside-32': gaussian(32, 0.1)}, 0.9),
      6,
    );
  });

  test('leaves to a coarse pixel the part that finer ones, also much finer ones, do not cover', () => {
    const coarse = level(Array.from({length: 12}, (_, index) => [index, 0, 1]));
    // 1/4 of one pixel is covered by a worthless pixel two steps finer.
    const worthless = level([[0, 1000, 1]]);
    const all = containmentArea({'nside-1': coarse, 'nside-2': worthless}, 0.9999999);
    expect(all / FULL_SKY).toBeCloseTo(1 - 1 / 48, 6);
    const deep = containmentArea(
      {
        'nside-1': coarse,
        'nside-2': worthless,
        'nside-8': level([
          [0, 1000, 1],
          [700, 1000, 1],
        ]),
      },
      0.9999999,
    );
    expect(deep / FULL_SKY).toBeCloseTo(1 - 1 / 48 - 1 / 768, 6);
  });
});

const real = new URL('../../../shared/data/results/run00136662-evt000035405932-8_64_512.json', import.meta.url);
if (!existsSync(real)) console.warn('skipped: there is no finished real scan in ../shared/data beside the repository');
test.skipIf(!existsSync(real))('a finished real scan has its best fit at RA 47.20, dec +3.28, and areas that nest (needs ../shared/data)', () => {
  const map = JSON.parse(readFileSync(real, 'utf8')) as Skymap;
  const found = bestFit(map);
  expect(found).toMatchObject({nside: 512, index: 1481996});
  expect(found?.ra).toBeCloseTo(47.2, 1);
  expect(found?.dec).toBeCloseTo(3.28, 1);
  const [half, most] = [containmentArea(map, 0.5), containmentArea(map, 0.9)];
  expect(half).toBeGreaterThan(0.1);
  expect(half).toBeLessThan(most);
  expect(most).toBeLessThan(2);
});
