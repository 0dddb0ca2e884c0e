/** Longest text that is kept whole to recognise an equal value. */
const MAX_TEXT = 2048;
/** Lengths of strings that are looked up: shorter ones the engine shares by itself, longer ones are ids and digests, which do not come again. */
const MIN_STRING = 11;
const MAX_STRING = 31;
/** Kinds of values of which many are equal, text for text. */
const REPETITIVE: ReadonlySet<string> = new Set(['owner', 'leader', 'chain', 'control', 'state', 'cluster']);
const EMPTY_ARRAY: readonly never[] = Object.freeze([]);
const EMPTY_OBJECT: Readonly<Record<string, never>> = Object.freeze({});

/**
 * Remembers up to about `2 × capacity` recent entries: a young and an old generation, where what is used moves back to the young one.
 * Cheaper than a list in order of use, and bounded as well.
 */
class RecentMap<V> {
  readonly #capacity: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get(key: string): V | undefined {
    let value = this.#young.get(key);
    if (value === undefined) {
      value = this.#old.get(key);
      if (value !== undefined) this.set(key, value);
    }
    return value;
  }

  set(key: string, value: V): void {
    if (this.#young.size >= this.#capacity) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(key, value);
  }
}

/**
 * Lets equal parts of parsed values share one copy, since most scans differ in a few ids and times only.
 *
 * What it returns is frozen, at every depth.
 */
export class Sharing {
  readonly #strings = new RecentMap<string>(4096);
  readonly #arrays = new RecentMap<readonly unknown[]>(1024);
  readonly #values = new Map<string, RecentMap<object>>();

  /** The value of `text` as `parse` gives it; a text seen lately under the same `kind` is not parsed again. */
  parsed<T extends object>(kind: string, text: string, parse: () => T): T {
    if (!REPETITIVE.has(kind) || text.length > MAX_TEXT) return this.#shareInside(parse()) as T;
    let known = this.#values.get(kind);
    if (known === undefined) this.#values.set(kind, (known = new RecentMap(512)));
    const before = known.get(text);
    if (before !== undefined) return before as T;
    const value = this.#shareInside(parse()) as T;
    known.set(text, value);
    return value;
  }

  /** A value of our own making, with its parts shared. */
  shared<T extends object>(value: T): T {
    return this.#shareInside(value) as T;
  }

  /** One copy of a string that comes often. */
  string(text: string): string {
    const before = this.#strings.get(text);
    if (before !== undefined) return before;
    this.#strings.set(text, text);
    return text;
  }

  #shareInside(value: unknown): unknown {
    if (typeof value === 'string') return value.length >= MIN_STRING && value.length <= MAX_STRING ? this.string(value) : value;
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return this.#shareArray(value);
    const object = value as Record<string, unknown>;
    let empty = true;
    for (const name in object) {
      empty = false;
      const inner = object[name];
      if (typeof inner === 'object' || typeof inner === 'string') object[name] = this.#shareInside(inner);
    }
    return empty ? EMPTY_OBJECT : Object.freeze(object);
  }

  /** Short lists of plain things (`nsides`, `request_clusters`) come again in scan after scan. */
  #shareArray(array: unknown[]): readonly unknown[] {
    if (array.length === 0) return EMPTY_ARRAY;
    if (array.length > 8 || !array.every(isPlainPair)) {
      for (let i = 0; i < array.length; i++) array[i] = this.#shareInside(array[i]);
      return Object.freeze(array);
    }
    const text = JSON.stringify(array);
    const before = this.#arrays.get(text);
    if (before !== undefined) return before;
    for (const inner of array) if (Array.isArray(inner)) Object.freeze(inner);
    this.#arrays.set(text, Object.freeze(array));
    return array;
  }
}

/** A scalar, or a short list of scalars. */
function isPlainPair(value: unknown): boolean {
  if (value === null || typeof value !== 'object') return true;
  return Array.isArray(value) && value.length <= 4 && value.every((inner) => inner === null || typeof inner !== 'object');
}
