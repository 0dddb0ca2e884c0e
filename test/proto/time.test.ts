import {describe, expect, test} from 'vitest';
import {FieldError, formatTime, nsText, timeMs, timeNs, timeText} from '../../src/proto/index.ts';

describe('times of the wire', () => {
  test.for([
    ['2021-03-04T05:06:07Z', '2021-03-04T05:06:07Z'],
    ['2021-03-04T05:06:07.000Z', '2021-03-04T05:06:07Z'],
    ['2021-03-04T05:06:07.891234000Z', '2021-03-04T05:06:07.891234Z'],
    ['2021-03-04T05:06:07.123456789Z', '2021-03-04T05:06:07.123456789Z'],
    ['2021-03-04T05:06:07.1234567899Z', '2021-03-04T05:06:07.123456789Z'],
    ['2021-03-04T05:06:07.5+02:00', '2021-03-04T03:06:07.5Z'],
    ['2021-12-31T23:30:00-01:00', '2022-01-01T00:30:00Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00Z'],
    ['0001-01-01T00:00:00Z', '0001-01-01T00:00:00Z'],
    ['9999-12-31T23:59:59.999999999Z', '9999-12-31T23:59:59.999999999Z'],
  ] as const)('%s is written %s', ([text, written]) => {
    expect(formatTime(text)).toBe(written);
    expect(nsText(timeNs(text))).toBe(written);
  });

  test.for([
    ['yesterday'],
    [''],
    ['2021-03-04'],
    ['2021-03-04 05:06:07Z'],
    ['2021-03-04T05:06:07'],
    ['2021-03-04T05:06Z'],
    ['2021-02-29T00:00:00Z'],
    ['2021-04-31T00:00:00Z'],
    ['2021-13-01T00:00:00Z'],
    ['2021-03-04T24:00:00Z'],
    ['2021-03-04T23:59:60Z'],
    ['2021-03-04T05:06:07.Z'],
    ['2021-03-04T05:06:07+24:00'],
    ['2021-03-04T05:06:07+0200'],
    ['0000-01-01T00:00:00+01:00'],
    ['9999-12-31T23:59:59-01:00'],
    ['+12021-03-04T05:06:07Z'],
  ] as const)('"%s" is none', ([text]) => {
    expect(() => formatTime(text, 'since')).toThrow(FieldError);
    expect(() => formatTime(text, 'since')).toThrow(`since: ${JSON.stringify(text)} is no RFC 3339 time`);
  });

  test('nanoseconds, milliseconds and texts are the same times', () => {
    expect(timeNs('2021-03-04T05:06:07.891234567Z')).toBe(1614834367891234567n);
    expect(nsText(1614834367891234567n)).toBe('2021-03-04T05:06:07.891234567Z');
    expect(timeNs('1969-12-31T23:59:59.5Z')).toBe(-500_000_000n);
    expect(nsText(-500_000_000n)).toBe('1969-12-31T23:59:59.5Z');
    expect(nsText(0n)).toBe('1970-01-01T00:00:00Z');
    expect(timeMs('2021-03-04T05:06:07.891234567Z')).toBe(1614834367891);
    expect(timeMs('1969-12-31T23:59:59.5Z')).toBe(-500);
    expect(timeText(1614834367890)).toBe('2021-03-04T05:06:07.89Z');
    expect(() => nsText(2n ** 80n)).toThrow(FieldError);
  });
});
