import type {Range} from './syntax.ts';

const ASCII = 128;

/** Characters that one place of a pattern takes. */
export class CharSet {
  readonly #ranges: readonly Range[];
  readonly #isNegated: boolean;
  readonly #anyCase: boolean;
  /** Answers for the characters that nearly all texts are made of. */
  readonly #ascii = new Uint8Array(ASCII);

  constructor(ranges: readonly Range[], isNegated: boolean, anyCase: boolean) {
    this.#ranges = ranges;
    this.#isNegated = isNegated;
    this.#anyCase = anyCase;
    for (let code = 0; code < ASCII; code++) this.#ascii[code] = this.#find(code) ? 1 : 0;
  }

  /** @param code a code point; -1, none, is in no set */
  has(code: number): boolean {
    if (code < ASCII) return this.#ascii[code] === 1;
    return this.#find(code);
  }

  /** The one character in it, if that is all. */
  get only(): string | undefined {
    const [first] = this.#ranges;
    if (this.#isNegated || this.#anyCase || this.#ranges.length !== 1 || first === undefined || first[0] !== first[1]) return undefined;
    return String.fromCodePoint(first[0]);
  }

  #find(code: number): boolean {
    const isIn = (each: number): boolean => this.#ranges.some(([low, high]) => low <= each && each <= high);
    if (isIn(code)) return !this.#isNegated;
    if (!this.#anyCase) return this.#isNegated;
    const char = String.fromCodePoint(code);
    return [char.toLowerCase(), char.toUpperCase()].some((other) => isIn(singleCode(other))) !== this.#isNegated;
  }
}

/** The code point of a text of one character; -1 of a longer one, as `ß` is in capitals. */
function singleCode(text: string): number {
  const code = text.codePointAt(0) as number;
  return text.length === (code > 0xffff ? 2 : 1) ? code : -1;
}
