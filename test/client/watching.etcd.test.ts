import {expect, test} from 'vitest';
import {eventually} from '../support/eventually.ts';
import {useDatabase} from '../support/config-database.ts';

const on = useDatabase();

test('many keys of one kind are watched together, and each still wakes', async () => {
  const keys = Array.from({length: 40}, (_, i) => `${on.k}/many/${i}`);
  const seen: unknown[] = [];
  let open: unknown;
  for await (const round of on.db.watcher()) {
    if (seen.length > 0) open = round.watches;
    seen.push(await round.transact(async (tx) => (await Promise.all(keys.map((key) => tx.get(key)))).filter((text) => text !== undefined)));
    if (seen.length === 2) break;
    await on.db.create(`${on.k}/many/unread`, 'x');
    await on.db.create(keys[33] as string, 'x');
  }
  expect({seen, open}).toEqual({seen: [[], ['x']], open: {keys: 0, lists: 1}});
});

test('a watcher and a watch go on over a restart of etcd, and miss nothing', async () => {
  await on.db.create(on.k, '0');
  await using watch = await on.db.watch(on.k);
  const seen: (string | undefined)[] = [];
  let restarted: Promise<void> | undefined;
  for await (const round of on.db.watcher()) {
    seen.push(await round.transact((tx) => tx.get(on.k)));
    if (seen.at(-1) === '2') break;
    if (seen.length === 1) await on.db.update(on.k, '1');
    restarted ??= (async () => {
      await on.etcd.restart();
      await eventually(() => on.db.update(on.k, '2'), {timeoutMs: 20_000});
    })();
  }
  await restarted;
  expect(seen.at(-1)).toBe('2');
  const told = [];
  for await (const {text} of watch) if (told.push(text) && text === '2') break;
  expect(new Set(told)).toEqual(new Set(['1', '2']));
});

test('values are read with their keys, in pages of one revision', async () => {
  for (let first = 0; first < 300; first += 100) {
    await on.db.transact(async (tx) => {
      await Promise.all(Array.from({length: 100}, (_, i) => tx.create(`${on.k}/${String(first + i).padStart(3, '0')}`, String(first + i))));
    });
  }
  const {entries, revision} = await on.db.values(`${on.k}/`);
  expect(entries.map(({text}) => Number(text))).toEqual(Array.from({length: 300}, (_, i) => i));
  expect(entries[7]).toMatchObject({path: `${on.k}/007`, text: '7'});
  await on.db.delete(`${on.k}/`, {prefix: true, recursive: true, mustExist: false});
  expect((await on.db.values(`${on.k}/`)).entries).toEqual([]);
  expect((await on.db.values(`${on.k}/`, {revision})).entries).toHaveLength(300);
});

test('more siblings than one transaction takes are not deleted by halves', async () => {
  await on.db.transact((tx) => Promise.all(Array.from({length: 100}, (_, i) => tx.create(`${on.k}/a${i}`, 'x'))));
  await on.db.transact((tx) => Promise.all(Array.from({length: 100}, (_, i) => tx.create(`${on.k}/b${i}`, 'x'))));
  await expect(on.db.delete(`${on.k}/`, {prefix: true, mustExist: false})).rejects.toMatchObject({code: 'too_many_operations'});
  expect((await on.db.list(`${on.k}/`)).keys).toHaveLength(200);
});
