import {isUtf8} from 'node:buffer';
import {ownTurn} from '../../lib/turn.ts';
import {scanLargeJson} from './json-scanner.ts';
import type {JsonRange, ScanOptions} from './json-scanner.ts';

/** A JSON object without the value of one member, which may have many megabytes. */
export interface Outline {
  /** The object as JSON text, with a stand-in of the same type for that value: `{}` or `{"":0}`, `[]`, `""` or `" "`; other values as they are. */
  readonly text: Buffer;
  /** Where the value stands in the whole; `undefined` if there is none. */
  readonly range: JsonRange | undefined;
}

/** Checks JSON of any size, letting other requests run in between, and leaves out the value of one outermost member. @throws JsonSyntaxError */
export async function outlineOf(bytes: Buffer, member: string, options?: ScanOptions): Promise<Outline> {
  const range = (await scanLargeJson(bytes, options)).get(member);
  if (range === undefined) return {text: bytes, range};
  const text = Buffer.concat([bytes.subarray(0, range.start), Buffer.from(standIn(bytes, range)), bytes.subarray(range.end)]);
  return {text, range};
}

/** Whether bytes are UTF-8, letting other requests run in between. */
export async function isLargeUtf8(bytes: Buffer): Promise<boolean> {
  for (let at = 0; at < bytes.length;) {
    let to = Math.min(at + UTF8_BYTES, bytes.length);
    while (to < bytes.length && ((bytes[to] as number) & 0xc0) === 0x80) to++; // Inside a character.
    if (bytes.length > UTF8_BYTES) await ownTurn();
    if (!isUtf8(bytes.subarray(at, to))) return false;
    at = to;
  }
  return true;
}

/** A short text that passes or fails a check of types as the value would. */
export function standIn(bytes: Buffer, {start, end}: JsonRange): string {
  switch (bytes[start]) {
    case 0x7b:
      return isBlank(bytes, start + 1, end - 1) ? '{}' : '{"":0}';
    case 0x5b:
      return '[]';
    case 0x22:
      return end - start === 2 ? '""' : '" "';
    case 0x49:
    case 0x4e:
      return '0'; // `NaN` and the like count as numbers.
    default:
      return bytes[start + 1] === 0x49 ? '0' : bytes.toString('latin1', start, end);
  }
}

function isBlank(bytes: Buffer, start: number, end: number): boolean {
  let at = start;
  while (at < end && (bytes[at] as number) <= 0x20) at++;
  return at >= end;
}

/** Bytes whose encoding is checked in one go. */
const UTF8_BYTES = 4 << 20;
/** Bytes of a string that are decoded in one go. */
const SLICE_BYTES = 1 << 20;
const BACKSLASH = 0x5c;

/** The text of a JSON string of any size, given with its quotes and known to be valid, as UTF-8; other requests run in between. */
export async function decodeLargeString(bytes: Buffer): Promise<Buffer> {
  const text = Buffer.allocUnsafeSlow(bytes.length); // No escape is shorter than what it stands for.
  const end = bytes.length - 1;
  let length = 0;
  for (let at = 1; at < end;) {
    const to = sliceEnd(bytes, at, end);
    length += text.write(JSON.parse(`"${bytes.toString('utf8', at, to)}"`) as string, length);
    at = to;
    await ownTurn();
  }
  return text.subarray(0, length);
}

/** The end of a slice that cuts no character, no escape and no pair of escapes. */
function sliceEnd(bytes: Buffer, start: number, end: number): number {
  let at = start + SLICE_BYTES;
  // After so many bytes without a backslash no escape goes on, nor a pair of them, which has twelve bytes.
  for (let plain = 0; at < end && plain < 12; at++) plain = bytes[at] === BACKSLASH ? 0 : plain + 1;
  while (at < end && ((bytes[at] as number) & 0xc0) === 0x80) at++; // Inside a character.
  return Math.min(at, end);
}
