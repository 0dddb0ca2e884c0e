import {describe, expect, test} from 'vitest';
import {JsonSyntaxError, scanJson, scanLargeJson} from '../../src/api/json/json-scanner.ts';
import {looseParse} from '../../src/api/json/loose-json.ts';
import {decodeLargeString, isLargeUtf8, outlineOf, standIn} from '../../src/api/json/outline.ts';
import {LargeAnswer, RawJson, StreamedJson, encodeJson} from '../../src/api/json/raw-json.ts';
import {NonFinite, looseJson, putBackNonFinite, takeOutNonFinite, withNonFinite} from '../../src/lib/non-finite.ts';

const IN_R = {nonFiniteIn: new Set(['r'])};

function isTaken(text: string, options: Parameters<typeof scanJson>[1]): boolean {
  try {
    scanJson(Buffer.from(text), options);
    return true;
  } catch (err) {
    expect(err).toBeInstanceOf(JsonSyntaxError);
    return false;
  }
}

describe('numbers that JSON has no word for', () => {
  test.each(['NaN', 'Infinity', '-Infinity', '[NaN, -Infinity]', '{"a": [{"b":NaN}],"c":Infinity}'])(
    '%s is read where it may stand only',
    (value) => {
      expect(isTaken(`{"a": 1, "r": ${value}}`, IN_R)).toBe(true);
      expect(isTaken(`{"r": 1, "a": ${value}}`, IN_R)).toBe(false);
      expect(isTaken(`{"r": NaN, "a": ${value}}`, IN_R)).toBe(false);
      expect(isTaken(`{"a": {"r": ${value}}}`, IN_R)).toBe(false);
      expect(isTaken(value, IN_R)).toBe(false);
      expect(isTaken(value, {nonFiniteIn: 'everywhere'})).toBe(true);
      expect(isTaken(value, {})).toBe(false);
    },
  );

  test.each(['nan', 'Nan', 'NaNs', 'inf', '+Infinity', '--Infinity', '-NaN', 'Infinit', '{NaN: 1}', '-I', '-'])('%s is no such word', (value) => {
    expect(isTaken(value, {nonFiniteIn: 'everywhere'})).toBe(false);
  });

  test('they are parsed to what they mean, and strings that look like them stay strings', () => {
    const text = '{"a": NaN, "b": ["NaN", -Infinity, "é -Infinity", {"NaN": Infinity}], "c": 1e999}';
    expect(looseParse(Buffer.from(text), 'everywhere')).toEqual({
      a: Number.NaN,
      b: ['NaN', Number.NEGATIVE_INFINITY, 'é -Infinity', {NaN: Number.POSITIVE_INFINITY}],
      c: Number.POSITIVE_INFINITY,
    });
    expect(() => looseParse(Buffer.from(text), new Set(['a']))).toThrow(JsonSyntaxError);
  });

  test('they are written as Python writes them, and everything else as JSON', () => {
    const value = withNonFinite({a: Number.NaN, b: [1, Number.NEGATIVE_INFINITY, {c: Number.POSITIVE_INFINITY}], d: 'NaN', e: null, f: [], g: 0.5});
    expect(looseJson(value)).toBe('{"a":NaN,"b":[1,-Infinity,{"c":Infinity}],"d":"NaN","e":null,"f":[],"g":0.5}');
    expect((encodeJson({manifest: value, result: RawJson.of('[NaN]')}) as Buffer).toString()).toContain('"result":[NaN]');
    expect(JSON.stringify(new NonFinite('NaN'))).toBe('"NaN"');
    expect(new NonFinite('-Infinity').valueOf()).toBe(Number.NEGATIVE_INFINITY);
  });

  test('what has none is not copied', () => {
    const value = {a: [1, 'x', {b: null}]};
    expect(withNonFinite(value)).toBe(value);
    expect(takeOutNonFinite(value)).toEqual({value, places: []});
    expect(takeOutNonFinite(value).value).toBe(value);
  });

  test('they are taken out for strict JSON, and put back', () => {
    const value = withNonFinite({'a/b': {'~c': [0, Number.NaN]}, d: Number.POSITIVE_INFINITY, '': [{'': Number.NEGATIVE_INFINITY}]}) as object;
    const {value: strict, places} = takeOutNonFinite(value);
    expect(strict).toEqual({'a/b': {'~c': [0, null]}, d: null, '': [{'': null}]});
    expect(places).toEqual([
      ['/a~1b/~0c/1', 'NaN'],
      ['/d', 'Infinity'],
      ['//0/', '-Infinity'],
    ]);
    const again = JSON.parse(JSON.stringify(strict)) as object;
    putBackNonFinite(again, places);
    expect(again).toEqual(value);
  });

  test('a place that is not there is passed over, and no prototype is touched', () => {
    const value = {a: {b: 1}};
    for (const pointer of ['/x', '/a/x', '/a/b/c', '', '/__proto__/polluted', '/constructor/prototype/x'])
      putBackNonFinite(value, [[pointer, 'NaN']]);
    expect(value).toEqual({a: {b: 1}});
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('large JSON', () => {
  test('a string of many megabytes is read in steps too', async () => {
    const bytes = Buffer.from(`{"r": "${'x\\n'.repeat(2_000_000)}", "b": 1}`);
    let turns = 0;
    const counting = setInterval(() => turns++, 0);
    const members = await scanLargeJson(bytes);
    clearInterval(counting);
    expect([...members.keys()]).toEqual(['r', 'b']);
    expect(members.get('r')).toEqual({start: 6, end: 6 + 6_000_002});
    expect(turns).toBeGreaterThan(2);
  });

  test.each([
    `{"a": "${'x'.repeat(3_000_000)}`,
    `{"a": "${'x'.repeat(3_000_000)}\n"}`,
    `{"a": "${'x'.repeat(3_000_000)}\\`,
    `[1${'0'.repeat(3_000_000)}]`,
  ])('what is wrong far inside is found', async (text) => {
    await expect(scanLargeJson(Buffer.from(text))).rejects.toThrow(JsonSyntaxError);
  });

  test('an outline has everything but one value, which has a stand-in of its type', async () => {
    const outline = async (value: string): Promise<string> =>
      (await outlineOf(Buffer.from(`{"a": 1, "e": ${value} , "z": []}`), 'e', {nonFiniteIn: 'everywhere'})).text.toString();
    for (const [value, stand] of [
      ['{ }', '{}'],
      ['{"x": NaN}', '{"":0}'],
      ['[1]', '[]'],
      ['""', '""'],
      ['"x"', '" "'],
      ['-1.5', '-1.5'],
      ['NaN', '0'],
      ['-Infinity', '0'],
      ['null', 'null'],
    ] as const) {
      expect(await outline(value)).toBe(`{"a": 1, "e": ${stand} , "z": []}`);
    }
    expect(await outlineOf(Buffer.from('{"a": 1}'), 'e')).toEqual({text: Buffer.from('{"a": 1}'), range: undefined});
    expect(standIn(Buffer.from('{"a":1}'), {start: 0, end: 7})).toBe('{"":0}');
  });

  test('a string of many megabytes is decoded as JSON.parse would', async () => {
    const pieces = ['{\\"a\\": ', 'plain text of some length, ', '\\u00e9', 'é', '\\ud83d\\ude00', '😀', '\\\\', '\\n', '\\\\\\"', 'x'.repeat(100)];
    let seed = 5;
    const random = (n: number): number => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
    for (const many of [0, 1, 300_000]) {
      const text = `"${Array.from({length: many}, () => pieces[random(pieces.length)]).join('')}"`;
      expect((await decodeLargeString(Buffer.from(text))).equals(Buffer.from(JSON.parse(text) as string))).toBe(true);
    }
    const dense = `"${'\\ud83d\\ude00'.repeat(400_000)}"`;
    expect((await decodeLargeString(Buffer.from(dense))).equals(Buffer.from(JSON.parse(dense) as string))).toBe(true);
  });

  test('the encoding is checked in steps, and no character is cut by it', async () => {
    const text = Buffer.from('€'.repeat(3_000_000));
    expect(await isLargeUtf8(text)).toBe(true);
    expect(await isLargeUtf8(text.subarray(0, text.length - 1))).toBe(false);
    text[5_000_000] = 0xff;
    expect(await isLargeUtf8(text)).toBe(false);
    expect(await isLargeUtf8(Buffer.alloc(0))).toBe(true);
  });
});

test('an answer with a large text in it is not put together, and comes out the same', async () => {
  const large = `[${'1, '.repeat(500_000)}2]`;
  async function* pieces(): AsyncGenerator<Buffer> {
    yield Buffer.from(large.slice(0, 1000));
    yield Buffer.from(large.slice(1000));
  }
  for (const raw of [RawJson.of(large), new StreamedJson(large.length, pieces())]) {
    const answer = encodeJson({a: {b: raw}, c: true}) as LargeAnswer;
    expect(answer).toBeInstanceOf(LargeAnswer);
    const parts: Buffer[] = [];
    for await (const piece of answer.pieces()) parts.push(piece);
    const text = Buffer.concat(parts).toString();
    expect(text).toBe(`{"a":{"b":${large}},"c":true}`);
    expect(answer.size).toBe(text.length);
  }
});
