import {jsonType} from './bson-order.ts';
import {malformed} from './refusals.ts';

const INT32 = 2 ** 31;

/** A BSON type by its names: the number, the alias, and what of JSON has it. Types without a test are known, and no JSON value has them. */
const TYPES: readonly (readonly [number, string, ((value: unknown) => boolean)?])[] = [
  [1, 'double', isDouble],
  [2, 'string', (value) => typeof value === 'string'],
  [3, 'object', (value) => jsonType(value) === 'object'],
  [4, 'array', Array.isArray],
  [5, 'binData'],
  [6, 'undefined'],
  [7, 'objectId'],
  [8, 'bool', (value) => typeof value === 'boolean'],
  [9, 'date'],
  [10, 'null', (value) => value === null],
  [11, 'regex'],
  [12, 'dbPointer'],
  [13, 'javascript'],
  [14, 'symbol'],
  [15, 'javascriptWithScope'],
  [16, 'int', isInt],
  [17, 'timestamp'],
  [18, 'long', (value) => Number.isInteger(value) && !isInt(value) && !isDouble(value)],
  [19, 'decimal'],
  [-1, 'minKey'],
  [127, 'maxKey'],
];

function isInt(value: unknown): boolean {
  return Number.isInteger(value) && (value as number) >= -INT32 && (value as number) < INT32;
}

/** JSON's `1` and `1.0` are one number to us, an `int`. */
function isDouble(value: unknown): boolean {
  return typeof value === 'number' && (!Number.isInteger(value) || Math.abs(value) >= 2 ** 63);
}

/** Whether a value has one of the types that the operand of `$type` names. @throws ControlPlaneError `invalid` */
export function typeTest(operand: unknown): (value: unknown) => boolean {
  const names: readonly unknown[] = Array.isArray(operand) ? operand : [operand];
  if (names.length === 0) throw malformed('$type', 'needs a type');
  const tests = names.map(testOf);
  return (value) => value !== undefined && tests.some((test) => test(value));
}

function testOf(name: unknown): (value: unknown) => boolean {
  if (name === 'number') return (value) => typeof value === 'number';
  const known = TYPES.find(([code, alias]) => name === code || name === alias);
  if (known === undefined) {
    const shown = typeof name === 'string' || typeof name === 'number' ? String(name) : jsonType(name);
    throw malformed('$type', `knows no type ${shown.slice(0, 40)}`);
  }
  return known[2] ?? (() => false);
}
