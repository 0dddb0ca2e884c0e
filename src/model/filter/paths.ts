import {isPlainObject} from './bson-order.ts';
import type {Work} from './work.ts';

/** A dotted path, taken apart. */
export interface Path {
  readonly names: readonly string[];
  /** The names that can be places in an array; -1 for the others. */
  readonly places: readonly number[];
}

export function parsePath(text: string): Path {
  const names = text.split('.');
  return {names, places: names.map((name) => (/^(0|[1-9]\d{0,8})$/.test(name) ? Number(name) : -1))};
}

/**
 * Whether `test` holds for something that the path leads to, as MongoDB walks it.
 *
 * - Objects are gone into by name. What is missing is tested as `undefined`, which equals null.
 * - An array on the way is gone into twice: each object in it takes the name, and where the name is a place, the element there takes the rest of the path.
 *   An array without either gives nothing to test, not even something missing.
 * - An array at the end gives its elements and itself, or only itself where the test `isOfWhole`. One reached by its place in another gives only itself.
 *
 * @param value what the names before `from` lead to
 * @see MongoDB, src/mongo/db/matcher/path.cpp, BSONElementIterator
 */
export function someAt(value: unknown, path: Path, from: number, isOfWhole: boolean, test: (value: unknown) => boolean, work: Work): boolean {
  work.spend(1);
  if (from === path.names.length) {
    if (!isOfWhole && Array.isArray(value)) {
      work.spend(value.length);
      if (value.some(test)) return true;
    }
    return test(value);
  }
  if (Array.isArray(value)) return someIn(value, path, from, isOfWhole, test, work);
  const name = path.names[from] as string;
  if (isPlainObject(value) && Object.hasOwn(value, name)) return someAt(value[name], path, from + 1, isOfWhole, test, work);
  return test(undefined);
}

function someIn(array: readonly unknown[], path: Path, from: number, isOfWhole: boolean, test: (value: unknown) => boolean, work: Work): boolean {
  work.spend(array.length);
  for (const each of array) if (isPlainObject(each) && someAt(each, path, from, isOfWhole, test, work)) return true;
  const place = path.places[from] as number;
  if (place < 0 || place >= array.length) return false;
  const there = array[place];
  if (from + 1 === path.names.length) return test(there);
  // A plain value takes no further name, and is not tested as missing either.
  return typeof there === 'object' && there !== null && someAt(there, path, from + 1, isOfWhole, test, work);
}
