import {LinearRegExp, PatternError} from '../../lib/linear-regexp/linear-regexp.ts';
import {compareValues, equalValues, isPlainObject, jsonType} from './bson-order.ts';
import {every, not, some, someWhole} from './conditions.ts';
import type {Condition} from './conditions.ts';
import {malformed, mixed, unsupported} from './refusals.ts';
import {typeTest} from './types.ts';
import type {Work} from './work.ts';

/** What the operators of a filter share. */
export interface Context {
  readonly work: Work;
  /** Compiles a filter over one element of an array. */
  elementFilter(filter: Readonly<Record<string, unknown>>): (element: unknown) => boolean;
  /** Counts what a regular expression adds to the filter's size. @throws ControlPlaneError `invalid` */
  grow(instructions: number): void;
}

/** Whether `operand` holds operators, rather than being a value to be equal to. @throws ControlPlaneError `invalid`: fields beside them */
export function holdsOperators(operand: unknown): operand is Readonly<Record<string, unknown>> {
  if (!isPlainObject(operand)) return false;
  const names = Object.keys(operand);
  const operator = names.find((name) => name.startsWith('$'));
  if (operator === undefined) return false;
  const field = names.find((name) => !name.startsWith('$'));
  if (field !== undefined) throw mixed(operator, field);
  return true;
}

/** What `{$operator: operand, …}` asks of a field: all of it. @throws ControlPlaneError `invalid`, naming the operator and why */
export function compileOperators(operators: Readonly<Record<string, unknown>>, context: Context): Condition {
  if (Object.hasOwn(operators, '$options') && !Object.hasOwn(operators, '$regex')) throw malformed('$options', 'needs $regex beside it');
  const entries = Object.entries(operators).filter(([name]) => name !== '$options');
  return every(entries.map(([name, operand]) => compileOperator(name, operand, operators, context)));
}

function compileOperator(name: string, operand: unknown, beside: Readonly<Record<string, unknown>>, context: Context): Condition {
  const {work} = context;
  switch (name) {
    case '$eq':
      return equals(operand, work);
    case '$ne':
      return not(equals(operand, work));
    case '$gt':
      return compares(operand, work, (order) => order > 0);
    case '$gte':
      return compares(operand, work, (order) => order >= 0);
    case '$lt':
      return compares(operand, work, (order) => order < 0);
    case '$lte':
      return compares(operand, work, (order) => order <= 0);
    case '$in':
      return isAmong(name, operand, work);
    case '$nin':
      return not(isAmong(name, operand, work));
    case '$not':
      return negation(operand, context);
    case '$exists':
      return operand === false || operand === 0 || operand === null
        ? not(some(work, (value) => value !== undefined))
        : some(work, (value) => value !== undefined);
    case '$type':
      return some(work, typeTest(operand));
    case '$mod':
      return some(work, modTest(operand));
    case '$regex':
      return some(work, regexTest(operand, beside['$options'], context));
    case '$size':
      return someWhole(work, sizeTest(operand));
    case '$all':
      return all(operand, context);
    case '$elemMatch':
      return elemMatch(operand, context);
    default:
      throw unsupported(name);
  }
}

/** Equal to `wanted`; what is missing equals null. */
export function equals(wanted: unknown, work: Work): Condition {
  if (wanted === null) return some(work, (value) => value === null || value === undefined);
  if (typeof wanted !== 'object') return some(work, (value) => value === wanted);
  return some(work, (value) => equalValues(value, wanted, work));
}

/** Only values of the operand's own type have an order to it. */
function compares(operand: unknown, work: Work, accepts: (order: number) => boolean): Condition {
  const type = jsonType(operand);
  return some(work, (value) => jsonType(value) === type && accepts(compareValues(value, operand, work)));
}

function isAmong(name: string, operand: unknown, work: Work): Condition {
  if (!Array.isArray(operand)) throw malformed(name, 'needs an array');
  const scalars = new Set<unknown>();
  const objects: unknown[] = [];
  for (const each of operand) {
    if (holdsOperators(each)) throw malformed(name, 'needs values, not operators');
    if (typeof each === 'object' && each !== null) objects.push(each);
    else scalars.add(each);
  }
  return some(work, (value) => scalars.has(value ?? null) || objects.some((each) => equalValues(value, each, work)));
}

function negation(operand: unknown, context: Context): Condition {
  if (!holdsOperators(operand)) throw malformed('$not', 'needs an object of operators');
  return not(compileOperators(operand, context));
}

function modTest(operand: unknown): (value: unknown) => boolean {
  const isPair = Array.isArray(operand) && operand.length === 2 && operand.every((each) => typeof each === 'number');
  if (!isPair) throw malformed('$mod', 'needs an array of two numbers, the divisor and the remainder');
  const [divisor, remainder] = (operand as [number, number]).map(Math.trunc) as [number, number];
  if (divisor === 0) throw malformed('$mod', 'needs a divisor other than 0');
  return (value) => typeof value === 'number' && Math.trunc(value) % divisor === remainder;
}

function regexTest(pattern: unknown, options: unknown, context: Context): (value: unknown) => boolean {
  if (typeof pattern !== 'string') throw malformed('$regex', 'needs a string');
  if (options !== undefined && typeof options !== 'string') throw malformed('$options', 'needs a string');
  const {work} = context;
  const expression = expressionOf(pattern, options);
  context.grow(expression.size);
  const spend = (steps: number): void => work.spend(steps);
  return (value) => typeof value === 'string' && expression.test(value, spend);
}

function expressionOf(pattern: string, options: string | undefined): LinearRegExp {
  try {
    return new LinearRegExp(pattern, options);
  } catch (err) {
    if (err instanceof PatternError) throw malformed('$regex', `cannot use this pattern: it ${err.message}`);
    throw err;
  }
}

function sizeTest(operand: unknown): (value: unknown) => boolean {
  if (typeof operand !== 'number' || !Number.isInteger(operand) || operand < 0) throw malformed('$size', 'needs a whole number, 0 or more');
  return (value) => Array.isArray(value) && value.length === operand;
}

/** Every one of the operand's values is there, or is met by some element. */
function all(operand: unknown, context: Context): Condition {
  if (!Array.isArray(operand)) throw malformed('$all', 'needs an array');
  if (operand.length === 0) return {at: () => false, of: () => false};
  const isMatching = operand.map((each) => holdsOperators(each) && Object.keys(each).join() === '$elemMatch');
  if (isMatching.every((each) => !each)) {
    if (operand.some(holdsOperators)) throw malformed('$all', 'needs values, or $elemMatch in each place');
    return every(operand.map((each) => equals(each, context.work)));
  }
  if (!isMatching.every(Boolean)) throw malformed('$all', 'needs values, or $elemMatch in each place');
  return every(operand.map((each: Readonly<Record<string, unknown>>) => elemMatch(each['$elemMatch'], context)));
}

const OF_FILTERS = new Set(['$and', '$or', '$nor']);

/** Some element meets all of it: operators on the element itself, or a filter over elements that are objects (or arrays, whose places are their names). */
function elemMatch(operand: unknown, context: Context): Condition {
  if (!isPlainObject(operand)) throw malformed('$elemMatch', 'needs an object');
  const {work} = context;
  const [first] = Object.keys(operand);
  if (first?.startsWith('$') === true && !OF_FILTERS.has(first) && holdsOperators(operand)) {
    const condition = compileOperators(operand, context);
    return someWhole(work, (value) => Array.isArray(value) && visit(value, work).some((element) => condition.of(element)));
  }
  const matches = context.elementFilter(operand);
  const isFit = (element: unknown): boolean => typeof element === 'object' && element !== null && matches(element);
  return someWhole(work, (value) => Array.isArray(value) && visit(value, work).some(isFit));
}

function visit(array: readonly unknown[], work: Work): readonly unknown[] {
  work.spend(array.length);
  return array;
}
