import {randomUUID} from 'node:crypto';
import {scanJson} from './json-scanner.ts';
import type {JsonRange} from './json-scanner.ts';

/** A random name, so that no text from outside is taken for one of our marks. */
const MARK = `non-finite ${randomUUID()} `;

/**
 * Parses JSON in which `NaN`, `Infinity` and `-Infinity` may stand in the named members of the outermost object, or everywhere, as Python's json
 * module writes them. They become the numbers of that name.
 *
 * @throws JsonSyntaxError
 */
export function looseParse(bytes: Buffer, nonFiniteIn: ReadonlySet<string> | 'everywhere'): unknown {
  const ranges: JsonRange[] = [];
  scanJson(bytes, {nonFiniteIn, onNonFinite: (range) => ranges.push(range)});
  let text = '';
  let at = 0;
  for (const {start, end} of ranges) {
    text += `${bytes.toString('utf8', at, start)}"${MARK}${bytes.toString('latin1', start, end)}"`;
    at = end;
  }
  text += bytes.toString('utf8', at);
  return JSON.parse(text, (_, value: unknown) => (typeof value === 'string' && value.startsWith(MARK) ? Number(value.slice(MARK.length)) : value));
}
