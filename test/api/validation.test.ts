import {describe, expect, test} from 'vitest';
import {safeReason} from '../../src/api/middleware/errors.ts';
import {bodyCheck} from '../../src/api/validation/body-check.ts';
import {parseDataSize} from '../../src/api/validation/data-size.ts';
import {Arguments} from '../../src/api/validation/query.ts';
import {pythonRepr} from '../../src/api/validation/texts.ts';
import {ControlPlaneError} from '../../src/lib/errors.ts';

/** The reason that a caller is given. */
function reasonOf(action: () => unknown): string {
  try {
    action();
  } catch (err) {
    return err instanceof ControlPlaneError ? err.detail : `not ours: ${String(err)}`;
  }
  return 'accepted';
}

/** The reason with which a body is refused whose one member `x` breaks a schema. */
const reasonFor = (schema: Record<string, unknown>, x: unknown): string => reasonOf(() => bodyCheck({type: 'object', properties: {x: schema}})({x}));

describe('the text for each violated keyword', () => {
  test.each([
    [{type: 'string'}, 1, "'x': must be type 'string'"],
    [{type: 'number'}, '5', "'x': must be type 'number' (float or int)"],
    [{type: 'integer'}, 1.5, "'x': must be type 'integer' (int)"],
    [{type: 'integer'}, true, "'x': must be type 'integer' (int)"],
    [{type: 'integer'}, '5', "'x': must be type 'integer' (int)"],
    [{type: 'integer'}, 2.0, 'accepted'],
    [{type: 'boolean'}, 1, "'x': must be type 'boolean' (bool)"],
    [{type: 'array'}, {}, "'x': must be type 'array' (list)"],
    [{type: 'object'}, [], "'x': must be type 'object' (dict)"],
    [{type: 'null'}, 0, "'x': must be type 'null' (None)"],
    [{type: 'string', pattern: '\\S'}, ' ', "'x': must match the pattern '\\\\S'"],
    [{type: 'string', minLength: 1, pattern: '\\S'}, '', "'x': must be at least 1 characters long; 'x': must match the pattern '\\\\S'"],
    [{type: 'string', maxLength: 2}, 'abc', "'x': must be no more than 2 characters long"],
    [{type: 'integer', minimum: 1}, 0, "'x': must be at least 1"],
    [{type: 'number', maximum: 1}, 1.1, "'x': must be no more than 1"],
    [{type: 'string', enum: ['a', 'b']}, 'c', "'x': must be one of: 'a', 'b'"],
    [{anyOf: [{type: 'string'}, {type: 'null'}]}, 1, "'x': must match one of the accepted types"],
    [{oneOf: [{type: 'string'}, {type: 'null'}]}, 1, "'x': must match one of the accepted types"],
    [{type: 'array', minItems: 1}, [], "'x': must have at least 1 items"],
    [{type: 'array', maxItems: 1}, [1, 2], "'x': must have no more than 1 items"],
    [{type: 'object', minProperties: 1}, {}, "'x': must have at least 1 entries"],
    [{type: 'object', maxProperties: 1}, {a: 1, b: 2}, "'x': must have no more than 1 entries"],
    [{type: 'array', uniqueItems: true}, [1, 1], "'x': items must be unique"],
    [{const: 1}, 2, "'x': failed 'const' constraint"],
    [{type: 'object', propertyNames: {maxLength: 2}}, {abc: 1}, "'x': must be no more than 2 characters long"],
    [{type: 'object', additionalProperties: {type: 'string'}}, {a: 1}, "'x.a': must be type 'string'"],
  ])('%j refuses %j', (schema, value, text) => {
    expect(reasonFor(schema, value)).toBe(text);
  });

  test('case 69: all violations stand in one text: what is too much, what is missing, then field by field in the schema’s order', () => {
    const check = bodyCheck({
      type: 'object',
      additionalProperties: false,
      required: ['b', 'a', 'c'],
      properties: {a: {type: 'integer'}, b: {}, c: {type: 'string', minLength: 1}, d: {type: 'boolean'}},
    });
    expect(reasonOf(() => check({d: 'no', c: '', z: 1, y: 2}))).toBe(
      "Additional properties are not allowed ('y', 'z' were unexpected); 'b' is a required property; 'a' is a required property; " +
        "'c': must be at least 1 characters long; 'd': must be type 'boolean' (bool)",
    );
    expect(reasonOf(() => check({a: 1, b: 1, c: 'c', 'it’s': 1}))).toBe("Additional properties are not allowed ('it’s' was unexpected)");
  });

  test('a body that is no object is refused without a path', () => {
    const check = bodyCheck({type: 'object', required: ['a'], properties: {a: {type: 'integer'}}});
    for (const body of [[], null, 'text', 1]) expect(reasonOf(() => check(body))).toBe("must be type 'object' (dict)");
  });

  test('a body is never changed by its check', () => {
    const body = {a: '1'};
    reasonOf(() => bodyCheck({type: 'object', properties: {a: {type: 'integer', default: 5}}})(body));
    expect(body).toEqual({a: '1'});
  });
});

test('names with quotes are shown as Python shows them', () => {
  expect(pythonRepr("it's")).toBe('"it\'s"');
  expect(pythonRepr('a\\b\n')).toBe("'a\\\\b\\n'");
  expect(pythonRepr(`'"`)).toBe(`'\\'"'`);
});

describe('data sizes', () => {
  test.each([
    ['1024M', 1_024_000_000],
    ['8G', 8_000_000_000],
    ['8GB', 8_000_000_000],
    ['8gb', 8_000_000_000],
    ['1GiB', 1_073_741_824],
    ['2 MiB', 2_097_152],
    ['1 kibibyte', 1024],
    ['1.5GB', 1_500_000_000],
    ['512', 512],
    ['5 bytes', 5],
    ['2T', 2_000_000_000_000],
    [12, 12],
  ])('%s is %i bytes', (text, bytes) => {
    expect(parseDataSize(text)).toBe(bytes);
  });

  test.each(['GB', '-1GB', '4 florps', '1e3', '1,5GB', '99999Y'])('%s is refused', (text) => {
    expect(reasonOf(() => parseDataSize(text))).toBe(`invalid size: ${text}`);
  });
});

describe('query arguments', () => {
  test('truth is said in many words, and nothing else is accepted', () => {
    const valueOf = (text: string): boolean | string => {
      let value: boolean | string = '';
      const reason = reasonOf(() => (value = new Arguments(`flag=${encodeURIComponent(text)}`).boolean('flag')));
      return reason === 'accepted' ? value : reason;
    };
    for (const text of ['y', 'YES', 't', 'True', 'on', '1', ' true ']) expect(valueOf(text)).toBe(true);
    for (const text of ['', 'n', 'No', 'f', 'False', 'off', '0']) expect(valueOf(text)).toBe(false);
    for (const text of ['2', 'maybe', 'truee']) expect(valueOf(text)).toBe('Query parameter error: flag');
  });

  test('the query wins over the body, and the last of a repeated argument counts', () => {
    const args = new Arguments('flag=true&flag=false', {flag: true, other: true});
    expect(args.boolean('flag')).toBe(false);
    expect(args.boolean('other')).toBe(true);
    expect(args.boolean('absent')).toBe(false);
  });
});

test('case 72: a reason that cannot stand in a status line becomes Unknown', () => {
  expect(safeReason("'a' is a required property; (b)")).toBe("'a' is a required property; (b)");
  for (const reason of ['two\nlines', 'a<b', 'smörgås', 'a\u0000b', '']) expect(safeReason(reason)).toBe('Unknown');
  expect(safeReason('x'.repeat(100_000)).length).toBeLessThan(8000);
});
