import {expect, test} from 'vitest';
import {StartPace} from '../../src/model/start-pace.ts';

const T = 1_700_000_000_000;

test('without pauses nobody waits', () => {
  const pace = new StartPace({asapEveryMs: 0, otherEveryMs: 0});
  pace.note(0, T, T);
  expect(pace.isLimited).toBe(false);
  expect(pace.waitMs(0, T)).toBe(0);
});

test('each class waits for its own last start alone', () => {
  const pace = new StartPace({asapEveryMs: 15_000, otherEveryMs: 300_000});
  expect([pace.waitMs(0, T), pace.waitMs(100, T)]).toEqual([0, 0]);
  pace.note(99, T, T);
  expect([pace.waitMs(0, T + 1000), pace.waitMs(100, T + 1000)]).toEqual([299_000, 0]);
  pace.note(100, T + 2000, T + 2000);
  expect([pace.waitMs(99, T + 300_000), pace.waitMs(1000, T + 16_999), pace.waitMs(100, T + 17_000)]).toEqual([0, 1, 0]);
});

test('starts come in any order, and one whose time is not known does not count', () => {
  const pace = new StartPace({asapEveryMs: 0, otherEveryMs: 1000});
  pace.note(0, T, T);
  pace.note(0, T - 5000, T);
  pace.note(0, Number.NaN, T);
  expect(pace.waitMs(0, T + 400)).toBe(600);
});

test('a clock that was set back makes nobody wait longer than one pause', () => {
  const pace = new StartPace({asapEveryMs: 0, otherEveryMs: 1000});
  pace.note(0, T, T);
  expect(pace.waitMs(0, T - 3_600_000)).toBe(1000);
  expect(pace.waitMs(0, T - 3_600_000 + 400)).toBe(600);
  expect(pace.waitMs(0, T - 3_600_000 + 1000)).toBe(0);
});

test('a start that is said to be in the future holds nobody up until then, however often it is noted', () => {
  const pace = new StartPace({asapEveryMs: 0, otherEveryMs: 1000});
  for (const nowMs of [T, T + 500, T + 1000]) pace.note(0, T + 3_600_000, nowMs);
  expect(pace.waitMs(0, T + 1000)).toBe(0);
});
