import {writeProgram} from './program.ts';
import type {Instruction} from './program.ts';
import {PatternError, parsePattern} from './syntax.ts';
import type {Flags, Place} from './syntax.ts';

export {PatternError} from './syntax.ts';

const FLAGS = /^[imsxu]*$/;

/**
 * A regular expression that never backtracks: all ways through the pattern are followed at once, character by character (Thompson, 1968), so that
 * no pattern takes more than linear time. It says whether there is a match, not where.
 *
 * Node's own backtracks, and one pattern of ten characters (`(a+)+b`) can hold a process for years. The price: no look-around, no references back.
 */
export class LinearRegExp {
  readonly #program: readonly Instruction[];
  readonly #literal: string | undefined;
  #now: Threads;
  #then: Threads;

  /** @throws PatternError `options` or `pattern` cannot be used; the message says why */
  constructor(pattern: string, options = '') {
    if (!FLAGS.test(options)) throw new PatternError(`has an option other than i, m, s, x, u: ${options}`);
    const has = (flag: string): boolean => options.includes(flag);
    const flags: Flags = {i: has('i'), m: has('m'), s: has('s'), x: has('x')};
    const anyCase = flags.i || /^\(\?[msx]*i/.test(pattern);
    this.#program = writeProgram(parsePattern(pattern, flags), anyCase);
    this.#literal = literalOf(this.#program);
    this.#now = new Threads(this.#program);
    this.#then = new Threads(this.#program);
  }

  /** How large it is, in instructions. */
  get size(): number {
    return this.#program.length;
  }

  /** Whether `text` matches somewhere. @param spend told of the steps taken; what it throws ends the search */
  test(text: string, spend: (steps: number) => void): boolean {
    if (this.#literal !== undefined) {
      spend(1 + (text.length >> 4)); // Node compares many characters at once.
      return text.includes(this.#literal);
    }
    const program = this.#program;
    this.#now.clear();
    let before = -1;
    let code = text.length > 0 ? (text.codePointAt(0) as number) : -1;
    const isAnchored = program[0]?.op === 'at' && program[0].place === 'text start';
    for (let at = 0; ;) {
      const length = code > 0xffff ? 2 : 1;
      const after = at + length < text.length ? (text.codePointAt(at + length) as number) : -1;
      // A match may begin anywhere; one that has begun earlier is no better, since only its being there counts.
      const [now, then] = [this.#now, this.#then];
      if (at === 0 || !isAnchored) now.add(0, before, code, after);
      spend(1 + now.visited + now.count);
      if (now.isDone) return true;
      if (code === -1 || (isAnchored && now.count === 0)) return false;
      const next = at + length < text.length ? after : -1;
      const afterNext = next === -1 ? -1 : codeAt(text, at + length + (next > 0xffff ? 2 : 1));
      then.clear();
      for (let i = 0; i < now.count; i++) {
        const instruction = program[now.list[i] as number] as Instruction;
        if (instruction.op === 'take' && instruction.set.has(code)) then.add((now.list[i] as number) + 1, code, next, afterNext);
      }
      [this.#now, this.#then] = [then, now];
      before = code;
      code = next;
      at += length;
    }
  }
}

function codeAt(text: string, at: number): number {
  return at < text.length ? (text.codePointAt(at) as number) : -1;
}

/** The text that is looked for, when the pattern is nothing else. */
function literalOf(program: readonly Instruction[]): string | undefined {
  let text = '';
  for (const instruction of program) {
    if (instruction.op === 'done') return text;
    const char = instruction.op === 'take' ? instruction.set.only : undefined;
    if (char === undefined) return undefined;
    text += char;
  }
  return undefined;
}

/** The places in the program that are alive before one character. */
class Threads {
  readonly #program: readonly Instruction[];
  readonly #seen: Uint32Array;
  readonly #stack: number[] = [];
  #round = 1;
  /** Instructions that wait for a character. */
  readonly list: Uint32Array;
  count = 0;
  visited = 0;
  isDone = false;

  constructor(program: readonly Instruction[]) {
    this.#program = program;
    this.#seen = new Uint32Array(program.length);
    this.list = new Uint32Array(program.length);
  }

  clear(): void {
    this.#round++;
    this.count = 0;
    this.visited = 0;
    this.isDone = false;
  }

  /** Follows all that needs no character. The code points are those around the place: before it, after it, and after that one. */
  add(from: number, before: number, next: number, afterNext: number): void {
    const stack = this.#stack;
    stack.push(from);
    for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
      if (this.#seen[at] === this.#round) continue;
      this.#seen[at] = this.#round;
      this.visited++;
      const instruction = this.#program[at] as Instruction;
      if (instruction.op === 'take') this.list[this.count++] = at;
      else if (instruction.op === 'done') this.isDone = true;
      else if (instruction.op === 'jump') stack.push(instruction.to);
      else if (instruction.op === 'fork') stack.push(instruction.second, instruction.first);
      else if (isAt(instruction.place, before, next, afterNext)) stack.push(at + 1);
    }
  }
}

const LINE_END = 0x0a;

function isAt(place: Place, before: number, next: number, afterNext: number): boolean {
  switch (place) {
    case 'text start':
      return before === -1;
    case 'text end':
      return next === -1;
    case 'last line end':
      return next === -1 || (next === LINE_END && afterNext === -1);
    case 'line start':
      return before === -1 || (before === LINE_END && next !== -1);
    case 'line end':
      return next === -1 || next === LINE_END;
    default:
      return (isWord(before) !== isWord(next)) === (place === 'word edge');
  }
}

function isWord(code: number): boolean {
  return (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || code === 0x5f || (code >= 0x61 && code <= 0x7a);
}
