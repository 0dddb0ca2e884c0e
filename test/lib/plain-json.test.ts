import {expect, test} from 'vitest';
import {parsePlainJson, plainProblem} from '../../src/lib/plain-json.ts';

test('JSON is read as it is', () => {
  for (const value of [null, 1.5, 'x', [], {a: [{b: null}]}, {constructor: 1}]) expect(parsePlainJson(JSON.stringify(value))).toEqual(value);
});

test.each([
  ['', 'it is not JSON'],
  ['{"secret": ', 'it is not JSON'],
  ['{"a": [{"__proto__": 1}]}', 'a.0 has a member __proto__'],
  ['{"\\u005f_proto__": 1}', 'it has a member __proto__'],
  ['['.repeat(100_000) + ']'.repeat(100_000), 'it is nested more than 64 levels deep'],
])('what cannot be used is refused without being repeated', (text, message) => {
  expect(() => parsePlainJson(text)).toThrow(new Error(message));
});

const cycle: Record<string, unknown> = {};
cycle['self'] = [cycle];

test.each<[string, unknown, string]>([
  ['undefined', undefined, 'it is of type undefined, which JSON cannot say'],
  ['a function', {f: () => 1}, 'f is of type function, which JSON cannot say'],
  ['a bigint', {n: [1n]}, 'n.0 is of type bigint, which JSON cannot say'],
  ['a number that is none', {n: NaN}, 'n is NaN, which JSON cannot say'],
  ['a date', [new Date(0)], '0 is an object of a class, which JSON cannot say'],
  ['a cycle', cycle, 'it is nested more than 64 levels deep'],
])('%s is no plain JSON', (_what, value, problem) => {
  expect(plainProblem(value)).toBe(problem);
});

test('objects without a prototype are plain', () => {
  expect(plainProblem(Object.assign(Object.create(null) as object, {a: 1}))).toBeUndefined();
});
