import type {Work} from './work.ts';

/** The JSON types in the order in which BSON sorts them. A field that is missing ranks as null. @see https://www.mongodb.com/docs/manual/reference/bson-type-comparison-order/ */
const RANKS = {null: 1, number: 2, string: 3, object: 4, array: 5, boolean: 6} as const;

export type JsonType = keyof typeof RANKS;

/** The type of a JSON value; of `undefined`, a field that is missing, null. */
export function jsonType(value: unknown): JsonType {
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return 'array';
  return typeof value as JsonType; // JSON holds nothing else.
}

export function isPlainObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether two JSON values are the same. Fields of objects have no order: ours are stored sorted. */
export function equalValues(a: unknown, b: unknown, work: Work): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  work.spend(1);
  if (Array.isArray(a)) return Array.isArray(b) && a.length === b.length && a.every((each, i) => equalValues(each, b[i], work));
  if (Array.isArray(b)) return false;
  const names = Object.keys(a);
  if (names.length !== Object.keys(b).length) return false;
  return names.every(
    (name) => Object.hasOwn(b, name) && equalValues((a as Record<string, unknown>)[name], (b as Record<string, unknown>)[name], work),
  );
}

/** Negative, zero or positive, as BSON sorts `a` and `b`; of different types, by type. Objects compare with their fields sorted by name. */
export function compareValues(a: unknown, b: unknown, work: Work): number {
  work.spend(1);
  const type = jsonType(a);
  const byType = RANKS[type] - RANKS[jsonType(b)];
  if (byType !== 0) return byType;
  switch (type) {
    case 'null':
      return 0;
    case 'number':
    case 'boolean':
      return Number(a) - Number(b);
    case 'string':
      return compareText(a as string, b as string);
    case 'array':
      return compareArrays(a as readonly unknown[], b as readonly unknown[], work);
    default:
      return compareObjects(a as Readonly<Record<string, unknown>>, b as Readonly<Record<string, unknown>>, work);
  }
}

function compareArrays(a: readonly unknown[], b: readonly unknown[], work: Work): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const order = compareValues(a[i], b[i], work);
    if (order !== 0) return order;
  }
  return a.length - b.length;
}

/** Field by field: the type of the value first, then the name, then the value. */
function compareObjects(a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>, work: Work): number {
  const names = Object.keys(a).sort(compareText);
  const others = Object.keys(b).sort(compareText);
  work.spend(names.length + others.length);
  const length = Math.min(names.length, others.length);
  for (let i = 0; i < length; i++) {
    const [name, other] = [names[i] as string, others[i] as string];
    const order = RANKS[jsonType(a[name])] - RANKS[jsonType(b[other])] || compareText(name, other) || compareValues(a[name], b[other], work);
    if (order !== 0) return order;
  }
  return names.length - others.length;
}

/** By code point, which is the order of UTF-8's bytes; JavaScript's own puts what takes two code units before U+E000. */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  if (!/[\ud800-\uffff]/.test(b)) return a < b ? -1 : 1;
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rankOfUnit(x) - rankOfUnit(y);
  }
  return a.length - b.length;
}

function rankOfUnit(unit: number): number {
  if (unit < 0xd800) return unit;
  return unit < 0xe000 ? unit + 0x2000 : unit - 0x800;
}
