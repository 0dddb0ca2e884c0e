/** What a pattern may not have, or has wrongly; the message says which. */
export class PatternError extends Error {}

/** How a pattern is read: `i` any case, `m` lines, `s` dot takes line ends, `x` blanks and comments mean nothing. */
export interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
  readonly x: boolean;
}

export type Place = 'text start' | 'text end' | 'last line end' | 'line start' | 'line end' | 'word edge' | 'no word edge';

/** Code points from and to, both included. */
export type Range = readonly [number, number];

export type Node =
  | {readonly kind: 'set'; readonly ranges: readonly Range[]; readonly isNegated: boolean}
  | {readonly kind: 'place'; readonly place: Place}
  | {readonly kind: 'sequence'; readonly nodes: readonly Node[]}
  | {readonly kind: 'choice'; readonly nodes: readonly Node[]}
  | {readonly kind: 'repeat'; readonly node: Node; readonly min: number; readonly max: number};

const LAST = 0x10ffff;
const DIGITS: readonly Range[] = [[0x30, 0x39]];
const WORDS: readonly Range[] = [
  [0x30, 0x39],
  [0x41, 0x5a],
  [0x5f, 0x5f],
  [0x61, 0x7a],
];
const SPACES: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
];

/** Everything outside `ranges`, which are sorted and apart. */
function outside(ranges: readonly Range[]): Range[] {
  const found: Range[] = [];
  let from = 0;
  for (const [low, high] of ranges) {
    if (low > from) found.push([from, low - 1]);
    from = high + 1;
  }
  return [...found, [from, LAST]];
}

/** The sets that a letter after a backslash stands for. */
const SETS: Readonly<Record<string, readonly Range[]>> = {
  d: DIGITS,
  D: outside(DIGITS),
  w: WORDS,
  W: outside(WORDS),
  s: SPACES,
  S: outside(SPACES),
};
const PLACES: Readonly<Record<string, Place>> = {b: 'word edge', B: 'no word edge', A: 'text start', z: 'text end', Z: 'last line end'};
const CONTROLS: Readonly<Record<string, number>> = {n: 0x0a, r: 0x0d, t: 0x09, f: 0x0c, v: 0x0b, a: 0x07, e: 0x1b, 0: 0};

const MAX_NESTING = 50;
const MAX_COUNT = 1000;

/**
 * Reads a pattern in PCRE's notation, as far as it can be matched in linear time.
 *
 * @throws PatternError for what cannot (look-around, references back) or is not known
 */
export function parsePattern(pattern: string, flags: Flags): Node {
  const inline = /^\(\?([imsx]+)\)/.exec(pattern);
  const more = inline?.[1] ?? '';
  const has = (flag: keyof Flags): boolean => flags[flag] || more.includes(flag);
  const all = {i: has('i'), m: has('m'), s: has('s'), x: has('x')};
  return new Parser(pattern.slice(inline?.[0].length ?? 0), all).parse();
}

class Parser {
  readonly #chars: readonly string[];
  readonly #flags: Flags;
  #at = 0;
  #nesting = 0;

  constructor(pattern: string, flags: Flags) {
    this.#chars = Array.from(pattern);
    this.#flags = flags;
  }

  parse(): Node {
    const node = this.#choice();
    if (this.#at < this.#chars.length) throw new PatternError('has a ) too many');
    return node;
  }

  #choice(): Node {
    const nodes = [this.#sequence()];
    while (this.#takes('|')) nodes.push(this.#sequence());
    return nodes.length === 1 ? (nodes[0] as Node) : {kind: 'choice', nodes};
  }

  #sequence(): Node {
    const nodes: Node[] = [];
    for (;;) {
      this.#skipBlanks();
      const char = this.#peek();
      if (char === undefined || char === '|' || char === ')') return {kind: 'sequence', nodes};
      nodes.push(this.#repeated(this.#atom()));
    }
  }

  #repeated(node: Node): Node {
    this.#skipBlanks();
    const count = this.#count();
    if (count === undefined) return node;
    this.#takes('?'); // Lazy or not changes what is matched, not whether.
    if (this.#takes('+')) throw new PatternError('has a possessive quantifier, which is not offered');
    this.#skipBlanks();
    if (this.#count() !== undefined) throw new PatternError('has a quantifier without anything to repeat');
    return {kind: 'repeat', node, ...count};
  }

  #count(): {min: number; max: number} | undefined {
    if (this.#takes('*')) return {min: 0, max: Infinity};
    if (this.#takes('+')) return {min: 1, max: Infinity};
    if (this.#takes('?')) return {min: 0, max: 1};
    const braces = this.#peek() === '{' ? /^\{(\d+)(,(\d*))?\}/.exec(this.#chars.slice(this.#at, this.#at + 24).join('')) : null;
    if (braces === null) return undefined; // A { that begins no count stands for itself.
    this.#at += braces[0].length;
    const min = Number(braces[1]);
    const max = braces[2] === undefined ? min : braces[3] === '' ? Infinity : Number(braces[3]);
    if (min > max) throw new PatternError(`repeats from ${min} to ${max} times`);
    if (min > MAX_COUNT || (max > MAX_COUNT && max !== Infinity)) throw new PatternError(`repeats more than ${MAX_COUNT} times`);
    return {min, max};
  }

  #atom(): Node {
    const char = this.#next();
    switch (char) {
      case '.':
        return this.#flags.s ? set([[0, LAST]]) : set([[0x0a, 0x0a]], true);
      case '^':
        return {kind: 'place', place: this.#flags.m ? 'line start' : 'text start'};
      case '$':
        return {kind: 'place', place: this.#flags.m ? 'line end' : 'last line end'};
      case '(':
        return this.#group();
      case '[':
        return this.#class();
      case '\\':
        return this.#escaped();
      case '*':
      case '+':
      case '?':
        throw new PatternError(`has a ${char} without anything to repeat`);
      default:
        return set([only(char)]);
    }
  }

  #group(): Node {
    if (this.#takes('?')) {
      if (this.#takes('P') && this.#peek() !== '<') throw new PatternError('has a group of a kind that is not offered');
      const next = this.#next();
      if (next === '<' && this.#peek() !== '=' && this.#peek() !== '!') {
        while (this.#next() !== '>');
      } else if (next === '=' || next === '!' || next === '<') throw new PatternError('looks around, which is not offered');
      else if (next !== ':') throw new PatternError(`has a group of a kind that is not offered: (?${next}`);
    } else if (this.#peek() === '*') throw new PatternError('has a verb, which is not offered');
    if (++this.#nesting > MAX_NESTING) throw new PatternError(`has more than ${MAX_NESTING} groups inside each other`);
    const node = this.#choice();
    this.#nesting--;
    if (!this.#takes(')')) throw new PatternError('has a group without an end');
    return node;
  }

  #escaped(): Node {
    const char = this.#next();
    const place = PLACES[char];
    if (place !== undefined) return {kind: 'place', place};
    if (/[1-9gk]/.test(char)) throw new PatternError(`refers back with \\${char}, which is not offered`);
    return set(SETS[char] ?? [only(this.#escapedChar(char))]);
  }

  /** The character that `char` after a backslash means. */
  #escapedChar(char: string): string {
    const control = CONTROLS[char];
    if (control !== undefined) return String.fromCodePoint(control);
    if (char === 'x') return this.#hexChar();
    if (/[0-9A-Za-z]/.test(char)) throw new PatternError(`has \\${char}, which is not offered`);
    return char;
  }

  #hexChar(): string {
    const hex = /^(?:([0-9A-Fa-f]{1,2})|\{([0-9A-Fa-f]{1,6})\})/.exec(this.#chars.slice(this.#at, this.#at + 8).join(''));
    const code = Number.parseInt(hex?.[1] ?? hex?.[2] ?? '', 16);
    if (hex === null || code > LAST) throw new PatternError('has \\x without a character');
    this.#at += hex[0].length;
    return String.fromCodePoint(code);
  }

  #class(): Node {
    const isNegated = this.#takes('^');
    const ranges: Range[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      const from = this.#classItem();
      if (typeof from !== 'string') {
        ranges.push(...from);
        continue;
      }
      const isRange = this.#peek() === '-' && this.#chars[this.#at + 1] !== ']';
      if (!isRange) {
        ranges.push(only(from));
        continue;
      }
      this.#at++;
      const to = this.#classItem();
      if (typeof to !== 'string') throw new PatternError('has a range that ends in a set');
      if (codeOf(to) < codeOf(from)) throw new PatternError(`has a range the wrong way round: ${from}-${to}`);
      ranges.push([codeOf(from), codeOf(to)]);
    }
    this.#at++;
    return set(ranges, isNegated);
  }

  #classItem(): string | readonly Range[] {
    const char = this.#next();
    if (char === '[' && /[:.=]/.test(this.#peek() ?? '')) throw new PatternError('has a named class, which is not offered');
    if (char !== '\\') return char;
    const escaped = this.#next();
    if (escaped === 'b') return '\b';
    return SETS[escaped] ?? this.#escapedChar(escaped);
  }

  #skipBlanks(): void {
    if (!this.#flags.x) return;
    for (;;) {
      const char = this.#peek();
      if (char === '#') while (this.#peek() !== undefined && this.#peek() !== '\n') this.#at++;
      else if (char !== undefined && /\s/.test(char)) this.#at++;
      else return;
    }
  }

  #peek(): string | undefined {
    return this.#chars[this.#at];
  }

  #next(): string {
    const char = this.#chars[this.#at];
    if (char === undefined) throw new PatternError('ends too early');
    this.#at++;
    return char;
  }

  #takes(char: string): boolean {
    if (this.#chars[this.#at] !== char) return false;
    this.#at++;
    return true;
  }
}

function codeOf(char: string): number {
  return char.codePointAt(0) as number;
}

function only(char: string): Range {
  return [codeOf(char), codeOf(char)];
}

function set(ranges: readonly Range[], isNegated = false): Node {
  return {kind: 'set', ranges, isNegated};
}
