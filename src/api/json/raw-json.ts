import {looseJson} from '../../lib/non-finite.ts';

/** JSON text that goes into an answer as it is: a stored result or event, which may be tens of megabytes. */
export class RawJson {
  readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    this.bytes = bytes;
  }

  static of(text: string): RawJson {
    return new RawJson(Buffer.from(text));
  }
}

/** JSON text of many megabytes that goes into an answer as it is, read piece by piece while the answer leaves. May be read once. */
export class StreamedJson {
  /** Bytes. */
  readonly size: number;
  readonly pieces: AsyncIterable<Buffer>;

  constructor(size: number, pieces: AsyncIterable<Buffer>) {
    this.size = size;
    this.pieces = pieces;
  }
}

/** An answer too large to be put together before it leaves. */
export class LargeAnswer {
  /** Bytes. */
  readonly size: number;
  readonly #parts: readonly (Buffer | StreamedJson)[];

  constructor(parts: readonly (Buffer | StreamedJson)[]) {
    this.#parts = parts;
    this.size = sizeOf(parts);
  }

  async *pieces(): AsyncGenerator<Buffer> {
    for (const part of this.#parts) {
      if (part instanceof StreamedJson) yield* part.pieces;
      else for (let at = 0; at < part.length; at += PIECE_BYTES) yield part.subarray(at, at + PIECE_BYTES);
    }
  }
}

/** What is handed to a connection at once: one that does not take it has no more than this waiting. */
const PIECE_BYTES = 256 * 1024;

/** Up to here an answer is put together, which is quicker. */
const WHOLE_BYTES = 1024 * 1024;

function sizeOf(parts: readonly (Buffer | StreamedJson)[]): number {
  return parts.reduce((sum, part) => sum + (part instanceof StreamedJson ? part.size : part.length), 0);
}

/** A member of an answer: any JSON value, or text that is JSON already; nested objects may carry such text too. */
export type JsonMembers = {readonly [name: string]: unknown};

/** An object as JSON bytes. Members that are `undefined` are left out. {@link RawJson} and {@link StreamedJson} are found at the first two levels. */
export function encodeJson(members: JsonMembers): Buffer | LargeAnswer {
  const parts: (Buffer | StreamedJson)[] = [];
  let text = '';
  const write = (object: JsonMembers): void => {
    let separator = '{';
    for (const [name, value] of Object.entries(object)) {
      if (value === undefined) continue;
      text += `${separator}${JSON.stringify(name)}:`;
      separator = ',';
      if (value instanceof RawJson || value instanceof StreamedJson) {
        parts.push(Buffer.from(text), value instanceof RawJson ? value.bytes : value);
        text = '';
      } else if (hasRaw(value)) write(value);
      else text += looseJson(value);
    }
    text += separator === '{' ? '{}' : '}';
  };
  write(members);
  parts.push(Buffer.from(text));
  const isWhole = sizeOf(parts) <= WHOLE_BYTES && parts.every((part) => Buffer.isBuffer(part));
  return isWhole ? Buffer.concat(parts) : new LargeAnswer(parts);
}

function hasRaw(value: unknown): value is JsonMembers {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    Object.values(value).some((each) => each instanceof RawJson || each instanceof StreamedJson || hasRaw(each))
  );
}

/** Characters that are gathered before they become bytes. */
const CHUNK_CHARS = 65_536;

export interface ListOptions {
  /** Largest answer; the first item is written in any case. */
  readonly limitBytes: number;
  /** Called after each item; may let other requests run. What it throws ends the writing. */
  readonly pause: () => Promise<void> | undefined;
  /** Members that stand after the list. */
  readonly more?: Readonly<Record<string, unknown>>;
}

export interface EncodedList {
  readonly parts: readonly Buffer[];
  readonly bytes: number;
  /** Items written: fewer than there are when the limit was met. */
  readonly count: number;
  readonly isWhole: boolean;
}

/** `{"<name>": [items], …more}` as JSON bytes, as many items as the limit allows. */
export async function encodeList(name: string, items: Iterable<unknown>, {limitBytes, pause, more = {}}: ListOptions): Promise<EncodedList> {
  const parts: Buffer[] = [];
  let bytes = 0;
  let count = 0;
  let text = `{${JSON.stringify(name)}:[`;
  let isWhole = true;
  const flush = (): void => {
    const part = Buffer.from(text);
    parts.push(part);
    bytes += part.length;
    text = '';
  };
  for (const item of items) {
    const json = looseJson(item);
    // Characters are at least as many bytes; what this lets through beyond the limit is less than one chunk's worth.
    if (count > 0 && bytes + text.length + json.length > limitBytes) {
      isWhole = false;
      break;
    }
    text += count > 0 ? `,${json}` : json;
    count++;
    if (text.length > CHUNK_CHARS) flush();
    await pause();
  }
  text += ']';
  for (const [member, value] of Object.entries(more)) text += `,${JSON.stringify(member)}:${looseJson(value)}`;
  text += '}';
  flush();
  return {parts, bytes, count, isWhole};
}
