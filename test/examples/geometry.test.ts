import {describe, expect, test} from 'vitest';
import {
  angleBetween,
  childrenOf,
  directionOf,
  neighboursOf,
  parentOf,
  pixelAt,
  pixelCentre,
  vectorOf,
  wrapAngle,
} from '../../examples/scanner/geometry.ts';

describe('HEALPix pixels in RING order', () => {
  test('pixel 0 is the first around the north pole in right ascension, and the last lies at the south pole', () => {
    const first = directionOf(pixelCentre(1, 0));
    expect(first.ra).toBeCloseTo(Math.PI / 4, 12);
    expect(first.dec).toBeCloseTo(Math.asin(2 / 3), 12);
    expect(directionOf(pixelCentre(8, 767)).dec).toBeLessThan(-1.4);
  });

  test('right ascension and declination come back from a vector', () => {
    for (const [ra, dec] of [
      [0, 0],
      [1, -1.2],
      [6.28, 1.5],
      [3, 0.1],
    ] as const) {
      const back = directionOf(vectorOf({ra, dec}));
      expect(back.ra).toBeCloseTo(ra, 12);
      expect(back.dec).toBeCloseTo(dec, 12);
    }
    expect(wrapAngle(-0.5)).toBeCloseTo(2 * Math.PI - 0.5, 12);
  });

  test('the children of all pixels tile the finer sky, each inside its parent', () => {
    for (const [nside, finer] of [
      [1, 2],
      [2, 8],
      [8, 64],
    ] as const) {
      const seen = new Set<number>();
      for (let index = 0; index < 12 * nside * nside; index++) {
        const children = childrenOf(nside, index, finer);
        expect(children).toHaveLength((finer / nside) ** 2);
        for (const child of children) {
          if (pixelAt(nside, pixelCentre(finer, child)) !== index) throw new Error(`child ${child} of ${nside}/${index} is not inside of it`);
          if (parentOf(finer, child, nside) !== index) throw new Error(`the parent of ${finer}/${child} is not ${index}`);
          seen.add(child);
        }
      }
      expect(seen.size).toBe(12 * finer * finer);
    }
  });

  test('a pixel has eight neighbours, or seven at the 24 corners where three base pixels meet, and is its neighbours’ neighbour', () => {
    for (const nside of [2, 8]) {
      const all = Array.from({length: 12 * nside * nside}, (_, index) => neighboursOf(nside, index));
      expect(all.filter((n) => n.length === 7)).toHaveLength(24);
      expect(all.filter((n) => n.length === 8)).toHaveLength(12 * nside * nside - 24);
      for (const [index, neighbours] of all.entries()) for (const other of neighbours) expect(all[other]).toContain(index);
    }
  });

  test('small angles are exact', () => {
    const v = vectorOf({ra: 1, dec: 0.5});
    expect(angleBetween(v, vectorOf({ra: 1, dec: 0.5 + 1e-9}))).toBeCloseTo(1e-9, 15);
    expect(angleBetween(v, [-v[0], -v[1], -v[2]])).toBeCloseTo(Math.PI, 12);
  });
});
