import {TWO_PI, wrapAngle} from './geometry.ts';
import type {SkyDirection} from './geometry.ts';

/** Where something comes from, seen from the detector: radians. Zenith 0 is straight above; azimuth runs from grid east towards grid north. */
export interface DetectorDirection {
  readonly zenith: number;
  readonly azimuth: number;
}

/** Days since 1858-11-17 00:00 (modified Julian date) of `YYYY-MM-DD hh:mm:ss[.ffffff]` in UTC, or `undefined` where the text is no such time. */
export function parseMjd(text: unknown): number | undefined {
  if (typeof text !== 'string') return undefined;
  const match = /^(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)(\.\d+)?(?:Z|\+00:00)?$/.exec(text.trim());
  if (match === null) return undefined;
  const seconds = Date.parse(`${match[1]}T${match[2]}Z`) / 1000;
  if (!Number.isFinite(seconds)) return undefined;
  return 40587 + (seconds + Number(match[3] ?? 0)) / 86400;
}

/**
 * Greenwich mean sidereal time in radians. UT1 is taken as UTC, which is wrong by less than 15 arc seconds.
 * @see Astronomical Almanac; the linear term of the IAU 1982 expression
 */
export function siderealTime(mjd: number): number {
  return wrapAngle(((280.46061837 + 360.98564736629 * (mjd - 51544.5)) * Math.PI) / 180);
}

/**
 * The azimuth that right ascension 0 has at that time (of date): at the South Pole, ra + azimuth is the same for all directions.
 *
 * With the observer on longitude L, azimuth 0 (grid east) is 90 degrees east of Greenwich's meridian whatever L is, hence no longitude in it.
 */
export function azimuthOrigin(mjd: number): number {
  return wrapAngle(siderealTime(mjd) + Math.PI / 2);
}

/**
 * Detector coordinates at the South Pole to equatorial ones (J2000): declination of date is zenith - 90 degrees, right ascension of date is the
 * {@link azimuthOrigin} less the azimuth; then precession.
 *
 * Left out, each below a hundredth of a degree: that the detector stands 600 m from the pole, nutation, aberration, and UT1.
 */
export function toEquatorial(direction: DetectorDirection, mjd: number): SkyDirection {
  return precessedToJ2000({ra: wrapAngle(azimuthOrigin(mjd) - direction.azimuth), dec: direction.zenith - Math.PI / 2}, mjd);
}

/**
 * From the mean equator and equinox of date to those of J2000.
 * @see Lieske et al. 1977 (IAU 1976 precession angles zeta, z, theta)
 */
export function precessedToJ2000({ra, dec}: SkyDirection, mjd: number): SkyDirection {
  const t = (mjd - 51544.5) / 36525; // centuries
  const arcsec = TWO_PI / (360 * 3600);
  const zeta = (2306.2181 * t + 0.30188 * t * t) * arcsec;
  const z = (2306.2181 * t + 1.09468 * t * t) * arcsec;
  const theta = (2004.3109 * t - 0.42665 * t * t) * arcsec;
  const a = Math.cos(dec) * Math.sin(ra - z);
  const b = Math.cos(theta) * Math.cos(dec) * Math.cos(ra - z) + Math.sin(theta) * Math.sin(dec);
  const c = -Math.sin(theta) * Math.cos(dec) * Math.cos(ra - z) + Math.cos(theta) * Math.sin(dec);
  return {ra: wrapAngle(Math.atan2(a, b) - zeta), dec: Math.atan2(c, Math.hypot(a, b))};
}
