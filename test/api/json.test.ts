import {describe, expect, test} from 'vitest';
import {findMember, memberNames} from '../../src/api/json/json-members.ts';
import {JsonScanner, JsonSyntaxError, scanJson, scanLargeJson} from '../../src/api/json/json-scanner.ts';
import {RawJson, encodeJson, encodeList} from '../../src/api/json/raw-json.ts';

const scan = (text: string): ReadonlyMap<string, {start: number; end: number}> => scanJson(Buffer.from(text));

function errorOf(text: string): string {
  try {
    scan(text);
    return 'accepted';
  } catch (err) {
    return err instanceof JsonSyntaxError ? err.message : `not ours: ${String(err)}`;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

describe('the scanner', () => {
  test('finds where the outermost members stand, in their order', () => {
    const text = ' { "b" : {"x": [1, {"b": 2}]} , "10":"a\\"}b","2":-1.5e3,"\\u0061":null, "é": [ ] } ';
    const bytes = Buffer.from(text);
    const members = scanJson(bytes);
    const found = [...members].map(([name, {start, end}]) => [name, bytes.toString('utf8', start, end)]);
    expect(found).toEqual([
      ['b', '{"x": [1, {"b": 2}]}'],
      ['10', '"a\\"}b"'],
      ['2', '-1.5e3'],
      ['a', 'null'],
      ['é', '[ ]'],
    ]);
  });

  test('of a repeated member the last value counts, at the first one’s place', () => {
    const bytes = Buffer.from('{"a":1,"b":2,"a":3}');
    expect([...scanJson(bytes)].map(([name, {start, end}]) => [name, bytes.toString('utf8', start, end)])).toEqual([
      ['a', '3'],
      ['b', '2'],
    ]);
  });

  test('accepts exactly what JSON.parse accepts', () => {
    const pieces = [
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      '"a"',
      '"\\u00e9"',
      '"\\x"',
      '"\\u12"',
      '1',
      '-',
      '0',
      '01',
      '1.5',
      '1.',
      '.5',
      '1e5',
      '1e',
      '-0',
      'true',
      'nul',
      'null',
      'false',
      ' ',
      '\n',
      '"',
      '\t',
      'NaN',
      '"\n"',
    ];
    let seed = 7;
    const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    let accepted = 0;
    for (let i = 0; i < 60_000; i++) {
      const text = Array.from({length: 1 + random(7)}, () => pieces[random(pieces.length)]).join('');
      const expected = isJson(text);
      if (expected) accepted++;
      if ((errorOf(text) === 'accepted') !== expected) expect.fail(`disagrees about ${JSON.stringify(text)}`);
    }
    expect(accepted).toBeGreaterThan(1000);
  });

  test.each([
    ['', 'Expecting value: line 1 column 1 (char 0)'],
    ['{', 'Expecting property name enclosed in double quotes: line 1 column 2 (char 1)'],
    ['{"a" 1}', "Expecting ':' delimiter: line 1 column 6 (char 5)"],
    ['{"a": 1 "b": 2}', "Expecting ',' delimiter: line 1 column 9 (char 8)"],
    ['{"a": }', 'Expecting value: line 1 column 7 (char 6)'],
    ['{"a": "b', 'Unterminated string starting at: line 1 column 7 (char 6)'],
    ['{\n "a": tru}', 'Expecting value: line 2 column 7 (char 8)'],
    ['{} x', 'Extra data: line 1 column 4 (char 3)'],
    ['"\\q"', 'Invalid \\escape: line 1 column 2 (char 1)'],
  ])('says of %j what Python would say', (text, message) => {
    expect(errorOf(text)).toBe(message);
  });

  test('refuses nesting without end', () => {
    expect(errorOf('['.repeat(100_000))).toBe('nested too deeply');
  });

  test('goes through megabytes in small steps, so that others get their turn', async () => {
    const row = '[1, -2.5, 3e-7, "<skyreader.nan>", 5, 6, 7, 8],\n';
    const bytes = Buffer.from(`{"r": {"nside-8": {"data": [${row.repeat(100_000)}[]]}}, "f": true}`);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const members = await scanLargeJson(bytes);
    clearInterval(counting);
    expect(turns).toBeGreaterThan(2);
    expect([...members.keys()]).toEqual(['r', 'f']);
    const scanner = new JsonScanner(bytes);
    expect(scanner.advance(1000)).toBe(false);
  });
});

describe('a member of JSON that is known to be valid', () => {
  const found = (text: string, name: string): string | undefined => {
    const bytes = Buffer.from(text);
    const range = findMember(bytes, name);
    return range === undefined ? undefined : bytes.toString('utf8', range.start, range.end);
  };

  test.each([
    ['{"a":1,"b":2}', 'b', '2'],
    [' {\n"a" : [1, {"b": "]}"}] , "b":\t{"b": {}} }\n', 'b', '{"b": {}}'],
    ['{"é\\"\\\\":"b","b":"\\\\","c":-1.5e3}', 'b', '"\\\\"'],
    ['{"c":"b","\\u0062":null}', 'b', 'null'],
    ['{"b":1,"a":2,"b":3 }', 'b', '3'],
    ['{"a":{"b":1}}', 'b', undefined],
    ['{ }', 'b', undefined],
  ])('in %j the value of %j is %j', (text, name, value) => {
    expect(found(text, name)).toBe(value);
  });

  test('names come in the order in which they were written, each once', () => {
    const bytes = Buffer.from('{"x": [], "y": {"64": 12, "\\u0038": {"1": 2}, "é": "}", "64": 3, "a": [[]]} }');
    expect(memberNames(bytes, findMember(bytes, 'y')?.start ?? 0)).toEqual(['64', '8', 'é', 'a']);
    expect(memberNames(Buffer.from('{}'), 0)).toEqual([]);
  });

  test('the same members are found as by the scanner, which checks', () => {
    const pieces = ['"a"', '"\\u0061"', '"b\\\\"', '"ab"', '1', '-2.5e-3', 'true', '[]', '[1, {"a": ["x\\"]"]}]', '{"a" : 1, "b":{}}', '" "', '""'];
    let seed = 11;
    const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    const blank = (): string => ['', ' ', '\r\n\t'][random(3)] as string;
    for (let i = 0; i < 3000; i++) {
      const members = Array.from({length: random(5)}, () => {
        const name = ['"a"', '"\\u0061"', '"ab"', '"a\\\\"', '"b\\""', '"7"'][random(6)] as string;
        return `${blank()}${name}${blank()}:${blank()}${pieces[random(pieces.length)] as string}${blank()}`;
      });
      const text = `${blank()}{${members.join(',') || blank()}}${blank()}`;
      const scanned = scan(text);
      for (const name of ['a', 'ab', 'b', '7']) expect(findMember(Buffer.from(text), name)).toEqual(scanned.get(name));
      expect(memberNames(Buffer.from(text), 0)).toEqual([...scanned.keys()]);
    }
  });

  test('nesting without end is refused here too', () => {
    const nested = (depth: number): string => `{"a":${'['.repeat(depth)}${']'.repeat(depth)}}`;
    expect(found(nested(999), 'a')).toHaveLength(1998);
    expect(() => found(nested(1000), 'a')).toThrow(JsonSyntaxError);
    expect(errorOf(nested(999))).toBe('accepted');
    expect(errorOf(nested(1000))).toBe('nested too deeply');
  });
});

test('an answer carries stored text as it is, at the first and the second level', () => {
  const text = '{"64": 1.0, "8": 1e400}';
  const bytes = encodeJson({a: 1, b: RawJson.of(text), c: {d: RawJson.of('[ ]'), e: 'x'}, f: undefined, g: {}, h: null, i: [1]}) as Buffer;
  expect(bytes.toString()).toBe(`{"a":1,"b":${text},"c":{"d":[ ],"e":"x"},"g":{},"h":null,"i":[1]}`);
  expect((encodeJson({}) as Buffer).toString()).toBe('{}');
});

test('a long list is written in steps, and reads as one', async () => {
  for (const length of [0, 1, 200, 401]) {
    const items = Array.from({length}, (_, i) => ({i}));
    const {parts, ...counts} = await encodeList('items', items, {limitBytes: Infinity, pause: () => undefined});
    expect(JSON.parse(Buffer.concat(parts).toString())).toEqual({items});
    expect(counts).toEqual({bytes: Buffer.concat(parts).length, count: length, isWhole: true});
  }
});

test('a list ends where its bytes are used up, after one item at least', async () => {
  const written = async (limitBytes: number): Promise<unknown> => {
    const {parts, count, isWhole} = await encodeList('a', ['xx', 'yy', 'zz'], {limitBytes, pause: () => undefined});
    return [Buffer.concat(parts).toString(), count, isWhole];
  };
  expect(await written(1)).toEqual(['{"a":["xx"]}', 1, false]);
  expect(await written(16)).toEqual(['{"a":["xx","yy"]}', 2, false]);
});
