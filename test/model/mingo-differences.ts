import type {Document, Filter} from '../support/random-filters.ts';

/**
 * Where mingo does not do what MongoDB does. Each has a test of its own in `scan-filter-mingo.test.ts`; a random pair of document and filter that meets
 * one of them is not compared.
 */
export type Difference =
  | 'null and a field that elements of an array lack'
  | 'null and an order'
  | 'a place in an array'
  | 'the order of arrays and objects'
  | 'an array to be equal to, in $in or $all or across an array'
  | 'arrays in arrays'
  | '$all of what is no array'
  | '$mod of what is no whole number'
  | '$type of an array or across one'
  | '$type of a whole number beyond 32 bits'
  | '$size across an array'
  | '$elemMatch of scalars and arrays'
  | '$elemMatch across an array';

interface Reached {
  /** What the path leads to; of a path across an array, what it leads to in each object there. */
  readonly values: readonly unknown[];
  readonly isAcross: boolean;
  readonly isOddPlace: boolean;
}

/** The first difference that a document and a filter meet. */
export function differenceIn(document: unknown, filter: Filter): Difference | undefined {
  for (const [name, operand] of Object.entries(filter)) {
    const found = name.startsWith('$')
      ? (operand as readonly Filter[]).map((each) => differenceIn(document, each)).find(Boolean)
      : inField(reach(document, name.split('.')), name.includes('.'), operand);
    if (found !== undefined) return found;
  }
  return undefined;
}

function reach(start: unknown, names: readonly string[]): Reached {
  let value = start;
  for (const [i, name] of names.entries()) {
    if (Array.isArray(value)) {
      if (!/^\d+$/.test(name)) return across(value, names.slice(i));
      const isPlain = i === names.length - 1 && value.every((each) => typeof each !== 'object' || each === null) && Number(name) < value.length;
      return {values: [value[Number(name)]], isAcross: false, isOddPlace: !isPlain};
    }
    value = isObject(value) ? value[name] : undefined;
  }
  return {values: [value], isAcross: false, isOddPlace: false};
}

function across(array: readonly unknown[], names: readonly string[]): Reached {
  const all = array.map((each) => reach(each, names));
  // Only objects are gone into; an array in the array is something that mingo does go into.
  const isOdd = all.some((each) => each.isOddPlace) || array.some(Array.isArray) || names.some((name) => /^\d+$/.test(name));
  return {values: all.flatMap((each) => each.values), isAcross: true, isOddPlace: isOdd};
}

function inField(reached: Reached, isDotted: boolean, operand: unknown): Difference | undefined {
  if (reached.isOddPlace) return 'a place in an array';
  if (!isObject(operand) || !Object.keys(operand).some((name) => name.startsWith('$'))) return inOperator(reached, isDotted, '$eq', operand);
  return Object.entries(operand)
    .map(([name, each]) => inOperator(reached, isDotted, name, each))
    .find(Boolean);
}

function inOperator({values, isAcross}: Reached, isDotted: boolean, operator: string, operand: unknown): Difference | undefined {
  const [value] = values;
  const leaves = !isAcross && Array.isArray(value) ? (value as readonly unknown[]) : values;
  const isNested = leaves.some(Array.isArray);
  const wanted: readonly unknown[] = operator === '$in' || operator === '$nin' || operator === '$all' ? (operand as unknown[]) : [operand];
  switch (operator) {
    case '$eq':
    case '$ne':
      if (isAcross && wanted.includes(null)) return 'null and a field that elements of an array lack';
      if (isAcross && wanted.some(Array.isArray)) return 'an array to be equal to, in $in or $all or across an array';
      return isNested && isDotted ? 'arrays in arrays' : undefined;
    case '$in':
    case '$nin':
      if (isAcross && wanted.includes(null)) return 'null and a field that elements of an array lack';
      if (wanted.some(Array.isArray)) return 'an array to be equal to, in $in or $all or across an array';
      return isAcross && isNested ? 'arrays in arrays' : undefined;
    case '$gt':
    case '$gte':
    case '$lt':
    case '$lte':
      if (typeof operand === 'object' && operand !== null) return 'the order of arrays and objects';
      if (operand === null && (isAcross || value === undefined)) return 'null and an order';
      return isAcross && isNested ? 'arrays in arrays' : undefined;
    case '$type':
      if (typeof value === 'number' && Number.isInteger(value) && Math.abs(value) >= 2 ** 31) return '$type of a whole number beyond 32 bits';
      return isAcross || Array.isArray(value) ? '$type of an array or across one' : undefined;
    case '$mod': {
      const isWhole = (each: unknown): boolean => (typeof each === 'number' ? Number.isInteger(each) : each === undefined || isObject(each));
      return leaves.every(isWhole) ? undefined : '$mod of what is no whole number';
    }
    case '$regex':
      return isNested ? 'arrays in arrays' : undefined;
    case '$size':
      return isAcross ? '$size across an array' : undefined;
    case '$all':
      if (wanted.some(Array.isArray)) return 'an array to be equal to, in $in or $all or across an array';
      return isAcross || !Array.isArray(value) ? '$all of what is no array' : undefined;
    case '$elemMatch':
      return isAcross ? '$elemMatch across an array' : inElements(leaves, value, operand as Filter);
    case '$not':
      return inField({values, isAcross, isOddPlace: false}, isDotted, operand);
    default:
      return undefined; // $options
  }
}

function inElements(elements: readonly unknown[], value: unknown, operand: Filter): Difference | undefined {
  if (!Array.isArray(value)) return undefined;
  const [first] = Object.keys(operand);
  const isOfValues = first?.startsWith('$') === true && !['$and', '$or', '$nor'].includes(first);
  const isOdd = isOfValues ? elements.some(Array.isArray) : !elements.every(isObject);
  if (isOdd) return '$elemMatch of scalars and arrays';
  return elements
    .map((each) => (isOfValues ? inField({values: [each], isAcross: false, isOddPlace: false}, false, operand) : differenceIn(each, operand)))
    .find(Boolean);
}

function isObject(value: unknown): value is Document {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
