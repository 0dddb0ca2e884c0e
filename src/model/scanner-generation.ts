import type {OlderGeneration, SkymapSpec} from '../schema/scan.ts';

/** The scanners that first spoke version 1 and version 2 of the API. @see skymap_scanner, releases */
const FIRST_OF_V1 = [3, 8, 3] as const;
const FIRST_OF_V2 = [4, 0, 0] as const;

/**
 * The older version of the API that a scan's scanner was written for; `undefined`: the newest.
 *
 * A scan asked through the newest version gets a scanner of today. One asked through an older version may name any scanner by its tag: a release tells
 * what it speaks, any other tag is taken to be of the time of who asks.
 */
export function scannerGeneration({generation, request}: SkymapSpec): OlderGeneration | undefined {
  if (generation === undefined || request.docker_tag === 'latest') return undefined;
  const release = /^v?(\d+)(?:\.(\d+))?(?:\.(\d+))?$/i.exec(request.docker_tag);
  if (release === null) return generation;
  // Parts that are left out mean the highest that is there.
  const parts = release.slice(1).map((part: string | undefined) => (part === undefined ? Number.POSITIVE_INFINITY : Number(part)));
  if (isAtLeast(parts, FIRST_OF_V2)) return undefined;
  return isAtLeast(parts, FIRST_OF_V1) ? 'v1' : 'v0';
}

function isAtLeast(parts: readonly number[], wanted: readonly number[]): boolean {
  const at = wanted.findIndex((part, i) => parts[i] !== part);
  return at === -1 || (parts[at] as number) > (wanted[at] as number);
}
