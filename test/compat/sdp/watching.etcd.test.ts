import {describe, expect, test} from 'vitest';
import type {ConfigDatabase, KeyChange, Watcher, WatcherOptions} from '../../../src/client/index.ts';
import {useDatabase} from '../../support/config-database.ts';

const on = useDatabase();

async function put(path: string, text: string): Promise<void> {
  if ((await on.db.get(path)).text === undefined) await on.db.create(path, text);
  else await on.db.update(path, text);
}
const read = (round: Watcher, path: string): Promise<string | undefined> => round.transact((tx) => tx.get(path));

async function take(changes: AsyncIterable<KeyChange>, n: number): Promise<(readonly [string, string | undefined])[]> {
  const taken: (readonly [string, string | undefined])[] = [];
  for await (const {path, text} of changes) {
    taken.push([path.slice(on.k.length), text]);
    if (taken.length === n) break;
  }
  return taken;
}

/** Long enough for a wake-up that must not come to have come. Only a test that waits for nothing uses it. */
const QUIET_MS = 300;

interface Round {
  readonly n: number;
  readonly round: Watcher;
}

/** Runs a watcher until its body says `stop`; returns what woke each round but the first. */
async function rounds(body: (r: Round) => Promise<'stop' | void>, options: WatcherOptions = {}, db: ConfigDatabase = on.db): Promise<unknown[]> {
  const woken: unknown[] = [];
  let n = 0;
  for await (const round of db.watcher(options)) {
    if (n > 0) woken.push(round.wokenBy);
    if ((await body({n, round})) === 'stop') break;
    n += 1;
  }
  return woken;
}

describe('watching keys', () => {
  test('case 72: the watch of a key tells its changes in order', async () => {
    await using watch = await on.db.watch(on.k);
    await on.db.create(on.k, 'bla');
    for (const text of ['bla2', 'bla3', 'bla4']) await on.db.update(on.k, text);
    await on.db.create(`${on.k}x`, 'another key');
    await on.db.delete(on.k);
    expect(await take(watch, 5)).toEqual(['bla', 'bla2', 'bla3', 'bla4', undefined].map((text) => ['', text]));
  });

  test('case 73: the watch of a prefix tells the changes of all keys below it, with their paths', async () => {
    await using watch = await on.db.watch(`${on.k}/`, {prefix: true});
    for (const name of ['ab', 'ac', 'ba', 'ad']) await on.db.create(`${on.k}/${name}`, name);
    expect(await take(watch, 4)).toEqual(['ab', 'ac', 'ba', 'ad'].map((name) => [`/${name}`, name]));
  });

  test('case 74: a prefix may end within a name', async () => {
    await using watch = await on.db.watch(`${on.k}/a`, {prefix: true});
    for (const name of ['ab', 'ac', 'ba', 'a/deeper', 'ad']) await on.db.create(`${on.k}/${name}`, name);
    expect(await take(watch, 3)).toEqual(['ab', 'ac', 'ad'].map((name) => [`/${name}`, name]));
  });

  test('a watch may begin in the past, and says so when that has been compacted away', async () => {
    const first = await on.db.create(on.k, '1');
    const second = await on.db.update(on.k, '2');
    expect(await take(await on.db.watch(on.k, {from: first}), 2)).toEqual([
      ['', '1'],
      ['', '2'],
    ]);
    await on.etcd.etcdctl(['compact', String(second)]);
    const lost = await on.db.watch(on.k, {from: first});
    await expect(lost.next()).rejects.toMatchObject({code: 'revision_conflict'});
  });

  test('a watch that is left or aborted ends', async () => {
    const watch = await on.db.watch(on.k);
    await watch.return();
    expect(await watch.next()).toEqual({done: true, value: undefined});
    const aborted = new AbortController();
    const other = await on.db.watch(on.k, {signal: aborted.signal});
    const next = other.next();
    aborted.abort();
    expect(await next).toEqual({done: true, value: undefined});
  });
});

describe('what a watcher has open', () => {
  test('case 77: leaving the loop ends all watches', async () => {
    const watcher = on.db.watcher();
    let n = 0;
    let open: unknown;
    for await (const round of watcher) {
      await read(round, on.k);
      open = round.watches;
      if (n++ === 1) break;
      await put(on.k, 'x');
    }
    expect(open).toEqual({keys: 1, lists: 0});
    expect(watcher.watches).toEqual({keys: 0, lists: 0});
  });

  test('case 78: keys within a watched list have no watch of their own, and what is not read any more has none', async () => {
    const open: unknown[] = [];
    const below = [`${on.k}/1`, `${on.k}/2`];
    await rounds(async ({n, round}) => {
      open.push(round.watches);
      round.trigger();
      if (n === 4) return 'stop';
      await round.transact(async (tx) => {
        await tx.get(on.k);
        if (n === 0) await tx.list(`${on.k}/`);
        for (const key of below.slice(0, 3 - Math.max(n, 1))) await tx.get(key);
      });
      return undefined;
    });
    expect(open).toEqual([
      {keys: 0, lists: 0},
      {keys: 1, lists: 1},
      {keys: 3, lists: 0},
      {keys: 2, lists: 0},
      {keys: 1, lists: 0},
    ]);
  });
});

describe('what wakes a watcher', () => {
  test('case 79: a key that goes from a list, or comes into it', async () => {
    await put(`${on.k}/a`, 'x');
    const seen: unknown[] = [];
    const woken = await rounds(async ({n, round}) => {
      seen.push(await round.transact((tx) => tx.list(`${on.k}/`)));
      if (n === 0) await on.db.delete(`${on.k}/a`);
      if (n === 1) await put(`${on.k}/b`, 'x');
      return n === 2 ? 'stop' : undefined;
    });
    expect(seen).toEqual([[`${on.k}/a`], [], [`${on.k}/b`]]);
    expect(woken).toEqual(['change', 'change']);
  });

  test('case 80: not another value of a listed key', async () => {
    await put(`${on.k}/a`, 'x');
    const woken = await rounds(
      async ({n, round}) => {
        await round.transact((tx) => tx.list(`${on.k}/`));
        await put(`${on.k}/a`, String(n));
        return n === 1 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect(woken).toEqual(['timeout']);
  });

  test('case 81: another value of a key that was listed and read', async () => {
    await put(`${on.k}/a`, 'x');
    const woken = await rounds(async ({n, round}) => {
      await round.transact(async (tx) => [await tx.list(`${on.k}/`), await tx.get(`${on.k}/a`)]);
      if (n === 0) await put(`${on.k}/a`, 'y');
      return n === 1 ? 'stop' : undefined;
    });
    expect(woken).toEqual(['change']);
  });

  test('case 82: neither the key above a list nor one further below', async () => {
    const woken = await rounds(
      async ({n, round}) => {
        await round.transact((tx) => tx.list(`${on.k}/`));
        if (n === 0) for (const key of [on.k, `${on.k}/a/deeper`]) await on.db.create(key, 'x');
        return n === 1 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect(woken).toEqual(['timeout']);
  });

  test('case 83: a trigger, also one before the wait begins', async () => {
    const watcher = on.db.watcher();
    watcher.trigger();
    const woken: unknown[] = [];
    for await (const round of watcher) {
      woken.push(round.wokenBy);
      if (woken.length === 3) break;
      // The second comes while it waits.
      if (woken.length === 2) setImmediate(() => watcher.trigger());
    }
    expect(woken).toEqual([undefined, 'trigger', 'trigger']);
  });

  test('case 84: five quick changes are one round, which sees the last', async () => {
    await put(on.k, '0');
    const seen: unknown[] = [];
    const woken = await rounds(
      async ({n, round}) => {
        seen.push(await read(round, on.k));
        if (n === 0) for (let i = 1; i <= 5; i++) await on.db.update(on.k, String(i));
        return n === 2 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect(seen).toEqual(['0', '5', '5']);
    expect(woken).toEqual(['change', 'timeout']);
  });

  test('case 85: without any change a round begins after each timeout, which may be changed meanwhile', async () => {
    const woken = await rounds(
      async ({n, round}) => {
        await read(round, on.k);
        round.timeoutMs = 20;
        return n === 3 ? 'stop' : undefined;
      },
      {timeoutMs: 60_000},
    );
    expect(woken).toEqual(['timeout', 'timeout', 'timeout']);
  });

  test('case 86: a body that writes what it reads, where it is not yet so, has one round more', async () => {
    await put(on.k, 'no');
    const seen: unknown[] = [];
    const woken = await rounds(
      async ({n, round}) => {
        await round.transact(async (tx) => {
          const value = await tx.get(on.k);
          seen.push(value);
          if (value !== 'yes') await tx.update(on.k, 'yes');
        });
        return n === 2 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect(seen).toEqual(['no', 'yes', 'yes']);
    expect(woken).toEqual(['change', 'timeout']);
  });

  test('case 87: a key that is first read later wakes nobody with what happened before (mended)', async () => {
    await put(`${on.k}/late`, '0');
    const woken = await rounds(
      async ({n, round}) => {
        await read(round, `${on.k}/first`);
        if (n === 0) {
          await put(`${on.k}/late`, '1');
          round.trigger();
        } else await read(round, `${on.k}/late`);
        return n === 2 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect(woken).toEqual(['trigger', 'timeout']);
  });

  test('case 88: history that was compacted away meanwhile makes it miss nothing (mended)', async () => {
    await put(`${on.k}/late`, '0');
    const seen: unknown[] = [];
    const woken = await rounds(async ({n, round}) => {
      if (n === 0) {
        await read(round, on.k);
        const revision = await on.db.create(`${on.k}/other`, 'x');
        await on.etcd.etcdctl(['compact', String(revision)]);
        round.trigger();
        return undefined;
      }
      seen.push(await read(round, `${on.k}/late`));
      if (n === 1) await put(`${on.k}/late`, '1');
      return n === 2 ? 'stop' : undefined;
    });
    expect(seen).toEqual(['0', '1']);
    // Which of the two comes first is chance.
    expect(woken).toEqual(['trigger', expect.stringMatching(/^(change|gap)$/)]);
  });

  test('what was read and compacted away before it could be watched wakes at once', async () => {
    await put(on.k, '0');
    const woken = await rounds(async ({n, round}) => {
      await read(round, on.k);
      if (n === 0) {
        await on.db.update(on.k, '1');
        const revision = await on.db.update(on.k, '2');
        await on.etcd.etcdctl(['compact', String(revision)]);
      }
      return n === 1 ? 'stop' : undefined;
    });
    expect(woken).toEqual(['gap']);
  });

  test('case 89: an absent key that was read, once it is created', async () => {
    const seen: unknown[] = [];
    await rounds(async ({n, round}) => {
      seen.push(await read(round, on.k));
      if (n === 0) await on.db.create(on.k, 'x');
      return n === 1 ? 'stop' : undefined;
    });
    expect(seen).toEqual([undefined, 'x']);
  });

  test('case 90: states that one transaction writes over one another show as the last, once', async () => {
    await on.db.create(on.k, '{}');
    const states = ['WAITING', 'FINISHED', '', 'WAITING', 'FINISHED'];
    let fired = 0;
    const seen: unknown[] = [];
    await rounds(
      async ({n, round}) => {
        const state = await read(round, on.k);
        seen.push(state);
        if (state === 'FINISHED' && seen.at(-2) !== state) fired += 1;
        if (n === 0) {
          await on.db.transact(async (tx) => {
            for (const each of states) await tx.update(on.k, each);
          });
        }
        return n === 2 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect({fired, seen}).toEqual({fired: 1, seen: ['{}', 'FINISHED', 'FINISHED']});
  });

  test('case 91: what is there already is no change; who wants it reads it first', async () => {
    await on.db.create(`${on.k}/done`, 'FINISHED');
    await using watch = await on.db.watch(`${on.k}/`, {prefix: true});
    const {keys, revision} = await on.db.list(`${on.k}/`);
    expect(keys).toEqual([`${on.k}/done`]);
    await using all = await on.db.watch(`${on.k}/`, {prefix: true, from: revision + 1});
    await on.db.create(`${on.k}/next`, 'FINISHED');
    expect(await take(watch, 1)).toEqual([['/next', 'FINISHED']]);
    expect(await take(all, 1)).toEqual([['/next', 'FINISHED']]);
  });

  test('what a transaction read that failed is not watched', async () => {
    const woken = await rounds(
      async ({n, round}) => {
        const failing = round.transact(async (tx) => {
          await tx.get(on.k);
          throw new RangeError('of the body');
        });
        await expect(failing).rejects.toThrow(RangeError);
        await put(on.k, String(n));
        return n === 1 ? 'stop' : undefined;
      },
      {timeoutMs: QUIET_MS},
    );
    expect(woken).toEqual(['timeout']);
  });

  test('closing the connection ends a loop that waits', async () => {
    const db = on.connect();
    let n = 0;
    for await (const round of db.watcher()) {
      n += 1;
      await round.transact((tx) => tx.get(on.k));
      setImmediate(() => void db.close());
    }
    expect(n).toBe(1);
  });
});
