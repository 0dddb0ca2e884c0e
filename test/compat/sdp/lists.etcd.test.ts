import {beforeAll, expect, test} from 'vitest';
import type {Levels} from '../../../src/client/index.ts';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase();
const K = '/listed';
const ALL = ['/a', '/a/d', '/a/d/x', '/ab', '/ab/c', '/ax', '/b'];

beforeAll(async () => {
  for (const name of ALL) await on.db.create(K + name, '');
});

/** What a list shows, without K: the same from the database and in a transaction. */
async function list(path: string, recurse: Levels = 0): Promise<string[]> {
  const {keys} = await on.db.list(K + path, {recurse});
  expect(await on.db.transact((tx) => tx.list(K + path, {recurse}))).toEqual(keys);
  return keys.map((key) => key.slice(K.length));
}

test('case L1: a path with a trailing slash lists its children', async () => {
  expect(await list('/')).toEqual(['/a', '/ab', '/ax', '/b']);
});
test('case L2: a path without one lists itself, and here there is nothing', async () => {
  expect(await list('')).toEqual([]);
});
test('case L3: it lists what starts with its last component', async () => {
  expect(await list('/a')).toEqual(['/a', '/ab', '/ax']);
});
test('case L4: a whole name lists what has only that', async () => {
  expect(await list('/b')).toEqual(['/b']);
  expect(await list('/ab')).toEqual(['/ab']);
});
test('case L5: children of a key are its own, not those of a longer name', async () => {
  expect(await list('/a/')).toEqual(['/a/d']);
  expect(await list('/ab/')).toEqual(['/ab/c']);
});
test('case L6: one level more, or that level alone, is the same where the path itself holds nothing', async () => {
  expect(await list('', 1)).toEqual(['/a', '/ab', '/ax', '/b']);
  expect(await list('', [1])).toEqual(['/a', '/ab', '/ax', '/b']);
});
test('case L7: two levels more', async () => {
  expect(await list('', 2)).toEqual(['/a', '/a/d', '/ab', '/ab/c', '/ax', '/b']);
});
test('case L8: the second level alone', async () => {
  expect(await list('', new Set([2]))).toEqual(['/a/d', '/ab/c']);
});
test('case L9: levels count from the path’s own', async () => {
  expect(await list('/', 1)).toEqual(['/a', '/a/d', '/ab', '/ab/c', '/ax', '/b']);
});
test('case L10: three levels more, sorted', async () => {
  expect(await list('', 3)).toEqual(ALL);
});
test('case L11: the order of the levels does not matter', async () => {
  expect(await list('', [3, 2, 1])).toEqual(ALL);
});
test('case L12: a beginning of names, and what is below them', async () => {
  expect(await list('/a', 2)).toEqual(['/a', '/a/d', '/a/d/x', '/ab', '/ab/c', '/ax']);
});
test('case L13: children and grandchildren', async () => {
  expect(await list('/a/', 1)).toEqual(['/a/d', '/a/d/x']);
});
test('case L14: the root lists everything, as far down as is asked for', async () => {
  const {keys} = await on.db.list('/', {recurse: 32});
  expect(keys).toEqual(expect.arrayContaining(ALL.map((name) => K + name)));
});
test('a level that is no whole number from 0 on is refused', async () => {
  await expect(on.db.list(K, {recurse: -1})).rejects.toMatchObject({code: 'invalid'});
  await expect(on.db.list(K, {recurse: [0.5]})).rejects.toMatchObject({code: 'invalid'});
});
