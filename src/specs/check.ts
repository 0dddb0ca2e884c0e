import {error, warning} from './finding.ts';
import type {Subject} from './finding.ts';
import type {Finding, Place} from './spec.ts';

/** Something that a check has found: a finding without its subject, and without a word on how bad it is. */
export interface Problem extends Pick<Finding, 'kind' | 'values' | 'message'> {
  readonly place: Place;
  readonly field: string;
}

/** Looks at one thing for one kind of problem. */
export type Check<T> = (subject: T) => readonly Problem[];

/** Which checks a thing has to pass, and which only say that something is odd. */
export interface Checks<T> {
  readonly errors: readonly Check<T>[];
  readonly warnings: readonly Check<T>[];
}

/** What all checks say of one thing: errors first. */
export function runChecks<T>(checks: Checks<T>, subject: T, about: Omit<Subject, 'place'>): readonly Finding[] {
  return [
    ...checks.errors.flatMap((check) => check(subject)).map(({place, ...rest}) => error({...about, place}, rest)),
    ...checks.warnings.flatMap((check) => check(subject)).map(({place, ...rest}) => warning({...about, place}, rest)),
  ];
}

/** The entries whose key an earlier one has too; those without a key are nobody's double. */
export function repeated<T>(entries: Iterable<T>, keyOf: (entry: T) => string | undefined): readonly T[] {
  const seen = new Set<string>();
  return [...entries].filter((entry) => {
    const key = keyOf(entry);
    if (key === undefined) return false;
    const isRepeated = seen.has(key);
    seen.add(key);
    return isRepeated;
  });
}

/** Groups entries by key, in the order in which the keys come first. */
export function groupBy<T>(entries: Iterable<T>, keyOf: (entry: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const entry of entries) {
    const key = keyOf(entry);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [entry]);
    else group.push(entry);
  }
  return groups;
}
