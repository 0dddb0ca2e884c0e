import {ang2vec, corners_ring, max_pixrad, nest2ring, pix2vec_ring, query_disc_inclusive_ring, ring2nest, vec2pix_ring} from '@hscmap/healpix';
import type {V3} from '@hscmap/healpix';

/** A unit vector in equatorial coordinates: x towards right ascension 0, z towards the north pole. */
export type Vec3 = readonly [number, number, number];

/** Right ascension and declination in radians; right ascension in [0, 2 pi). */
export interface SkyDirection {
  readonly ra: number;
  readonly dec: number;
}

export const TWO_PI = 2 * Math.PI;

/** `angle` (radians) brought into [0, 2 pi). */
export function wrapAngle(angle: number): number {
  return angle - TWO_PI * Math.floor(angle / TWO_PI);
}

export function vectorOf({ra, dec}: SkyDirection): Vec3 {
  return ang2vec(Math.PI / 2 - dec, ra);
}

export function directionOf(v: Vec3): SkyDirection {
  return {ra: wrapAngle(Math.atan2(v[1], v[0])), dec: Math.atan2(v[2], Math.hypot(v[0], v[1]))};
}

export function dot(a: Vec3, b: Vec3): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function normalised(v: Vec3): Vec3 {
  const length = Math.hypot(v[0], v[1], v[2]);
  return [v[0] / length, v[1] / length, v[2] / length];
}

/** Angle between two directions in radians, exact for small ones too. */
export function angleBetween(a: Vec3, b: Vec3): number {
  const cross = Math.hypot(a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]);
  return Math.atan2(cross, dot(a, b));
}

/*
 * HEALPix pixels are numbered in RING order, in equatorial coordinates (theta = pi/2 - dec, phi = ra), as in the results of the IceCube scanner.
 * `nside` is a power of two; there are 12 nside^2 pixels. The steps between resolutions go through NESTED order, where a pixel's children follow each other.
 */

/** Where the middle of a pixel is. */
export function pixelCentre(nside: number, index: number): Vec3 {
  return pix2vec_ring(nside, index);
}

export function pixelAt(nside: number, v: Vec3): number {
  return vec2pix_ring(nside, v as V3);
}

/** The (finer/nside)^2 pixels of `finer` that tile a pixel of `nside`. */
export function childrenOf(nside: number, index: number, finer: number): number[] {
  const perParent = (finer / nside) ** 2;
  const first = ring2nest(nside, index) * perParent;
  return Array.from({length: perParent}, (_, i) => nest2ring(finer, first + i));
}

/** The pixel of `coarser` that a pixel of `nside` lies in. */
export function parentOf(nside: number, index: number, coarser: number): number {
  return nest2ring(coarser, Math.floor(ring2nest(nside, index) / (nside / coarser) ** 2));
}

/** The pixels that share a corner (or a whole side) with a pixel: eight, seven where only three base pixels meet. In ascending order. */
export function neighboursOf(nside: number, index: number): number[] {
  const corners = corners_ring(nside, index);
  const found = new Set<number>();
  // The reach is the largest distance from a middle to a corner, so no neighbour lies outside of it; what only comes near shares no corner.
  query_disc_inclusive_ring(nside, pix2vec_ring(nside, index), max_pixrad(nside), (other) => {
    if (other !== index && corners_ring(nside, other).some((a) => corners.some((b) => angleBetween(a, b) < 1e-3 / nside))) found.add(other);
  });
  return [...found].sort((a, b) => a - b);
}
