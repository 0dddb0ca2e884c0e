/** A version of SkyDriver's REST API. */
export type Generation = 'v2' | 'v1' | 'v0';

const PREFIX = /^\/(v[012])(?=\/|$)/;
/** Paths of version 0 that no later version has: without a prefix they are its own. */
const OWN_OF_V0 = /^\/(scans$|scan\/(manifest|result)(\/|$))/;

/** The version that a request's path asks for. */
export function generationOf(path: string): Generation {
  const prefix = PREFIX.exec(path)?.[1];
  if (prefix !== undefined) return prefix as Generation;
  return OWN_OF_V0.test(path) ? 'v0' : 'v2';
}

/** A path without the prefix that names the version. */
export function withoutPrefix(path: string): string {
  const prefix = PREFIX.exec(path)?.[0];
  return prefix === undefined ? path : path.slice(prefix.length) || '/';
}
