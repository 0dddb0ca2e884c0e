import {expect, test} from 'vitest';
import type {ReadSet} from '../../src/store/read-set.ts';
import type {KeyChange} from '../../src/client/index.ts';
import {eventually} from '../support/eventually.ts';
import {useDatabase} from '../support/config-database.ts';
import {seededRandom} from '../support/seeded-random.ts';

const on = useDatabase();

/** What one round read, and what it saw. */
interface Round {
  readonly lists: readonly string[];
  readonly keys: readonly string[];
  readonly seen: unknown;
  readonly reads: ReadSet;
}

test('whatever is written, a watcher neither misses a change nor invents one', async () => {
  const random = seededRandom(20260101);
  const pick = <T>(items: readonly T[], share: number): T[] => items.filter(() => random() < share);
  const names = ['', '/a', '/a/x', '/b', '/b/x', '/ab', '/c', '/d'].map((name) => on.k + name);
  const directories = [`${on.k}/`, `${on.k}/a`, `${on.k}/b/`, `${on.k}/none/`];
  const rounds: Round[] = [];
  const woken: unknown[] = [];
  const log: KeyChange[] = [];
  const writer = on.connect();
  const watch = await writer.watch(on.k, {prefix: true, recurse: 9});
  const logging = (async () => {
    for await (const change of watch) log.push(change);
  })();

  let compacted = 0;
  const stop = new AbortController();
  const watching = (async () => {
    for await (const round of on.db.watcher({signal: stop.signal})) {
      woken.push(round.wokenBy);
      const [lists, keys] = [pick(directories, 0.4), pick(names, 0.4)];
      const read = await round.transact(async (tx) => {
        const listed = await Promise.all(lists.map((path) => tx.list(path)));
        const texts = await Promise.all(keys.map((key) => tx.get(key)));
        return {seen: [listed, texts], reads: tx.reads};
      });
      rounds.push({lists, keys, ...read});
    }
  })();

  /** Some writes, of which a few come together in one transaction. */
  async function write(): Promise<void> {
    await writer.transact(async (tx) => {
      for (const key of pick(names, 0.25)) {
        if ((await tx.get(key)) === undefined) await tx.create(key, String(random()));
        else if (random() < 0.5) await tx.update(key, String(random()));
        else await tx.delete(key);
      }
    });
  }
  for (let phase = 0; phase < 60; phase++) {
    for (let n = random() * 4; n > 0; n--) await write();
    const {revision} = await writer.get(on.k);
    if (random() < 0.2 && revision > compacted) {
      compacted = revision;
      await on.etcd.etcdctl(['compact', String(revision)]);
    }
    await eventually(async () => {
      const last = rounds.at(-1);
      if (last === undefined) return false;
      const now = [
        await Promise.all(last.lists.map(async (path) => (await writer.list(path)).keys)),
        await Promise.all(last.keys.map(async (key) => (await writer.get(key)).text)),
      ];
      return JSON.stringify(now) === JSON.stringify(last.seen) && last === rounds.at(-1);
    });
  }
  stop.abort();
  await watching;
  const end = await writer.create(`${on.k}/end`, '');
  await eventually(() => (log.at(-1)?.revision ?? 0) >= end);
  await watch.return();
  await logging;

  expect(woken.filter((why) => why === 'change').length).toBeGreaterThan(5);
  for (const [n, why] of woken.entries()) {
    if (why !== 'change') continue;
    const {keys, lists} = (rounds[n - 1] as Round).reads;
    const until = rounds[n]?.reads.since ?? Infinity;
    // In the log: a change of a key that was read, or of one that is listed, after it was read and before the round that it brought.
    const hasReason = log.some(
      ({path, revision}) =>
        revision <= until &&
        (revision > (keys.get(path) ?? Infinity) || [...lists.values()].some((list) => revision > list.revision && list.listing.has(path))),
    );
    expect([n, hasReason]).toEqual([n, true]);
  }
});
