import {expect, test} from 'vitest';
import {azimuthOrigin, parseMjd, precessedToJ2000, siderealTime, toEquatorial} from '../../examples/scanner/astrometry.ts';

const DEGREES = 180 / Math.PI;

test('a time becomes days since 1858-11-17, and what is no time becomes undefined', () => {
  expect(parseMjd('1858-11-17 00:00:00')).toBe(0);
  expect(parseMjd('2000-01-01 12:00:00')).toBe(51544.5);
  expect(parseMjd('2023-12-02 17:08:24.093230')).toBeCloseTo(60280.71416774572, 9);
  for (const wrong of [undefined, null, 5, '', 'yesterday', '2023-13-01 00:00:00']) expect(parseMjd(wrong)).toBeUndefined();
});

test('sidereal time advances by a full turn in 23 h 56 min 4 s', () => {
  const day = 86164.0905 / 86400;
  expect(siderealTime(60000 + day)).toBeCloseTo(siderealTime(60000), 6);
  expect(siderealTime(51544.5) * DEGREES).toBeCloseTo(280.46061837, 8);
});

test('straight above the South Pole is the southern celestial pole, the horizon its equator', () => {
  expect(toEquatorial({zenith: 0, azimuth: 1}, 51544.5).dec * DEGREES).toBeCloseTo(-90, 6);
  expect(toEquatorial({zenith: Math.PI / 2, azimuth: 1}, 51544.5).dec * DEGREES).toBeCloseTo(0, 6);
});

test('right ascension falls as azimuth rises, and follows the turning of the sky', () => {
  const at = (azimuth: number, mjd: number): number => toEquatorial({zenith: 1.2, azimuth}, mjd).ra * DEGREES;
  expect(at(1, 51544.5) - at(1.5, 51544.5)).toBeCloseTo(0.5 * DEGREES, 6);
  expect(at(1, 51544.6) - at(1, 51544.5)).toBeCloseTo(36.0985647, 4);
});

test('directions agree with the linear formula in common use for this detector to a fifth of a degree', () => {
  // ra = 2.54199002505 + 2 pi (mjd / 0.997269566 mod 1) - azimuth: a fixed length of day, and no precession.
  for (const mjd of [55562.1, 57517.64, 60280.714]) {
    const common = 2.54199002505 + 2 * Math.PI * ((mjd / 0.997269566) % 1);
    const difference = Math.sin((azimuthOrigin(mjd) - common) / 2) * 2;
    expect(Math.abs(difference) * DEGREES).toBeLessThan(0.2);
  }
});

test('precession moves a star on the equator by 46 arc seconds a year in right ascension', () => {
  const moved = precessedToJ2000({ra: 0.5, dec: 0}, 51544.5 + 10 * 365.25);
  expect((0.5 - moved.ra) * DEGREES * 3600).toBeCloseTo(461, 0);
  expect(precessedToJ2000({ra: 0.5, dec: 0.3}, 51544.5)).toEqual({ra: expect.closeTo(0.5, 12), dec: expect.closeTo(0.3, 12)});
});
