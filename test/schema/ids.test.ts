import {expect, test} from 'vitest';
import {newScanId, timeOfScanId, timePart} from '../../src/schema/ids.ts';

test('a time is 11 hex digits of whole milliseconds, whichever time was asked for before', () => {
  for (const [ms, digits] of [
    [1_763_834_000_123.9, '19aacb2f2fb'],
    [1_763_834_000_123.1, '19aacb2f2fb'],
    [1_763_834_000_124, '19aacb2f2fc'],
    [0, '00000000000'],
    [255.5, '000000000ff'],
    [1_763_834_000_123, '19aacb2f2fb'],
  ] as const) {
    expect(timePart(ms)).toBe(digits);
  }
});

test('a scan id tells its time, and two of one millisecond differ', () => {
  const id = newScanId(1_763_834_000_123.4);
  expect(timeOfScanId(id)).toBe(1_763_834_000_123);
  expect(newScanId(1_763_834_000_123.4)).not.toBe(id);
});
