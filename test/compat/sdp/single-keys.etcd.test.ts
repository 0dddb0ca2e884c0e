import {describe, expect, test} from 'vitest';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase();

describe('paths', () => {
  test('case 1: an empty path is refused, as it must start with a slash', async () => {
    await expect(on.db.create('', 'x')).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('must start')});
  });

  test('case 2: a path without its first slash is refused', async () => {
    await expect(on.db.create('foo', 'x')).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('must start'), key: 'foo'});
  });

  test('case 3: create, update, get and the watch of one key refuse a trailing slash', async () => {
    const path = `${on.k}/`;
    const trailing = {code: 'invalid', detail: expect.stringContaining('trailing'), key: path};
    await expect(on.db.create(path, 'x')).rejects.toMatchObject(trailing);
    await expect(on.db.update(path, 'x')).rejects.toMatchObject(trailing);
    await expect(on.db.get(path)).rejects.toMatchObject(trailing);
    await expect(on.db.watch(path)).rejects.toMatchObject(trailing);
  });

  test('case 4: the watch of a prefix may end in a slash', async () => {
    await using watch = await on.db.watch(`${on.k}/`, {prefix: true});
    await on.db.create(`${on.k}/a`, 'x');
    expect(await watch.next()).toMatchObject({done: false, value: {path: `${on.k}/a`, text: 'x'}});
  });

  test('case 5: get in a transaction refuses a trailing slash', async () => {
    const reading = on.db.transact((tx) => tx.get(`${on.k}/`));
    await expect(reading).rejects.toMatchObject({code: 'invalid', detail: expect.stringContaining('trailing')});
  });
});

describe('single keys', () => {
  test('case 16: a key that exists is not created again, and keeps its value', async () => {
    await on.db.create(on.k, 'foo');
    await expect(on.db.create(on.k, 'bar')).rejects.toMatchObject({code: 'already_exists', key: on.k});
    expect((await on.db.get(on.k)).text).toBe('foo');
  });

  test('case 17: an update that expects the revision that was read goes through, and makes the next one', async () => {
    await on.db.create(on.k, 'foo');
    const first = await on.db.get(on.k);
    expect(first.text).toBe('foo');
    await on.db.update(on.k, 'bar', {expected: first});
    const second = await on.db.get(on.k);
    expect(second).toMatchObject({text: 'bar', modRevision: Number(first.modRevision) + 1});
    expect(second.revision).toBeGreaterThan(first.revision);
  });

  test('case 18: an update that expects another revision is refused, and nothing has changed', async () => {
    await on.db.create(on.k, 'foo');
    const first = await on.db.get(on.k);
    await on.db.update(on.k, 'bar', {expected: first});
    const second = await on.db.get(on.k);
    await expect(on.db.update(on.k, 'baz', {expected: first})).rejects.toMatchObject({code: 'revision_conflict', key: on.k});
    await expect(on.db.update(on.k, 'baz', {expected: first.modRevision as number})).rejects.toMatchObject({code: 'revision_conflict'});
    expect(await on.db.get(on.k)).toMatchObject({text: 'bar', modRevision: second.modRevision});
  });

  test('case 19: what a key held at an older revision can be read', async () => {
    await on.db.create(on.k, 'foo');
    const first = await on.db.get(on.k);
    await on.db.update(on.k, 'bar');
    expect(await on.db.get(on.k, {revision: first.revision})).toMatchObject({text: 'foo', modRevision: first.modRevision});
  });

  test('case 20: a key is deleted once', async () => {
    await on.db.create(on.k, 'foo');
    expect(await on.db.delete(on.k)).toEqual([on.k]);
    await expect(on.db.delete(on.k)).rejects.toMatchObject({code: 'not_found', key: on.k});
  });

  test('case 21: an absent key is not updated', async () => {
    await expect(on.db.update(on.k, 'x')).rejects.toMatchObject({code: 'not_found', key: on.k});
    const absent = await on.db.get(on.k);
    expect(absent).toMatchObject({text: undefined, modRevision: undefined});
    await expect(on.db.update(on.k, 'x', {expected: absent})).rejects.toMatchObject({code: 'invalid', key: on.k});
  });

  test('case 22: a key may be created below one that does not exist', async () => {
    await on.db.create(`${on.k}/child`, 'x');
    expect((await on.db.get(on.k)).text).toBeUndefined();
    expect((await on.db.get(`${on.k}/child`)).text).toBe('x');
  });

  test('values are text; numbers become theirs, and what has no one text is refused', async () => {
    await on.db.create(on.k, 1);
    expect((await on.db.get(on.k)).text).toBe('1');
    await expect(on.db.update(on.k, {} as string)).rejects.toMatchObject({code: 'invalid', key: on.k});
  });
});

describe('deletions', () => {
  /** K, K/x, K/x/x and so on, ten levels; and K with a letter more, with a child. */
  async function chain(): Promise<{readonly below: readonly string[]; readonly siblings: readonly string[]}> {
    const below = Array.from({length: 10}, (_, i) => `${on.k}${'/x'.repeat(i + 1)}`);
    const siblings = [`${on.k}x`, `${on.k}x/x`];
    for (const key of [on.k, ...below, ...siblings]) await on.db.create(key, '');
    return {below, siblings};
  }
  const left = async (): Promise<readonly string[]> => (await on.db.list(on.k, {recurse: 32})).keys;

  test('case 23: one key goes alone; with all that is below it only where that is asked for, and never a sibling', async () => {
    const {below, siblings} = await chain();
    await on.db.delete(on.k);
    expect(await left()).toEqual([...below, ...siblings].sort());
    await expect(on.db.delete(on.k, {recursive: true})).rejects.toMatchObject({code: 'not_found', key: on.k});
    expect(await left()).toEqual([...below, ...siblings].sort());
    expect(await on.db.delete(on.k, {recursive: true, mustExist: false})).toEqual(below);
    expect(await left()).toEqual(siblings);
  });

  test('case 24: by prefix, siblings of the same level go, too; with all below, what is below them', async () => {
    const {below} = await chain();
    expect(await on.db.delete(on.k, {prefix: true})).toEqual([on.k, `${on.k}x`]);
    expect(await left()).toEqual([...below, `${on.k}x/x`].sort());
    await on.db.delete(on.k, {prefix: true, recursive: true, mustExist: false});
    expect(await left()).toEqual([]);
  });

  test('case 25: an absent key may be deleted where it need not exist', async () => {
    expect(await on.db.delete(on.k, {mustExist: false})).toEqual([]);
  });
});
