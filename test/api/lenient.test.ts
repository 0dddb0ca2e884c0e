import {describe, expect, test} from 'vitest';
import {WordedError} from '../../src/api/api-error.ts';
import {textsByGeneration} from '../../src/api/texts/index.ts';
import type {TextSet} from '../../src/api/texts/text-set.ts';
import {lenientCheck} from '../../src/api/validation/lenient.ts';

const {v2, v1, v0} = textsByGeneration();
const check = lenientCheck<Record<string, unknown>>({
  type: 'object',
  additionalProperties: false,
  required: ['whole'],
  properties: {
    flag: {type: 'boolean'},
    whole: {type: 'integer'},
    real: {type: 'number'},
    text: {type: 'string', pattern: '\\S'},
    many: {type: 'object', required: ['a', 'b'], properties: {a: {type: 'string'}, b: {type: 'object', required: ['c']}}},
    kind: {enum: ['x', 'y']},
  },
});

describe('arguments of older versions', () => {
  test.each([
    [{whole: '60'}, {whole: 60}],
    [{whole: ' -7 '}, {whole: -7}],
    [{whole: 1.9}, {whole: 1}],
    [{whole: -1.9}, {whole: -1}],
    [
      {whole: 1, real: '0.5'},
      {whole: 1, real: 0.5},
    ],
    [
      {whole: 1, real: '1e3'},
      {whole: 1, real: 1000},
    ],
    [
      {whole: 1, flag: 'False'},
      {whole: 1, flag: false},
    ],
    [
      {whole: 1, flag: 1},
      {whole: 1, flag: true},
    ],
    [{whole: 1, text: null, many: null}, {whole: 1}],
  ])('%j is read as %j', (given, read) => {
    const before = structuredClone(given);
    expect(check(given)).toEqual(read);
    expect(given).toEqual(before);
  });
});

/** What a text set says to a body. */
function said(texts: TextSet, body: unknown): string {
  try {
    check(body);
  } catch (err) {
    if (err instanceof WordedError) return err.say(texts);
    throw err;
  }
  return 'accepted';
}

describe('what each version says to the same body', () => {
  test.each([
    [
      {},
      "'whole' is a required property",
      'the following arguments are required: whole',
      '`whole`: (MissingArgumentError) required argument is missing',
    ],
    [
      {whole: null},
      "'whole': must be type 'integer' (int)",
      'argument whole: invalid type',
      "`whole`: (ValueError) type mismatch: 'int' (value is '<class 'NoneType'>')",
    ],
    [
      {whole: '1.9'},
      "'whole': must be type 'integer' (int)",
      'argument whole: invalid type',
      "`whole`: (ValueError) invalid literal for int() with base 10: '1.9'",
    ],
    [
      {flag: 'perhaps'},
      "'whole' is a required property; 'flag': must be type 'boolean' (bool)",
      'argument flag: invalid type',
      "`flag`: (ValueError) type mismatch: 'bool' (value is '<class 'str'>')",
    ],
    [
      {text: 1},
      "'whole' is a required property; 'text': must be type 'string'",
      'argument text: invalid type',
      '`whole`: (MissingArgumentError) required argument is missing',
    ],
    [
      {whole: 1, many: {a: 1, b: {c: 1}}},
      "'many.a': must be type 'string'",
      'argument many: wrong value type for field "a" - should be "str" instead of value "1" of type "int"',
      "`many`: (ValueError) type mismatch: 'str' (value is '<class 'int'>')",
    ],
    [
      {whole: 1, many: {a: 'a', b: {}}},
      "'c' is a required property",
      'argument many: missing value for field "b.c"',
      '`many`: (ValueError) missing value for field "b.c"',
    ],
    [
      {whole: 1, kind: 'z'},
      "'kind': must be one of: 'x', 'y'",
      "argument kind: invalid choice: 'z' (choose from 'x', 'y')",
      "`kind`: (ValueError) must be one of: 'x', 'y'",
    ],
    [
      {whole: 1, odd: 1, 'more odd': 2},
      "Additional properties are not allowed ('more odd', 'odd' were unexpected)",
      'unrecognized arguments: odd, more odd',
      'unrecognized arguments: odd, more odd',
    ],
    [[], "must be type 'object' (dict)", "JSON-encoded requests body must be a 'dict'", "JSON-encoded requests body must be a 'dict'"],
  ])('%j', (body, newest, first, zeroth) => {
    expect([said(v2, body), said(v1, body), said(v0, body)]).toEqual([newest, first, zeroth]);
  });
});
