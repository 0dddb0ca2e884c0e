import {expect, test} from 'vitest';
import {judge, recordOf} from '../../bench/lib/judge.ts';
import type {Row} from '../../bench/lib/row.ts';
import {median, medianInterval, quantile} from '../../bench/lib/stats.ts';
import {drawInterval, drawTable} from '../../bench/lib/table.ts';

const aRow = (row: Partial<Row> = {}): Row => ({
  ...{id: 'X1', title: 'ours', against: 'theirs', unit: '/s', better: 'higher', pass: 2, stretch: 4, judged: 'median'},
  ...row,
});
/** Rounds with these ratios. */
const rounds = (...ratios: readonly number[]) => ratios.map((ratio, n) => recordOf({id: 'X1', a: [ratio, ratio], b: [1, 1]}, n + 1, 0));

test('a row passes only if the whole interval of its median passes', () => {
  expect(judge(aRow(), rounds(2.5, 2.6, 2.4, 2.5, 2.7)).verdict).toBe('pass');
  expect(judge(aRow(), rounds(1.5, 2.6, 2.4, 1.9, 2.7)).verdict).toBe('undecided');
  expect(judge(aRow(), rounds(1.5, 1.6, 1.4, 1.9, 1.7)).verdict).toBe('miss');
  expect(judge(aRow(), rounds(4.5, 4.6, 4.4, 4.9, 4.7)).verdict).toBe('stretch');
});

test('where lower is better the targets are upper bounds', () => {
  const row = aRow({better: 'lower', pass: 0.5, stretch: 0.3});
  expect(judge(row, rounds(0.4, 0.45, 0.41)).verdict).toBe('pass');
  expect(judge(row, rounds(0.4, 0.6, 0.41)).verdict).toBe('undecided');
  expect(judge(row, rounds(0.2, 0.2, 0.2)).verdict).toBe('stretch');
  expect(judge(row, rounds(0.6, 0.7, 0.8)).verdict).toBe('miss');
});

test('a worst case is judged by the worst of all trials', () => {
  const row = aRow({better: 'lower', pass: 1.25, stretch: 1.16, judged: 'worst'});
  const trials = (...seconds: readonly number[]) => [recordOf({id: 'X1', a: seconds, b: [5], isTrials: true}, 1, 0)];
  expect(judge(row, trials(5.5, 5.6, 6.2))).toMatchObject({verdict: 'pass', ratio: 1.24});
  expect(judge(row, trials(5.5, 5.6, 6.3)).verdict).toBe('miss');
});

test('a round counts neither when its two A’s differ by more than 35 % nor when time was stolen', () => {
  expect(recordOf({id: 'X1', a: [100, 140], b: [50, 50]}, 1, 0).void).toContain('differ by 40 %');
  expect(recordOf({id: 'X1', a: [100, 130], b: [50, 50]}, 1, 0.11).void).toContain('11 %');
  expect(recordOf({id: 'X1', a: [100, 130], b: [50, 50]}, 1, 0.05)).toMatchObject({ratios: [2.3]});
  expect(recordOf({id: 'X1', a: [1, 9], b: [1], isTrials: true}, 1, 0)).toMatchObject({ratios: [1, 9]});
});

test('a row without a round that counts has no data, one without a target is reported', () => {
  expect(judge(aRow(), [recordOf({id: 'X1', a: [1, 9], b: [1, 1]}, 1, 0)]).verdict).toBe('no data');
  const {pass: _pass, stretch: _stretch, ...rest} = aRow();
  expect(judge(rest, rounds(1, 1)).verdict).toBe('reported');
});

test('an interval can be computed again, and holds the median', () => {
  const values = [2.1, 3.3, 2.7, 2.9, 2.2, 3.1];
  const interval = medianInterval(values);
  expect(medianInterval(values)).toEqual(interval);
  expect(interval.low).toBeLessThanOrEqual(median(values));
  expect(interval.high).toBeGreaterThanOrEqual(median(values));
  expect(medianInterval([2, 2, 2])).toEqual({low: 2, high: 2});
});

test('quantiles are taken by nearest rank', () => {
  const values = Array.from({length: 100}, (_, n) => 100 - n);
  expect(quantile(values, 0.99)).toBe(99);
  expect(quantile(values, 0.5)).toBe(50);
  expect(quantile([7], 0.99)).toBe(7);
});

test('the interval is drawn around the target, which is in the middle of the axis', () => {
  const drawn = drawInterval(judge(aRow(), rounds(4, 4, 4)));
  expect(drawn).toBe('············┊·····●······');
  expect(drawInterval(judge(aRow(), rounds(1000, 1000)))).toMatch(/▶$/);
});

test('the table names rounds that do not count, and why', () => {
  const result = judge(aRow(), [...rounds(2.5, 2.6), recordOf({id: 'X1', a: [1, 9], b: [1, 1]}, 3, 0)]);
  const table = drawTable([result], false);
  expect(table).toContain('│ 2 of 3 │ pass');
  expect(table).toContain("round 3: the two A's differ by 800 %");
});
