import {JsonSyntaxError, MAX_DEPTH} from './json-scanner.ts';
import type {JsonRange} from './json-scanner.ts';

/**
 * Where a member's value stands in an object that JSON.parse has taken; of a repeated name, the last. The name has letters, digits and `_` only.
 *
 * Unlike the scanner it checks nothing, and takes a quarter of the time.
 *
 * @throws JsonSyntaxError nested too deeply
 */
export function findMember(bytes: Buffer, name: string): JsonRange | undefined {
  let found: JsonRange | undefined;
  eachMember(bytes, 0, (keyStart, keyEnd, start, end) => {
    // Two quotes, and five bytes more for each letter written as `\u006e`: few others need to be decoded.
    if ((keyEnd - keyStart - 2 - name.length) % 5 === 0 && nameAt(bytes, keyStart, keyEnd) === name) found = {start, end};
  });
  return found;
}

/** The names in the object that begins at `start`, as they were written; JSON.parse moves those that look like numbers to the front. */
export function memberNames(bytes: Buffer, start: number): string[] {
  const names = new Set<string>();
  eachMember(bytes, start, (keyStart, keyEnd) => names.add(nameAt(bytes, keyStart, keyEnd)));
  return [...names];
}

/** Checks that an object that JSON.parse has taken is not nested too deeply. @throws JsonSyntaxError naming the member that is */
export function requireShallow(bytes: Buffer): void {
  if (bytes.length > 2 * MAX_DEPTH) eachMember(bytes, 0, () => {}); // A level takes two bytes.
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;

function eachMember(bytes: Buffer, objectStart: number, visit: (keyStart: number, keyEnd: number, start: number, end: number) => void): void {
  let at = skipBlanks(bytes, objectStart) + 1;
  for (;;) {
    const keyStart = skipBlanks(bytes, at);
    if (bytes[keyStart] !== QUOTE) return; // An object without members.
    const keyEnd = endOfString(bytes, keyStart);
    const start = skipBlanks(bytes, skipBlanks(bytes, keyEnd) + 1);
    const end = endOfValue(bytes, start);
    if (end === undefined) throw new JsonSyntaxError(`'${nameAt(bytes, keyStart, keyEnd)}': nested too deeply`);
    visit(keyStart, keyEnd, start, end);
    at = skipBlanks(bytes, end);
    if (bytes[at] !== COMMA) return;
    at++;
  }
}

function skipBlanks(bytes: Buffer, start: number): number {
  let at = start;
  while ((bytes[at] as number) <= 0x20) at++;
  return at;
}

function endOfString(bytes: Buffer, start: number): number {
  let at = start + 1;
  while (bytes[at] !== QUOTE) at += bytes[at] === BACKSLASH ? 2 : 1;
  return at + 1;
}

/** `undefined`: nested too deeply. */
function endOfValue(bytes: Buffer, start: number): number | undefined {
  let depth = 1; // The object around it.
  let at = start;
  do {
    switch (bytes[at]) {
      case QUOTE:
        at = endOfString(bytes, at);
        break;
      case 0x7b:
      case 0x5b:
        if (depth === MAX_DEPTH) return undefined;
        depth++;
        at++;
        break;
      case 0x7d:
      case 0x5d:
        depth--;
        at++;
        break;
      default:
        at++;
    }
  } while (depth > 1 || !isEnd(bytes[at] as number));
  return at;
}

/** Whether a byte cannot belong to a number or a word. */
function isEnd(byte: number): boolean {
  return byte <= 0x20 || byte === COMMA || byte === 0x7d || byte === 0x5d;
}

function nameAt(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start + 1, end - 1);
  return text.includes('\\') ? (JSON.parse(`"${text}"`) as string) : text;
}
