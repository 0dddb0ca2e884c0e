import {readFile} from 'node:fs/promises';
import {beforeAll, describe, expect, test} from 'vitest';
import {requestOf, resolveRequestArgs} from '../../../src/specs/request-args.ts';
import type {Specs} from '../../../src/specs/spec.ts';
import {built} from '../../support/built-chain.ts';
import {invalid} from '../../support/refusals.ts';
import {specsOf} from '../../support/specs.ts';

describe('4.4 and 4.23 arguments of requests', () => {
  let linear: Specs;
  let expansion: Specs;
  let branches: Specs;
  beforeAll(async () => {
    const read = async (name: string): Promise<Specs> => specsOf(await readFile(new URL(`fixtures/${name}.yaml`, import.meta.url), 'utf8'));
    [linear, expansion, branches] = [await read('linear'), await read('expansion'), await read('branches')];
  });

  test('case 46: a request without a type is refused', () => {
    expect(() => requestOf(linear, '')).toThrow(invalid('type of the request is missing'));
  });

  test('case 319: a request of an unknown type is refused as bad input (mended)', async () => {
    expect(() => requestOf(linear, 'nowhere')).toThrow(invalid('"nowhere"'));
    await expect(built(linear, 'constructor', {})).rejects.toThrow(invalid('"constructor"'));
  });

  test('a sequence that is no request cannot be asked for', async () => {
    await expect(built(branches, 'publish-map', {item: 'i'})).rejects.toThrow(invalid('"publish-map" is not a request'));
  });

  test('a request whose spec has errors is refused, and the place of the first is named', () => {
    const specs = specsOf('sequences:\n  broken:\n    request: true\n    nodes:\n      n: {category: job}\n');
    expect(() => requestOf(specs, 'broken')).toThrow(invalid('"broken"', 'spec.yaml:5'));
  });

  test('case 320: a request without a required argument is refused as bad input, by its name (mended)', async () => {
    await expect(built(linear, 'calibrate', {})).rejects.toThrow(invalid('"calibrate"', '"field"', 'required'));
    await expect(built(expansion, 'survey', {})).rejects.toThrow(invalid('"region", "band"'));
  });

  test('case 349: a static argument cannot be given (mended)', async () => {
    await expect(built(branches, 'publish', {item: 'i', mode: 'quick', kind: 'table'})).rejects.toThrow(invalid('"publish"', '"kind"', 'static'));
  });

  test('an argument that the request does not declare is refused, by its name', async () => {
    await expect(built(linear, 'calibrate', {field: 'x', feild: 'y'})).rejects.toThrow(invalid('"calibrate"', '"feild"', 'not declared'));
    const odd = JSON.parse('{"field": "x", "__proto__": {"passes": 1}}') as Record<string, unknown>;
    await expect(built(linear, 'calibrate', odd)).rejects.toThrow(invalid('"__proto__"'));
    const many = Object.fromEntries(Array.from({length: 5000}, (_, n) => [`x${n}`, n]));
    expect(() => resolveRequestArgs(requestOf(linear, 'calibrate'), {field: 'x', ...many})).toThrow(invalid('and 4990 more'));
  });

  test('the archive has required and optional arguments, with their descriptions, as they were given or by default', () => {
    const field = {Pos: 0, Name: 'field', Desc: 'Field to calibrate', Type: 'required', Given: true, Default: null};
    const passes = {Pos: 0, Name: 'passes', Desc: 'Number of passes', Type: 'optional', Default: '175'};
    const resolve = (given: Record<string, unknown>): unknown => resolveRequestArgs(requestOf(linear, 'calibrate'), given).list;
    expect(resolve({field: 'x'})).toEqual([
      {...field, Value: 'x'},
      {...passes, Given: false, Value: '175'},
    ]);
    expect(resolve({field: ['a', 1], passes: 3})).toEqual([
      {...field, Value: ['a', 1]},
      {...passes, Given: true, Value: 3},
    ]);
    expect(resolve({field: null})).toMatchObject([{Given: true, Value: null}, {}]);
  });

  test('positions count within required, optional and static arguments', () => {
    expect(resolveRequestArgs(requestOf(expansion, 'survey'), {band: 'K', region: 'r'}).list).toEqual([
      {Pos: 0, Name: 'region', Desc: '', Type: 'required', Given: true, Default: null, Value: 'r'},
      {Pos: 1, Name: 'band', Desc: '', Type: 'required', Given: true, Default: null, Value: 'K'},
      {Pos: 0, Name: 'archive', Desc: '', Type: 'static', Given: false, Default: null, Value: 'cold-1'},
    ]);
  });
});
