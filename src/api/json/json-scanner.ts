import {ownTurn} from '../../lib/turn.ts';

/** Where a member's value stands in the bytes: `[start, end)`. */
export interface JsonRange {
  readonly start: number;
  readonly end: number;
}

/** Not JSON. `message` is what Python's json module would say, with line, column and character. */
export class JsonSyntaxError extends Error {}

/** Deeper nesting is refused: whoever reads the text later may recurse. */
export const MAX_DEPTH = 1000;

/** Longer numbers are refused: they are read in one go. */
const MAX_DIGITS = 1 << 20;

/** Up to here the place of an error is counted in lines and characters; further on that takes too long. */
const MAX_COUNTED = 1 << 20;

export interface ScanOptions {
  /**
   * Where the words `NaN`, `Infinity` and `-Infinity` may stand for numbers, as Python's json module writes and reads them: in these members of the
   * outermost object, or everywhere. JSON does not know them.
   */
  readonly nonFiniteIn?: ReadonlySet<string> | 'everywhere';
  /** Told where each of them stands. */
  readonly onNonFinite?: (range: JsonRange) => void;
}

/** What may come next. Numbers, since this is looked at once per token. */
const VALUE = 0;
const FIRST_VALUE = 1;
const FIRST_KEY = 2;
const KEY = 3;
const COLON = 4;
const COMMA = 5;
const END = 6;

const EXPECTED = [
  'Expecting value',
  'Expecting value',
  'Expecting property name enclosed in double quotes',
  'Expecting property name enclosed in double quotes',
  "Expecting ':' delimiter",
  "Expecting ',' delimiter",
  'Extra data',
] as const;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const MINUS = 0x2d;
const CAPITAL_I = 0x49;
const CAPITAL_N = 0x4e;
const TRUE = Buffer.from('true');
const FALSE = Buffer.from('false');
const NULL = Buffer.from('null');
const NAN = Buffer.from('NaN');
const INFINITY = Buffer.from('Infinity');
const MINUS_INFINITY = Buffer.from('-Infinity');

const NO_STRING = -1;

/**
 * Checks that bytes are JSON and notes where the members of the outermost object stand, without building any of the values.
 *
 * This is how a result of many megabytes is taken in: its text is stored as it came, and {@link advance} stops now and then so that others get their turn.
 */
export class JsonScanner {
  readonly #bytes: Buffer;
  readonly #options: ScanOptions;
  /** Per open container: whether it is an object. */
  readonly #stack: boolean[] = [];
  readonly #members = new Map<string, JsonRange>();
  #position = 0;
  /** How far the present {@link advance} goes. */
  #limit = 0;
  #expect = VALUE;
  /** Where the string began that is being read; and whether it is ASCII without escapes so far. */
  #stringStart = NO_STRING;
  #isPlain = true;
  #memberKey = '';
  #memberStart = 0;
  #takesNonFinite: boolean;

  constructor(bytes: Buffer, options: ScanOptions = {}) {
    this.#bytes = bytes;
    this.#options = options;
    this.#takesNonFinite = options.nonFiniteIn === 'everywhere';
  }

  /** The outermost object's members in the order of their first appearance; of a repeated name, the last value. Empty for anything but an object. */
  get members(): ReadonlyMap<string, JsonRange> {
    return this.#members;
  }

  /** Goes on for at least `count` bytes. @returns whether everything has been read. @throws JsonSyntaxError */
  advance(count: number): boolean {
    const bytes = this.#bytes;
    const limit = Math.min(bytes.length, this.#position + count);
    this.#limit = limit;
    if (this.#stringStart !== NO_STRING) this.#string();
    while (this.#position < limit) {
      const byte = bytes[this.#position] as number;
      if (byte === 0x20 || byte === 0x0a || byte === 0x0d || byte === 0x09) this.#position++;
      else this.#token(byte);
    }
    if (limit < bytes.length) return false;
    if (this.#expect !== END) this.#fail();
    return true;
  }

  #token(byte: number): void {
    switch (this.#expect) {
      case FIRST_VALUE:
        if (byte === 0x5d) return this.#close();
        return this.#value(byte);
      case VALUE:
        return this.#value(byte);
      case FIRST_KEY:
        if (byte === 0x7d) return this.#close();
        return this.#key(byte);
      case KEY:
        return this.#key(byte);
      case COLON:
        if (byte !== 0x3a) this.#fail();
        this.#position++;
        this.#expect = VALUE;
        return;
      case COMMA: {
        const isObject = this.#stack[this.#stack.length - 1] === true;
        if (byte === (isObject ? 0x7d : 0x5d)) return this.#close();
        if (byte !== 0x2c) this.#fail();
        this.#position++;
        this.#expect = isObject ? KEY : VALUE;
        return;
      }
      default:
        this.#fail();
    }
  }

  #key(byte: number): void {
    if (byte !== QUOTE) this.#fail();
    this.#openString();
  }

  #keyEnded(start: number, end: number): void {
    this.#expect = COLON;
    if (this.#stack.length > 1) return;
    const bytes = this.#bytes;
    this.#memberKey = this.#isPlain ? bytes.toString('latin1', start + 1, end - 1) : (JSON.parse(bytes.toString('utf8', start, end)) as string);
    const {nonFiniteIn} = this.#options;
    if (nonFiniteIn instanceof Set) this.#takesNonFinite = nonFiniteIn.has(this.#memberKey);
  }

  #value(byte: number): void {
    if (this.#stack.length === 1) this.#memberStart = this.#position;
    switch (byte) {
      case 0x7b:
        return this.#open(true);
      case 0x5b:
        return this.#open(false);
      case QUOTE:
        return this.#openString();
      case 0x74:
        this.#literal(TRUE);
        break;
      case 0x66:
        this.#literal(FALSE);
        break;
      case 0x6e:
        this.#literal(NULL);
        break;
      case CAPITAL_N:
        this.#nonFinite(NAN);
        break;
      case CAPITAL_I:
        this.#nonFinite(INFINITY);
        break;
      default:
        if (byte === MINUS && this.#bytes[this.#position + 1] === CAPITAL_I) this.#nonFinite(MINUS_INFINITY);
        else this.#number();
    }
    this.#ended();
  }

  #open(isObject: boolean): void {
    if (this.#stack.length === MAX_DEPTH) throw new JsonSyntaxError('nested too deeply');
    this.#stack.push(isObject);
    this.#position++;
    this.#expect = isObject ? FIRST_KEY : FIRST_VALUE;
  }

  #close(): void {
    this.#stack.pop();
    this.#position++;
    this.#ended();
  }

  #ended(): void {
    const depth = this.#stack.length;
    if (depth === 1 && this.#stack[0] === true) this.#members.set(this.#memberKey, {start: this.#memberStart, end: this.#position});
    this.#expect = depth === 0 ? END : COMMA;
  }

  #openString(): void {
    this.#stringStart = this.#position;
    this.#isPlain = true;
    this.#position++;
    this.#string();
  }

  /** Reads on in a string, which may go beyond the limit and is then gone on with later. */
  #string(): void {
    const bytes = this.#bytes;
    const limit = this.#limit;
    let at = this.#position;
    while (at < limit) {
      const byte = bytes[at] as number;
      if (byte >= 0x20 && byte < 0x80 && byte !== QUOTE && byte !== BACKSLASH) at++; // As good as always.
      else if (byte === QUOTE) return this.#stringEnded(at + 1);
      else if (byte < 0x20) return this.#failAt('Invalid control character at', at);
      else {
        this.#isPlain = false;
        at += byte === BACKSLASH ? this.#escape(at) : 1;
      }
    }
    this.#position = at;
    if (at >= bytes.length) this.#failAt('Unterminated string starting at', this.#stringStart);
  }

  #stringEnded(end: number): void {
    const start = this.#stringStart;
    this.#stringStart = NO_STRING;
    this.#position = end;
    if (this.#expect === KEY || this.#expect === FIRST_KEY) this.#keyEnded(start, end);
    else this.#ended();
  }

  /** The length of the escape at `at`. */
  #escape(at: number): number {
    const letter = String.fromCharCode(this.#bytes[at + 1] ?? 0);
    if ('"\\/bfnrt'.includes(letter)) return 2;
    if (letter !== 'u') return this.#failAt('Invalid \\escape', at);
    if (!/^[0-9a-fA-F]{4}$/.test(this.#bytes.toString('latin1', at + 2, at + 6))) return this.#failAt('Invalid \\uXXXX escape', at + 1);
    return 6;
  }

  #literal(text: Buffer): void {
    for (let i = 0; i < text.length; i++) if (this.#bytes[this.#position + i] !== text[i]) this.#fail();
    this.#position += text.length;
  }

  #nonFinite(text: Buffer): void {
    if (!this.#takesNonFinite) this.#fail();
    const start = this.#position;
    this.#literal(text);
    this.#options.onNonFinite?.({start, end: this.#position});
  }

  #number(): void {
    const bytes = this.#bytes;
    let at = this.#position;
    if (bytes[at] === MINUS) at++;
    if (bytes[at] === 0x30) at++;
    else {
      const first = at;
      at = this.#digits(at);
      if (at === first) this.#fail();
    }
    // As in Python, what follows a number wrongly (`1.x`) is found by the next token.
    if (bytes[at] === 0x2e && isDigit(bytes[at + 1])) {
      at = this.#digits(at + 2);
    }
    if (bytes[at] === 0x65 || bytes[at] === 0x45) {
      const sign = bytes[at + 1] === 0x2b || bytes[at + 1] === 0x2d ? 1 : 0;
      if (isDigit(bytes[at + 1 + sign])) at = this.#digits(at + 2 + sign);
    }
    this.#position = at;
  }

  /** Where the digits from `start` on end. */
  #digits(start: number): number {
    const bytes = this.#bytes;
    let at = start;
    while (isDigit(bytes[at])) if (++at - start > MAX_DIGITS) throw new JsonSyntaxError('a number has too many digits');
    return at;
  }

  #fail(): never {
    return this.#failAt(EXPECTED[this.#expect] ?? 'Expecting value', this.#position);
  }

  #failAt(what: string, at: number): never {
    if (at > MAX_COUNTED) throw new JsonSyntaxError(`${what}: byte ${at}`);
    const before = this.#bytes.toString('utf8', 0, at);
    const lines = before.split('\n');
    throw new JsonSyntaxError(`${what}: line ${lines.length} column ${(lines.at(-1) as string).length + 1} (char ${before.length})`);
  }
}

function isDigit(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x30 && byte <= 0x39;
}

/** Reads small bytes in one go. @throws JsonSyntaxError */
export function scanJson(bytes: Buffer, options?: ScanOptions): ReadonlyMap<string, JsonRange> {
  const scanner = new JsonScanner(bytes, options);
  scanner.advance(Number.POSITIVE_INFINITY);
  return scanner.members;
}

/** About 5 ms of work. */
const SLICE_BYTES = 1 << 20;

/** Reads bytes of any size, letting other requests run in between. @throws JsonSyntaxError */
export async function scanLargeJson(bytes: Buffer, options?: ScanOptions): Promise<ReadonlyMap<string, JsonRange>> {
  const scanner = new JsonScanner(bytes, options);
  if (bytes.length > SLICE_BYTES) await ownTurn();
  while (!scanner.advance(SLICE_BYTES)) await ownTurn();
  return scanner.members;
}
