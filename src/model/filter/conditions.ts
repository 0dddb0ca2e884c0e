import {someAt} from './paths.ts';
import type {Path} from './paths.ts';
import type {Work} from './work.ts';

/** What is asked of one field. */
export interface Condition {
  /** Whether what the path leads to fulfils it; `value` is what its first name leads to. */
  at(value: unknown, path: Path): boolean;
  /** Whether one value by itself fulfils it: an element of an array. */
  of(value: unknown): boolean;
}

/** Fulfilled by any of the values that a path leads to. `undefined` stands for a field that is missing. */
export function some(work: Work, test: (value: unknown) => boolean): Condition {
  return {at: (value, path) => someAt(value, path, 1, false, test, work), of: test};
}

/** As {@link some}, of arrays as a whole: their elements are not tested by themselves. */
export function someWhole(work: Work, test: (value: unknown) => boolean): Condition {
  return {at: (value, path) => someAt(value, path, 1, true, test, work), of: test};
}

export function not(condition: Condition): Condition {
  return {at: (value, path) => !condition.at(value, path), of: (value) => !condition.of(value)};
}

export function every(conditions: readonly Condition[]): Condition {
  const [only] = conditions;
  if (conditions.length === 1 && only !== undefined) return only;
  return {
    at: (value, path) => conditions.every((condition) => condition.at(value, path)),
    of: (value) => conditions.every((condition) => condition.of(value)),
  };
}
