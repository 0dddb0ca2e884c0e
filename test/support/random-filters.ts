import {seededRandom} from './seeded-random.ts';

export type Document = Record<string, unknown>;
export type Filter = Record<string, unknown>;

const NAMES = ['a', 'b', 'c', 'd'];
const TEXTS = ['', 'a', 'ab', 'b', 'Ab', 'abc', '$a', 'é'];
const PATTERNS: readonly (readonly [string, string?])[] = [['a'], ['^a'], ['b$'], ['^ab?$', 'i'], ['[b-c]'], ['a|c'], ['^.$'], ['a.c', 's'], ['z*']];
const TYPES = ['string', 'bool', 'object', 'null', 'number', 'int', 'array', 2, 3, 4, 8, 10, 16];

/** Documents and filters that hit them now and then; the same ones for the same seed. */
export class RandomFilters {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  document(): Document {
    return this.#object(3);
  }

  /** A filter for documents like this one. */
  filter(document: Document, depth = 2): Filter {
    const kind = this.#random();
    if (depth > 0 && kind < 0.3) {
      const inner = Array.from({length: 1 + this.#below(3)}, () => this.filter(document, depth - 1));
      return {[this.#one(['$and', '$or', '$nor'])]: inner};
    }
    const filter: Filter = {};
    for (let n = kind < 0.8 ? 1 : 2; n > 0; n--) {
      const path = this.#path(document);
      filter[path.join('.')] = this.#condition(valueAt(document, path), depth);
    }
    return filter;
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #one<T>(items: readonly T[]): T {
    return items[this.#below(items.length)] as T;
  }

  #object(depth: number): Document {
    return Object.fromEntries(Array.from({length: this.#below(4)}, () => [this.#one(NAMES), this.#value(depth - 1)]));
  }

  #value(depth: number): unknown {
    const kind = this.#random();
    if (depth > 0 && kind < 0.2) return this.#object(depth);
    if (depth > 0 && kind < 0.3) return Array.from({length: 1 + this.#below(2)}, () => this.#object(depth));
    if (depth > 0 && kind < 0.45) return Array.from({length: this.#below(4)}, () => this.#value(depth - 1));
    return this.#scalar();
  }

  #scalar(): unknown {
    const kind = this.#random();
    if (kind < 0.15) return null;
    if (kind < 0.3) return this.#random() < 0.5;
    if (kind < 0.65) return this.#one([-2, -1, 0, 1, 2, 3, 4, 0.5, 2.5, 1e10]);
    return this.#one(TEXTS);
  }

  #path(document: Document): string[] {
    const path: string[] = [];
    let value: unknown = document;
    for (let n = 0; n < 4; n++) {
      if (Array.isArray(value)) {
        if (this.#random() < 0.4) break;
        if (this.#random() < 0.6) value = value.find((each) => typeof each === 'object' && each !== null && !Array.isArray(each)) ?? value[0];
        else {
          const place = this.#below(value.length + 1);
          path.push(String(place));
          value = value[place];
          continue;
        }
      }
      const names = typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
      if (n > 0 && (names.length === 0 || this.#random() < 0.3)) break;
      const name = names.length > 0 && this.#random() < 0.9 ? this.#one(names) : this.#one(NAMES);
      path.push(name);
      value = (value as Document | undefined)?.[name];
    }
    return path.length === 0 ? [this.#one(NAMES)] : path;
  }

  /** What may be asked of a field that holds `value`. */
  #condition(value: unknown, depth: number): unknown {
    if (this.#random() < 0.15) return this.#operand(value);
    const operators: Filter = {};
    for (let n = this.#random() < 0.8 ? 1 : 2; n > 0; n--) this.#operator(operators, value, depth);
    return operators;
  }

  #operator(operators: Filter, value: unknown, depth: number): void {
    const name = this.#one([
      '$eq',
      '$ne',
      '$gt',
      '$gte',
      '$lt',
      '$lte',
      '$in',
      '$nin',
      '$exists',
      '$type',
      '$mod',
      '$regex',
      '$size',
      '$all',
      '$elemMatch',
      '$not',
    ]);
    switch (name) {
      case '$in':
      case '$nin':
      case '$all':
        operators[name] = Array.from({length: this.#below(4)}, () => this.#operand(value));
        return;
      case '$exists':
        operators[name] = this.#random() < 0.5;
        return;
      case '$type':
        operators[name] = this.#random() < 0.7 ? this.#one(TYPES) : [this.#one(TYPES), this.#one(TYPES)];
        return;
      case '$mod':
        operators[name] = [this.#one([1, 2, 3, -2]), this.#one([0, 0, 1, 2, -1])];
        return;
      case '$regex': {
        const [pattern, options] = this.#one(PATTERNS);
        operators['$regex'] = pattern;
        if (options !== undefined) operators['$options'] = options;
        return;
      }
      case '$size':
        operators[name] = this.#below(4);
        return;
      case '$not':
        if (depth > 0) operators[name] = this.#not(value, depth - 1);
        else operators['$ne'] = this.#operand(value);
        return;
      case '$elemMatch': {
        const element = Array.isArray(value) && value.length > 0 ? this.#one(value as unknown[]) : this.#value(1);
        const isObject = typeof element === 'object' && element !== null && !Array.isArray(element);
        if (depth === 0) operators['$eq'] = this.#operand(value);
        else operators[name] = isObject ? this.filter(element as Document, depth - 1) : this.#not(element, depth - 1);
        return;
      }
      default:
        operators[name] = this.#operand(value);
    }
  }

  #not(value: unknown, depth: number): Filter {
    const operators: Filter = {};
    this.#operator(operators, value, depth);
    return operators;
  }

  /** The value itself, an element of it, or another. */
  #operand(value: unknown): unknown {
    const kind = this.#random();
    if (Array.isArray(value) && value.length > 0 && kind < 0.5) return this.#one(value as unknown[]);
    if (value !== undefined && kind < 0.7) return value;
    return this.#value(2);
  }
}

/** What the path leads to, taking the first element where an array has no such place. */
function valueAt(document: unknown, path: readonly string[]): unknown {
  let value = document;
  for (const name of path) {
    if (Array.isArray(value) && !/^\d+$/.test(name)) value = value.find((each) => typeof each === 'object' && each !== null && !Array.isArray(each));
    value = typeof value === 'object' && value !== null ? (value as Document)[name] : undefined;
  }
  return value;
}
