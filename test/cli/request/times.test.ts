import {expect, test} from 'vitest';
import {elapsed, formatTime, formatWithAge, parseGivenTime} from '../../../src/cli/request/times.ts';

const MS = Date.parse('2021-03-04T05:06:07.891Z');

test('a time carries the name of the zone it is shown in, where that has one', () => {
  expect(formatTime(MS, 'UTC')).toBe('2021-03-04 05:06:07 UTC');
  expect(formatTime(MS, 'Europe/Berlin')).toBe('2021-03-04 06:06:07 CET');
  expect(formatTime(MS, 'America/New_York')).toBe('2021-03-04 00:06:07 EST');
  expect(formatTime(MS, 'Asia/Kathmandu')).toBe('2021-03-04 10:51:07 +0545');
});

test('an age is Go’s duration to a second, and never negative', () => {
  expect(formatWithAge(MS, MS + 3_905_400, 'UTC')).toBe('2021-03-04 05:06:07 UTC (1h5m5s ago)');
  expect(elapsed(MS, MS - 1)).toBe('0s');
});

test('a given time is UTC in one form, and a day that there is', () => {
  expect(parseGivenTime('since', '2024-02-29 23:59:59 UTC')).toBe('2024-02-29T23:59:59Z');
  for (const text of ['2023-02-29 00:00:00 UTC', '2021-03-04 24:00:00 UTC', '2021-03-04T05:06:07Z', '2021-3-4 05:06:07 UTC', 'yesterday'])
    expect(() => parseGivenTime('since', text)).toThrow('YYYY-MM-DD HH:MM:SS UTC');
  expect(() => parseGivenTime('until', '2021-03-04 05:06:07 CET')).toThrow('the time zone has to be UTC');
});
