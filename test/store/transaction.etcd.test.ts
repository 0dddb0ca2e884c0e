import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {within} from '../../src/store/etcd-member.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {transact} from '../../src/store/transact.ts';
import type {Transaction} from '../../src/store/transaction.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';

let etcd: TestEtcd;
let members: EtcdMembers;
let store: EtcdStore;
/** A fresh place for each test. */
let k: string;
let tests = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  members = new EtcdMembers({endpoints: [etcd.endpoint]});
  store = new EtcdStore(members);
});
afterAll(async () => {
  members.close();
  await etcd.stop();
});
beforeEach(() => {
  tests += 1;
  k = `/t${tests}`;
});

async function put(key: string, value: string): Promise<void> {
  await store.commit({compares: [], ops: [{put: key, value}]});
}
async function remove(key: string): Promise<void> {
  await store.commit({compares: [], ops: [{delete: key}]});
}
async function text(key: string): Promise<string | undefined> {
  return (await store.get(key))?.value.toString();
}

/** Runs a body that does `meanwhile` in its first attempt, after its reads; returns how many attempts it took. */
async function attempts(body: (tx: Transaction) => Promise<void>, meanwhile: () => Promise<void>, write = true): Promise<number> {
  let n = 0;
  await transact(store, async (tx) => {
    n += 1;
    await body(tx);
    if (n === 1) await meanwhile();
    if (write) await tx.create(`${k}/written`, 'x');
  });
  return n;
}

describe('own writes', () => {
  test('are seen by own reads, and by others only after the commit', async () => {
    await put(`${k}/1`, 'old');
    await transact(store, async (tx) => {
      await tx.update(`${k}/1`, 'new');
      await tx.create(`${k}/2`, 'a');
      await tx.update(`${k}/2`, 'b');
      expect([await tx.get(`${k}/1`), await tx.get(`${k}/2`)]).toEqual(['new', 'b']);
      expect([await text(`${k}/1`), await text(`${k}/2`)]).toEqual(['old', undefined]);
    });
    expect([await text(`${k}/1`), await text(`${k}/2`)]).toEqual(['new', 'b']);
  });

  test('create, update and delete say at once what stands in their way', async () => {
    await put(`${k}/there`, '1');
    await transact(store, async (tx) => {
      await expect(tx.create(`${k}/there`, 'x')).rejects.toMatchObject({code: 'already_exists', key: `${k}/there`});
      await tx.delete(`${k}/there`);
      await expect(tx.update(`${k}/there`, 'x')).rejects.toMatchObject({code: 'not_found', key: `${k}/there`});
      await expect(tx.delete(`${k}/there`)).rejects.toMatchObject({code: 'not_found'});
      await tx.create(`${k}/there`, '4');
      await expect(tx.update(`${k}/absent`, 'x')).rejects.toMatchObject({code: 'not_found'});
      await expect(tx.delete(`${k}/absent`)).rejects.toMatchObject({code: 'not_found'});
      await tx.create(`${k}/absent`, '4');
      await expect(tx.create(`${k}/absent`, '4')).rejects.toMatchObject({code: 'already_exists'});
      await tx.delete(`${k}/absent`);
    });
    expect([await text(`${k}/there`), await text(`${k}/absent`)]).toEqual(['4', undefined]);
  });

  test('a list shows own creations, hides own deletions, and is not fooled by a blind delete', async () => {
    await put(`${k}/b`, '');
    await put(`${k}/c`, '');
    await transact(store, async (tx) => {
      expect(await tx.list(`${k}/`)).toEqual([`${k}/b`, `${k}/c`]);
      await tx.create(`${k}/a`, '');
      await tx.delete(`${k}/b`);
      await tx.delete(`${k}/never`, {mustExist: false});
      expect(await tx.list(`${k}/`)).toEqual([`${k}/a`, `${k}/c`]);
    });
    expect((await store.range(`${k}/`)).entries.map((e) => e.key)).toEqual([`${k}/a`, `${k}/c`]);
  });

  test('an update keeps the lease of the key unless told otherwise', async () => {
    const {ID: lease} = await members.preferred.lease.leaseGrant({TTL: 60}, within(1000));
    await transact(store, async (tx) => {
      await tx.create(`${k}/1`, 'x', {lease});
      await tx.update(`${k}/1`, 'y');
    });
    expect(await store.get(`${k}/1`)).toMatchObject({lease, value: Buffer.from('y')});
    await transact(store, (tx) => tx.update(`${k}/1`, 'z'));
    expect((await store.get(`${k}/1`))?.lease).toBe(lease);
    await transact(store, (tx) => tx.update(`${k}/1`, 'z', {lease: '0'}));
    expect((await store.get(`${k}/1`))?.lease).toBe('0');
  });
});

describe('lists', () => {
  beforeEach(async () => {
    for (const name of ['a', 'ab', 'ax', 'b', 'ab/c', 'a/d', 'a/d/x']) await put(`${k}/${name}`, '');
  });
  const list = async (path: string, recurse?: number): Promise<string[]> =>
    transact(store, async (tx) => (await tx.list(k + path, recurse === undefined ? {} : {recurse})).map((key) => key.slice(k.length)));

  test('show one level, by textual prefix', async () => {
    expect(await list('/')).toEqual(['/a', '/ab', '/ax', '/b']);
    expect(await list('/a')).toEqual(['/a', '/ab', '/ax']);
    expect(await list('/a/')).toEqual(['/a/d']);
    expect(await list('/none')).toEqual([]);
  });

  test('show as many levels more as asked for', async () => {
    expect(await list('/a', 1)).toEqual(['/a', '/a/d', '/ab', '/ab/c', '/ax']);
    expect(await list('/', 9)).toEqual(['/a', '/a/d', '/a/d/x', '/ab', '/ab/c', '/ax', '/b']);
  });
});

describe('conflicts', () => {
  test('reads come from one snapshot, and reading alone never conflicts', async () => {
    await put(`${k}/1`, '1');
    await put(`${k}/2`, '1');
    let seen: unknown;
    let n = 0;
    let called = 0;
    await transact(store, async (tx) => {
      n += 1;
      tx.onCommit(() => (called += 1));
      await tx.get(`${k}/1`);
      await put(`${k}/2`, '2');
      seen = [await tx.get(`${k}/2`), await tx.get(`${k}/2`)];
    });
    expect({seen, n, called}).toEqual({seen: ['1', '1'], n: 1, called: 0});
  });

  test('the body runs again until nobody interferes, and its callback once', async () => {
    await put(`${k}/2`, '-1');
    let n = 0;
    const called: number[] = [];
    await transact(store, async (tx) => {
      const value = Number(await tx.get(`${k}/2`));
      if (n < 10) await put(`${k}/2`, String(n));
      n += 1;
      await tx.create(`${k}/3`, String(value + 1));
      tx.onCommit((revision) => called.push(revision));
    });
    expect({n, calls: called.length}).toEqual({n: 11, calls: 1});
    expect([await text(`${k}/2`), await text(`${k}/3`)]).toEqual(['9', '10']);
    expect((await store.get(`${k}/3`))?.modRevision).toBe(called[0]);
  });

  test('a key that appears, changes or is rewritten with the same text after it was read is one', async () => {
    await put(`${k}/same`, 'x');
    expect(
      await attempts(
        async (tx) => void (await tx.get(`${k}/absent`)),
        () => put(`${k}/absent`, 'x'),
      ),
    ).toBe(2);
    await remove(`${k}/written`);
    expect(
      await attempts(
        async (tx) => void (await tx.get(`${k}/same`)),
        () => put(`${k}/same`, 'x'),
      ),
    ).toBe(2);
  });

  test('a key that was absent, came and went is none', async () => {
    const comeAndGo = async (): Promise<void> => {
      await put(`${k}/absent`, 'x');
      await remove(`${k}/absent`);
    };
    expect(await attempts(async (tx) => void (await tx.get(`${k}/absent`)), comeAndGo)).toBe(1);
  });

  const listing = async (tx: Transaction): Promise<void> => void (await tx.list(`${k}/l/`));
  test.each<[string, number, () => Promise<void>]>([
    ['a listed key that is deleted is one', 2, () => remove(`${k}/l/1`)],
    ['a key that is added to a listed range is one', 2, () => put(`${k}/l/2`, '')],
    [
      'a listed key that is deleted and created again is one',
      2,
      async () => {
        await remove(`${k}/l/1`);
        await put(`${k}/l/1`, '');
      },
    ],
    ['a changed value of a listed key is none', 1, () => put(`${k}/l/1`, 'changed')],
  ])('%s', async (_title, expected, meanwhile) => {
    await put(`${k}/l/1`, '');
    expect(await attempts(listing, meanwhile)).toBe(expected);
  });

  test('two who create the same key: one does, the other is told in its second attempt', async () => {
    let n = 0;
    let called = 0;
    const creating = transact(store, async (tx) => {
      n += 1;
      tx.onCommit(() => (called += 1));
      if (n === 1) {
        await tx.get(`${k}/4`);
        await put(`${k}/4`, 'theirs');
      }
      await tx.create(`${k}/4`, 'mine');
    });
    await expect(creating).rejects.toMatchObject({code: 'already_exists'});
    expect({n, called, value: await text(`${k}/4`)}).toEqual({n: 2, called: 0, value: 'theirs'});
  });

  test('a blind delete depends on nothing', async () => {
    let n = 0;
    await transact(store, async (tx) => {
      n += 1;
      await tx.delete(`${k}/1`, {mustExist: false});
      await put(`${k}/1`, 'x');
    });
    expect({n, value: await text(`${k}/1`)}).toEqual({n: 1, value: undefined});
  });

  test('after so many retries it gives up, having written nothing', async () => {
    let n = 0;
    const hopeless = transact(
      store,
      async (tx) => {
        await tx.get(`${k}/1`);
        await put(`${k}/1`, String(n));
        n += 1;
        await tx.create(`${k}/2`, 'x');
      },
      {maxRetries: 9},
    );
    await expect(hopeless).rejects.toMatchObject({code: 'revision_conflict', message: expect.stringContaining('9 retries') as unknown});
    expect({n, one: await text(`${k}/1`), two: await text(`${k}/2`)}).toEqual({n: 10, one: '9', two: undefined});
  });

  test('a snapshot that was compacted away is one', async () => {
    await put(`${k}/1`, '1');
    let n = 0;
    await transact(store, async (tx) => {
      n += 1;
      await tx.get(`${k}/1`);
      if (n === 1) {
        await put(`${k}/1`, '2');
        await etcd.etcdctl(['compact', String(await store.currentRevision())]);
      }
      await tx.create(`${k}/2`, String(await tx.get(`${k}/3`)));
    });
    expect({n, value: await text(`${k}/2`)}).toEqual({n: 2, value: 'undefined'});
  });

  test('four clients that count to 100 together do', async () => {
    await put(`${k}/n`, '0');
    const client = async (): Promise<void> => {
      for (let i = 0; i < 25; i += 1) {
        await transact(store, async (tx) => tx.update(`${k}/n`, String(Number(await tx.get(`${k}/n`)) + 1)));
      }
    };
    await Promise.all([client(), client(), client(), client()]);
    expect(await text(`${k}/n`)).toBe('100');
  });
});

describe('ends and limits', () => {
  test('a body that throws writes nothing and is not run again', async () => {
    let n = 0;
    const failing = transact(store, async (tx) => {
      n += 1;
      await tx.create(`${k}/1`, 'x');
      throw new Error('mine');
    });
    await expect(failing).rejects.toThrow('mine');
    expect({n, value: await text(`${k}/1`)}).toEqual({n: 1, value: undefined});
  });

  test('a transaction cannot be used after its commit', async () => {
    const tx = await transact(store, async (open) => open);
    await expect(tx.get(`${k}/1`)).rejects.toMatchObject({code: 'wrong_state'});
    await expect(tx.create(`${k}/1`, 'x')).rejects.toMatchObject({code: 'wrong_state'});
    await expect(tx.list(`${k}/`)).rejects.toMatchObject({code: 'wrong_state'});
    expect(() => tx.onCommit(() => {})).toThrow('[wrong_state]');
  });

  test('128 creations fit into one, 129 are refused as too_many_operations', async () => {
    const creating = async (n: number): Promise<void> =>
      transact(store, async (tx) => {
        for (let i = 0; i < n; i += 1) await tx.create(`${k}/${n}/${i}`, '');
      });
    await creating(128);
    await expect(creating(129)).rejects.toMatchObject({code: 'too_many_operations'});
    expect((await store.range(`${k}/129/`)).entries).toEqual([]);
  });

  test('a list longer than that can be part of one that need not notice deletions', async () => {
    for (const half of [0, 1]) {
      const ops = Array.from({length: 100}, (_, i) => ({put: `${k}/l/${half}-${i}`, value: ''}));
      await store.commit({compares: [], ops});
    }
    const writing = async (noticeDeletes: boolean): Promise<void> =>
      transact(store, async (tx) => {
        expect(await tx.list(`${k}/l/`, {noticeDeletes})).toHaveLength(200);
        await tx.create(`${k}/one`, '');
      });
    await expect(writing(true)).rejects.toMatchObject({code: 'too_many_operations'});
    await writing(false);
    // Additions are noticed all the same.
    expect(
      await attempts(
        async (tx) => void (await tx.list(`${k}/l/`, {noticeDeletes: false})),
        () => put(`${k}/l/new`, ''),
      ),
    ).toBe(2);
  });

  test('paths that do not start with a slash, or end in one, are invalid', async () => {
    await transact(store, async (tx) => {
      await expect(tx.get('x')).rejects.toMatchObject({code: 'invalid', message: expect.stringContaining('must start') as unknown});
      await expect(tx.get('')).rejects.toMatchObject({code: 'invalid'});
      await expect(tx.create('/x/', '')).rejects.toMatchObject({code: 'invalid', message: expect.stringContaining('trailing') as unknown});
    });
  });
});
