import {describe, expect, test} from 'vitest';
import {angleBetween, parentOf, pixelCentre, vectorOf} from '../../examples/scanner/geometry.ts';
import type {Vec3} from '../../examples/scanner/geometry.ts';
import {NAN, parseProgression, ProgressionError, ScanPlan} from '../../examples/scanner/plan.ts';
import type {Pixel, Row} from '../../examples/scanner/plan.ts';

const target = vectorOf({ra: 2, dec: 0.3});
const distance = (nside: number, index: number, from: Vec3 = target): number => angleBetween(pixelCentre(nside, index), from);
const row = (nside: number, index: number, from?: Vec3): Row => [index, distance(nside, index, from), 0, 0, 0, 0, 0, 0];

/** Answers every pixel that is wanted, in the order given by `pick`, until none is left. Returns all that were asked for. */
function run(plan: ScanPlan, answer = row, pick: (open: Pixel[]) => Pixel = (open) => open.shift() as Pixel): Pixel[] {
  const open = plan.start();
  const asked = [...open];
  while (open.length > 0) {
    const [nside, index] = pick(open);
    const {wanted} = plan.record(nside, answer(nside, index));
    open.push(...wanted);
    asked.push(...wanted);
  }
  return asked;
}

describe('a progression', () => {
  test('is read from the command line, the first over the full sky', () => {
    expect(parseProgression(['8:0', '64:12'])).toEqual([
      {nside: 8, extension: 0},
      {nside: 64, extension: 12},
    ]);
    expect(parseProgression(['1:7'])).toEqual([{nside: 1, extension: 0}]);
  });

  test('that cannot be scanned is refused with the reason', () => {
    for (const [texts, reason] of [
      [[], /no nside/],
      [['8'], /form/],
      [['8:x'], /form/],
      [['3:0'], /power of two/],
      [['0:0'], /power of two/],
      [['2048:0'], /power of two/],
      [['8:0', '64:0'], /extension/],
      [['64:0', '8:12'], /rise/],
    ] as const) {
      expect(() => parseProgression(texts)).toThrow(reason);
      expect(() => parseProgression(texts)).toThrow(ProgressionError);
    }
  });
});

describe('a scan from coarse to fine', () => {
  const levels = parseProgression(['8:0', '64:12', '512:24']);

  test('asks for the full sky, then refines around the minimum, at least extension times children', () => {
    const plan = new ScanPlan(levels, 1);
    const asked = run(plan);
    const count = (nside: number): number => asked.filter((p) => p[0] === nside).length;
    expect(count(8)).toBe(768);
    expect(count(64)).toBeGreaterThanOrEqual(12 * 64);
    expect(count(512)).toBeGreaterThanOrEqual(24 * 64);
    expect(count(512)).toBeLessThan(36 * 64);
    expect(plan.isDone).toBe(true);
    const best = plan.rows(512).reduce((a, b) => ((b[1] as number) < (a[1] as number) ? b : a));
    expect(distance(512, best[0])).toBeLessThan(0.002);
  });

  test('asks for no pixel twice and refines only whole pixels of the level before', () => {
    const asked = run(new ScanPlan(levels, 1));
    expect(new Set(asked.map(String)).size).toBe(asked.length);
    const parents = new Map<number, number>();
    for (const [nside, index] of asked) if (nside === 64) parents.set(parentOf(64, index, 8), (parents.get(parentOf(64, index, 8)) ?? 0) + 1);
    expect(new Set(parents.values())).toEqual(new Set([64]));
  });

  test('does not begin a resolution before the one before it is complete', () => {
    const plan = new ScanPlan(levels, 1);
    const start = plan.start();
    for (const [nside, index] of start.slice(1)) expect(plan.record(nside, row(nside, index)).wanted).toEqual([]);
    expect(plan.record(8, row(8, 0)).wanted.length).toBeGreaterThanOrEqual(12 * 64);
  });

  test('begins early with a threshold below 1, and refines what becomes best later', () => {
    const plan = new ScanPlan(parseProgression(['8:0', '64:12']), 0.5);
    const start = plan.start();
    const byDistance = [...start].sort((a, b) => distance(b[0], b[1]) - distance(a[0], a[1])); // The best come last.
    const wantedAfter = byDistance.map(([nside, index]) => plan.record(nside, row(nside, index)).wanted.length);
    expect(wantedAfter.slice(0, 383).every((n) => n === 0)).toBe(true);
    expect(wantedAfter[383]).toBe(12 * 64);
    expect(wantedAfter.at(-1)).toBe(64);
  });

  test('comes to the same minimum whatever order pixels come back in', () => {
    let state = 7;
    const random = (n: number): number => (state = (state * 48271) % 2147483647) % n;
    const plan = new ScanPlan(levels, 0.3);
    run(plan, row, (open) => {
      const at = random(open.length);
      const last = open.pop() as Pixel;
      if (at === open.length) return last;
      const picked = open[at] as Pixel;
      open[at] = last;
      return picked;
    });
    expect(plan.isDone).toBe(true);
    const best = plan.rows(512).reduce((a, b) => ((b[1] as number) < (a[1] as number) ? b : a));
    expect(distance(512, best[0])).toBeLessThan(0.002);
  });

  test('follows a minimum that turns out to lie outside of what was refined', () => {
    const shifted = vectorOf({ra: 2.35, dec: 0.3}); // At 64 the best is 20 degrees from where it was at 8.
    const plan = new ScanPlan(parseProgression(['8:0', '64:4']), 1);
    const asked = run(plan, (nside, index) => row(nside, index, nside === 8 ? target : shifted));
    expect(asked.filter((p) => p[0] === 64).length).toBeGreaterThan(4 * 64);
    const best = plan.rows(64).reduce((a, b) => ((b[1] as number) < (a[1] as number) ? b : a));
    expect(distance(64, best[0], shifted)).toBeLessThan(0.02);
  });

  test('ends even where no pixel has a likelihood', () => {
    const plan = new ScanPlan(parseProgression(['8:0', '64:4']), 1);
    const asked = run(plan, (_nside, index) => [index, NAN, NAN, NAN, NAN, NAN, NAN, NAN]);
    expect(plan.isDone).toBe(true);
    expect(asked.length).toBeLessThan(768 + 45 * 64);
  });

  test('counts a pixel once, and none that was not asked for', () => {
    const plan = new ScanPlan(levels, 1);
    plan.start();
    expect(plan.record(8, row(8, 3)).isNew).toBe(true);
    expect(plan.record(8, row(8, 3)).isNew).toBe(false);
    expect(plan.record(8, [768, 1, 0, 0, 0, 0, 0, 0]).isNew).toBe(false);
    expect(plan.record(64, row(64, 3)).isNew).toBe(false);
    expect(plan.record(2, row(2, 3)).isNew).toBe(false);
    expect(plan.tallies()[0]).toEqual({nside: 8, done: 1, asked: 768, expected: 768});
    expect(plan.tallies()[2]).toEqual({nside: 512, done: 0, asked: 0, expected: 1536});
  });
});
