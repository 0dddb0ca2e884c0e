import {isDeepStrictEqual} from 'node:util';
import {ControlPlaneError} from '../lib/errors.ts';
import {NOT_YET_REQUESTED, isManifestField, manifestField} from './manifest.ts';
import type {Scan} from './manifest.ts';
import {runEventValue} from './scan-indexes.ts';
import type {ScanIndexName} from './scan-indexes.ts';

/** Every match is filed under `value` in the index, or is the scan `orId`. */
export interface IndexHint {
  readonly index: ScanIndexName;
  readonly value: string;
  readonly orId?: string;
}

/** A compiled filter over manifests. */
export interface ScanFilter {
  matches(scan: Scan): boolean;
  /** Equalities that every match fulfils and that the cache has an index for: each narrows the search by itself. */
  readonly indexed: readonly IndexHint[];
  /** The one id that can match, when the filter names it. */
  readonly id?: string;
}

type Test = (values: readonly unknown[]) => boolean;
type Match = (scan: Scan) => boolean;

/**
 * Compiles a MongoDB-style filter: fields by dotted path, equality, `$eq $ne $in $gt $gte $lt $lte $exists`, `$and` and `$or`.
 *
 * Values compare as in MongoDB: only within their own type; a missing field equals null; a path or a value goes into arrays.
 *
 * @throws ControlPlaneError `invalid`, naming the operator that is not offered or used wrongly.
 */
export function compileScanFilter(filter: Readonly<Record<string, unknown>>): ScanFilter {
  const equal = new Map<string, unknown>();
  const matches = compileAll(filter, equal);
  const indexed = indexedIn(equal);
  const id = equal.get('scan_id');
  return {matches, indexed, ...(typeof id === 'string' ? {id} : {})};
}

/** All conditions of one object. `equal` collects the equalities that hold for every match. */
function compileAll(filter: Readonly<Record<string, unknown>>, equal?: Map<string, unknown>): Match {
  const parts = Object.entries(filter).map(([name, condition]): Match => {
    if (!name.startsWith('$')) return compileField(name, condition, equal);
    if (name !== '$and' && name !== '$or') throw unsupported(name);
    if (!Array.isArray(condition) || condition.length === 0 || !condition.every(isPlainObject)) {
      throw new ControlPlaneError('invalid', `filter operator ${name} needs a non-empty array of filters`);
    }
    const inner = condition.map((each) => compileAll(each, name === '$and' ? equal : undefined));
    return name === '$and' ? (scan) => inner.every((match) => match(scan)) : (scan) => inner.some((match) => match(scan));
  });
  const [only] = parts;
  if (parts.length === 1 && only !== undefined) return only;
  return (scan) => parts.every((match) => match(scan));
}

function compileField(path: string, condition: unknown, equal: Map<string, unknown> | undefined): Match {
  const [field, ...rest] = path.split('.') as [string, ...string[]];
  const tests = testsOf(path, condition, equal);
  if (!isManifestField(field)) return () => tests.every((test) => test([])); // As any field that no document has.
  return (scan) => {
    const values = valuesAt(manifestField(scan, field), rest, 0);
    return tests.every((test) => test(values));
  };
}

function testsOf(path: string, condition: unknown, equal: Map<string, unknown> | undefined): Test[] {
  if (!isPlainObject(condition) || !Object.keys(condition).some((name) => name.startsWith('$'))) {
    equal?.set(path, condition);
    return [equals(condition)];
  }
  return Object.entries(condition).map(([operator, operand]): Test => {
    switch (operator) {
      case '$eq':
        equal?.set(path, operand);
        return equals(operand);
      case '$ne':
        return not(equals(operand));
      case '$in': {
        if (!Array.isArray(operand)) throw new ControlPlaneError('invalid', 'filter operator $in needs an array');
        const tests = operand.map(equals);
        return (values) => tests.some((test) => test(values));
      }
      case '$gt':
        return compares(operand, (order) => order > 0, false);
      case '$gte':
        return compares(operand, (order) => order >= 0, true);
      case '$lt':
        return compares(operand, (order) => order < 0, false);
      case '$lte':
        return compares(operand, (order) => order <= 0, true);
      case '$exists': {
        const wanted = Boolean(operand);
        return (values) => values.length > 0 === wanted;
      }
      default:
        throw unsupported(operator);
    }
  });
}

function unsupported(operator: string): ControlPlaneError {
  return new ControlPlaneError('invalid', `filter operator ${operator} is not supported`);
}

/** Every value that a path leads to; arrays on the way are gone into. Empty: the field is missing. */
function valuesAt(value: unknown, path: readonly string[], from: number): unknown[] {
  const key = path[from];
  if (key === undefined) return [value];
  if (Array.isArray(value)) {
    const index = /^\d+$/.test(key) && Number(key) < value.length ? valuesAt(value[Number(key)], path, from + 1) : [];
    return [...index, ...value.filter(isPlainObject).flatMap((each) => valuesAt(each, path, from))];
  }
  return isPlainObject(value) && Object.hasOwn(value, key) ? valuesAt(value[key], path, from + 1) : [];
}

function equals(wanted: unknown): Test {
  if (wanted === null) return (values) => values.length === 0 || anyOf(values, (value) => value === null);
  if (typeof wanted !== 'object') return (values) => anyOf(values, (value) => value === wanted);
  return (values) => anyOf(values, (value) => isDeepStrictEqual(value, wanted));
}

const not =
  (test: Test): Test =>
  (values) =>
    !test(values);

function compares(operand: unknown, accept: (order: number) => boolean, includesEqual: boolean): Test {
  if (operand === null) return includesEqual ? equals(null) : () => false;
  return (values) =>
    anyOf(values, (value) => {
      if (typeof value !== typeof operand) return false;
      if (typeof value === 'number') return accept(value - (operand as number));
      if (typeof value === 'boolean') return accept(Number(value) - Number(operand));
      if (typeof value === 'string') return accept(value === operand ? 0 : value > (operand as string) ? 1 : -1);
      return false;
    });
}

/** Whether a value, or one element of an array, passes. */
function anyOf(values: readonly unknown[], passes: (value: unknown) => boolean): boolean {
  for (const value of values) {
    if (passes(value)) return true;
    if (Array.isArray(value) && value.some(passes)) return true;
  }
  return false;
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function indexedIn(equal: ReadonlyMap<string, unknown>): IndexHint[] {
  const found: IndexHint[] = [];
  const runId = equal.get('event_metadata.run_id');
  const eventId = equal.get('event_metadata.event_id');
  if (typeof runId === 'number' && typeof eventId === 'number') found.push({index: 'run_event', value: runEventValue(runId, eventId)});
  const event = equal.get('i3_event_id');
  if (typeof event === 'string') found.push({index: 'event', value: event});
  const workflow = equal.get('ewms_workflow_id');
  if (typeof workflow === 'string' && workflow !== NOT_YET_REQUESTED) found.push({index: 'workflow', value: workflow, orId: workflow});
  if (equal.get('is_deleted') === true) found.push({index: 'deleted', value: 'true'});
  return found;
}
