import {readFileSync} from 'node:fs';

/** The release of this program, as X.Y.Z: what its package says. */
export function programVersion(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as {readonly version: string}).version;
}
