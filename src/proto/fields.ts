import {FieldError} from './error.ts';
import {isState} from './state.ts';
import type {State} from './state.ts';
import {ZERO_TIME, formatTime} from './time.ts';

/** Turns a decoded JSON value into a `T`. `at` is its path, for errors. @throws FieldError */
export type Decoder<T> = (value: unknown, at?: string) => T;

const MAX_DEPTH = 1000;
const INT64_MIN = -(2n ** 63n);
const INT64_MAX = 2n ** 63n - 1n;
const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/**
 * The members of one JSON object, read as Go reads them: what is missing or `null` has the zero value of its type, members that nobody asks for are ignored.
 * No error repeats a text or anything of an argument: it may be a secret.
 */
export class Fields {
  readonly #members: ReadonlyMap<string, unknown>;
  readonly #at: string;
  readonly #anyCase: boolean;

  /** @param anyCase whether names match in any case; of several that do, the last one counts */
  constructor(value: unknown, at: string, {anyCase = false}: {readonly anyCase?: boolean} = {}) {
    const entries = Object.entries(objectOf(value ?? {}, at));
    this.#members = new Map(anyCase ? entries.map(([name, member]) => [name.toLowerCase(), member]) : entries);
    this.#at = at;
    this.#anyCase = anyCase;
  }

  path(name: string): string {
    return join(this.#at, name);
  }

  /** The member as it came; `undefined` when it is missing or `null`. */
  raw(name: string): unknown {
    return this.#members.get(this.#anyCase ? name.toLowerCase() : name) ?? undefined;
  }

  text(name: string): string {
    const value = this.raw(name) ?? '';
    if (typeof value !== 'string') throw this.#odd(name, 'a text', value);
    return value;
  }

  flag(name: string): boolean {
    const value = this.raw(name) ?? false;
    if (typeof value !== 'boolean') throw this.#odd(name, 'true or false', value);
    return value;
  }

  /** A whole number, negative ones too, that JavaScript's numbers hold. */
  integer(name: string): number {
    const value = this.raw(name) ?? 0;
    if (!Number.isSafeInteger(value)) throw this.#odd(name, 'a whole number', value);
    return value as number;
  }

  /** A whole number from 0. */
  count(name: string): number {
    return countOf(this.raw(name), this.path(name));
  }

  /** A whole number of 64 bits with its sign. */
  int64(name: string): bigint {
    const value = this.raw(name) ?? 0n;
    const whole = typeof value === 'bigint' ? value : Number.isSafeInteger(value) ? BigInt(value as number) : undefined;
    if (whole === undefined || whole < INT64_MIN || whole > INT64_MAX) throw this.#odd(name, 'a whole number of 64 bits', value);
    return whole;
  }

  oneOf<T extends string>(name: string, values: readonly T[]): T {
    const value = this.text(name);
    const found = values.find((one) => one === value);
    if (found === undefined) throw new FieldError(this.path(name), `expected one of ${values.join(', ')}`);
    return found;
  }

  state(name: string): State {
    const value = this.raw(name) ?? 0;
    if (!isState(value)) throw this.#odd(name, 'the number of a state', value);
    return value;
  }

  /** An RFC 3339 time, in UTC; empty where there is none. Go's zero time is none. */
  time(name: string): string {
    const value = this.raw(name) ?? ZERO_TIME;
    if (typeof value !== 'string') throw this.#odd(name, 'an RFC 3339 time', value);
    const text = formatTime(value, this.path(name));
    return text === ZERO_TIME ? '' : text;
  }

  base64(name: string): string {
    const value = this.text(name);
    if (value.length % 4 !== 0 || !BASE64.test(value)) throw new FieldError(this.path(name), 'expected base64');
    return value;
  }

  /** Any JSON value; `null` when it is missing. */
  json(name: string): unknown {
    return plain(this.raw(name) ?? null, this.path(name), 0);
  }

  list<T>(name: string, decode: Decoder<T>): T[] {
    return decodeList(this.raw(name), decode, this.path(name));
  }

  map<T>(name: string, decode: Decoder<T>): Record<string, T> {
    return decodeMap(this.raw(name), decode, this.path(name));
  }

  #odd(name: string, expected: string, value: unknown): FieldError {
    return odd(this.path(name), expected, value);
  }
}

/** A list; missing and `null` are an empty one. */
export function decodeList<T>(value: unknown, decode: Decoder<T>, at = ''): T[] {
  const list = value ?? [];
  if (!Array.isArray(list)) throw odd(at, 'a list', list);
  return list.map((item, index) => decode(item, `${at}[${index}]`));
}

/** An object whose members are all of one kind; missing and `null` are an empty one. */
export function decodeMap<T>(value: unknown, decode: Decoder<T>, at = ''): Record<string, T> {
  const members = Object.entries(objectOf(value ?? {}, at));
  // Members are defined, not assigned: `__proto__` is a name like any other.
  return Object.fromEntries(members.map(([name, member]) => [name, decode(member, join(at, name))]));
}

/** A whole number from 0. */
export function countOf(value: unknown, at = ''): number {
  const count = value ?? 0;
  if (!Number.isSafeInteger(count) || (count as number) < 0) throw odd(at, 'a whole number from 0', count);
  return count as number;
}

/** A text. */
export function textOf(value: unknown, at = ''): string {
  const text = value ?? '';
  if (typeof text !== 'string') throw odd(at, 'a text', text);
  return text;
}

/** Any JSON value. */
export function jsonOf(value: unknown, at = ''): unknown {
  return plain(value ?? null, at, 0);
}

/** `value` as plain JSON has it: its large integers are numbers, as for every other reader of free values. */
function plain(value: unknown, at: string, depth: number): unknown {
  if (depth > MAX_DEPTH) throw new FieldError(at, `nested deeper than ${MAX_DEPTH}`);
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'number' && !Number.isFinite(value)) throw odd(at, 'a number of 64 bits', value);
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((item) => plain(item, at, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, plain(member, at, depth + 1)]));
}

function objectOf(value: unknown, at: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw odd(at, 'an object', value);
  return value;
}

function join(at: string, name: string): string {
  return at === '' ? name : `${at}.${name}`;
}

function odd(at: string, expected: string, value: unknown): FieldError {
  return new FieldError(at, `expected ${expected}, got ${kindOf(value)}`);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return 'a text';
  if (typeof value === 'object') return 'an object';
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean' ? value.toString() : typeof value;
}
