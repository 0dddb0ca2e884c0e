import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {startApi} from './harness.ts';
import type {Answer, TestApi} from './harness.ts';

let etcd: TestEtcd;
let api: TestApi;
const ids: string[] = [];

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
  for (let n = 0; n < 5; n++) ids.push(await api.newScan({priority: n, classifiers: {text: `n${n}`, big: 'x'.repeat(25)}}));
});

afterAll(async () => {
  await api.stop();
  await etcd.stop();
});

const ask = (body: unknown, to: TestApi = api): Promise<Answer> => to.ask('POST', '/scans/find', {body});
const foundIn = (answer: Answer): string[] => answer.body.manifests.map((each: {scan_id: string}) => each.scan_id);
const nextOf = (answer: Answer): string | null => answer.headers.get('x-scanplane-next-after');

describe('POST /scans/find', () => {
  test.each<[unknown, number[]]>([
    [{priority: {$gte: 3}}, [3, 4]],
    [{priority: {$nin: [0, 1, 2]}}, [3, 4]],
    [{priority: {$mod: [2, 0]}}, [0, 2, 4]],
    [{'classifiers.text': {$regex: '^N[12]$', $options: 'i'}}, [1, 2]],
    [{$nor: [{priority: {$lt: 4}}]}, [4]],
    [{priority: {$not: {$lt: 4}}}, [4]],
    [{progress: {$type: 'null'}, priority: {$in: [1]}}, [1]],
    [{$or: [{'classifiers.text': 'n0'}, {'classifiers.none': {$exists: true}}]}, [0]],
    [{'classifiers.text.0': {$exists: true}}, []],
  ])('finds %j', async (filter, expected) => {
    expect(foundIn(await ask({filter}))).toEqual(expected.map((n) => ids[n]));
  });

  test('gives everything, and nothing but manifests, to who does not ask for pages', async () => {
    const answer = await ask({filter: {}});
    expect(foundIn(answer)).toEqual(ids);
    expect(Object.keys(answer.body)).toEqual(['manifests']);
    expect(nextOf(answer)).toBeNull();
  });

  test('gives pages to who asks for them, and says where the next begins', async () => {
    const filter = {priority: {$ne: 1}};
    const first = await ask({filter, limit: 2});
    expect(foundIn(first)).toEqual([ids[0], ids[2]]);
    expect(nextOf(first)).toBe(ids[2]);
    const second = await ask({filter, limit: 2, after: nextOf(first)});
    expect(foundIn(second)).toEqual([ids[3], ids[4]]);
    expect(nextOf(second)).toBeNull();
    expect(foundIn(await ask({filter, after: ids[3]}))).toEqual([ids[4]]);
    expect(foundIn(await ask({filter, after: ids[4]}))).toEqual([]);
  });

  test('refuses an operator that it has not, or that is used wrongly, and says why', async () => {
    const refusal = async (filter: unknown): Promise<string> => {
      const {status, reason, body} = await ask({filter});
      expect(body).toEqual({code: status, error: reason});
      return `${status} ${reason}`;
    };
    expect(await refusal({$where: '1'})).toBe('400 filter operator $where is not supported');
    expect(await refusal({$text: {$search: 'x'}})).toBe('400 filter operator $text is not supported');
    expect(await refusal({priority: {$in: 1}})).toBe('400 filter operator $in needs an array');
    expect(await refusal({scan_id: {$regex: '(?=a)'}})).toBe(
      '400 filter operator $regex cannot use this pattern: it looks around, which is not offered',
    );
  });

  test.each<[string, unknown]>([
    ["'limit': must be at least 1", {limit: 0}],
    ["'limit': must be type 'integer' (int)", {limit: '5'}],
    ["'after': must be type 'string'", {after: 5}],
    ["Additional properties are not allowed ('skip' was unexpected)", {skip: 1}],
  ])('refuses a page that is asked for wrongly: %s', async (reason, more) => {
    const answer = await ask({filter: {}, ...(more as object)});
    expect(`${answer.status} ${answer.reason}`).toBe(`400 ${reason}`);
  });

  test('a filter larger than a mebibyte is too large', async () => {
    expect((await ask({filter: {scan_id: {$in: ['x'.repeat(1024 * 1024)]}}})).status).toBe(413);
  });

  test.each<[string, (inner: unknown) => unknown, number]>([
    ['$not', (inner) => ({$not: inner}), 990],
    ['$and', (inner) => ({$and: [inner]}), 490],
    ['$elemMatch', (inner) => ({scan_metadata: {$elemMatch: inner}}), 490],
  ])('answers a filter that is nested as deeply as JSON may be: %s', async (name, wrap, levels) => {
    let filter: unknown = name === '$not' ? {$gt: 1} : {priority: 1};
    for (let level = 0; level < levels; level++) filter = wrap(filter);
    expect((await ask({filter: name === '$not' ? {priority: filter} : filter})).status).toBe(200);
  });

  test('an answer that would be too large is refused, and can be had in pages', async () => {
    const small = await startApi(etcd.endpoint, {find: {bytes: 1000, rows: 4}});
    try {
      const rows = await ask({filter: {}}, small);
      expect(`${rows.status} ${rows.reason}`).toBe("400 more than 4 scans match--ask for pages with 'limit' and 'after'");
      const bytes = await ask({filter: {priority: {$gt: 1}}}, small);
      expect(`${bytes.status} ${bytes.reason}`).toBe(
        "400 the answer is larger than 1000 bytes--ask for fewer fields, or for pages with 'limit' and 'after'",
      );
      const found: string[] = [];
      for (let after: string | null = ''; after !== null;) {
        const page: Answer = await ask({filter: {}, after}, small);
        expect(page.status).toBe(200);
        found.push(...foundIn(page));
        after = nextOf(page);
      }
      expect(found).toEqual(ids);
    } finally {
      await small.stop();
    }
  });

  test('a large answer arrives whole', async () => {
    const scan_metadata = {text: 'é'.repeat(200_000)};
    for (const id of ids) expect((await api.ask('PATCH', `/scan/${id}/manifest`, {body: {scan_metadata}})).status).toBe(200);
    const answer = await ask({filter: {}});
    expect(answer.headers.get('content-type')).toBe('application/json; charset=UTF-8');
    expect(Number(answer.headers.get('content-length'))).toBeGreaterThan(5 * 400_000);
    expect(answer.body.manifests.map((each: Record<string, unknown>) => each['scan_metadata'])).toEqual(ids.map(() => scan_metadata));
  });
});
