import {randomUUID} from 'node:crypto';

/** Numbers that JSON has no word for, by the words of Python's json module. */
export const NON_FINITE_WORDS = ['NaN', 'Infinity', '-Infinity'] as const;
export type NonFiniteWord = (typeof NON_FINITE_WORDS)[number];

/** A random name, so that no text from outside is taken for one of our marks. */
const MARK = `non-finite ${randomUUID()} `;
const MARKED = new RegExp(`"${MARK}(NaN|-?Infinity)"`, 'g');

let isWriting = false;
let hasWritten = false;

/**
 * A number that JSON has no word for, in a value that is JSON otherwise: {@link looseJson} writes it as Python does.
 *
 * JSON.stringify would write a real one as `null`; this it writes as a string, `"NaN"`.
 */
export class NonFinite {
  readonly word: NonFiniteWord;

  constructor(word: NonFiniteWord) {
    this.word = word;
  }

  valueOf(): number {
    return Number(this.word);
  }

  toJSON(): string {
    if (!isWriting) return this.word;
    hasWritten = true;
    return MARK + this.word;
  }
}

/** As JSON.stringify, but {@link NonFinite} numbers as bare words. Without one in it, as fast. */
export function looseJson(value: unknown): string {
  isWriting = true;
  hasWritten = false;
  try {
    const text = JSON.stringify(value);
    return hasWritten ? text.replace(MARKED, '$1') : text;
  } finally {
    isWriting = false;
  }
}

/** The value with each number that is not finite as a {@link NonFinite}. What has none is not copied. */
export function withNonFinite(value: unknown): unknown {
  if (typeof value === 'number') return Number.isFinite(value) ? value : new NonFinite(String(value) as NonFiniteWord);
  return mapped(value, withNonFinite);
}

/** Where a {@link NonFinite} stands in a value, as a JSON pointer (RFC 6901), and which. */
export type NonFinitePlace = readonly [pointer: string, word: NonFiniteWord];

/** The value as strict JSON takes it, `null` in the place of each {@link NonFinite}, and those places. */
export function takeOutNonFinite<T>(value: T): {readonly value: T; readonly places: readonly NonFinitePlace[]} {
  const places: NonFinitePlace[] = [];
  const taken = (inner: unknown, pointer: string): unknown => {
    if (!(inner instanceof NonFinite)) return mapped(inner, (member, name) => taken(member, `${pointer}/${escaped(name)}`));
    places.push([pointer, inner.word]);
    return null;
  };
  return {value: taken(value, '') as T, places};
}

/** Undoes {@link takeOutNonFinite} in place. A pointer to nowhere is passed over. */
export function putBackNonFinite(value: object, places: readonly NonFinitePlace[]): void {
  for (const [pointer, word] of places) {
    const names = pointer.split('/').slice(1).map(unescaped);
    const last = names.pop();
    let target: unknown = value;
    for (const name of names) target = isObject(target) && Object.hasOwn(target, name) ? target[name] : undefined;
    if (last !== undefined && isObject(target) && Object.hasOwn(target, last)) target[last] = new NonFinite(word);
  }
}

/** The same value when `map` changes no member, else a copy. */
function mapped(value: unknown, map: (member: unknown, name: string) => unknown): unknown {
  if (!isObject(value)) return value;
  let copy: Record<string, unknown> | undefined;
  for (const name of Object.keys(value)) {
    const member = map(value[name], name);
    if (member === value[name]) continue;
    copy ??= (Array.isArray(value) ? [...(value as unknown[])] : {...value}) as Record<string, unknown>;
    copy[name] = member;
  }
  return copy ?? value;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null;
}

function escaped(name: string): string {
  return name.replaceAll('~', '~0').replaceAll('/', '~1');
}

function unescaped(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
