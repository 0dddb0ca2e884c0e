import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {hasCode} from '../../src/lib/errors.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TcpProxy} from '../support/tcp-proxy.ts';

let etcd: TestEtcd;
let members: EtcdMembers;
let store: EtcdStore;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  members = new EtcdMembers({endpoints: [etcd.endpoint]});
  store = new EtcdStore(members, {prefix: '/icecube'});
});
afterAll(async () => {
  members.close();
  await etcd.stop();
});

/** The code with which `promise` rejects. */
async function codeOf(promise: Promise<unknown>): Promise<string> {
  const thrown = await promise.then(
    () => undefined,
    (err: unknown) => err,
  );
  return hasCode(
    thrown,
    'invalid',
    'forbidden',
    'not_found',
    'too_large',
    'revision_conflict',
    'too_many_operations',
    'unknown_outcome',
    'unavailable',
  )
    ? thrown.code
    : `not ours: ${String(thrown)}`;
}

/** The revision of a transaction that went through. */
function written(result: {readonly ok: boolean; readonly revision: number}): number {
  expect(result.ok).toBe(true);
  return result.revision;
}

describe('keys and values', () => {
  test('what is put can be read back, under the global prefix', async () => {
    const revision = written(await store.commit({compares: [], ops: [{put: '/a/1', value: 'smörgås'}]}));
    expect(await store.get('/a/1')).toMatchObject({key: '/a/1', createRevision: revision, modRevision: revision, lease: '0'});
    expect((await store.get('/a/1'))?.value.toString()).toBe('smörgås');
    expect(await etcd.etcdctl(['get', '/icecube/a/1', '--print-value-only'])).toBe('smörgås\n');
    expect(await store.get('/a/none')).toBeUndefined();
  });

  test('an older revision can be read, and a compacted one is revision_conflict', async () => {
    const first = written(await store.commit({compares: [], ops: [{put: '/old', value: '1'}]}));
    const second = written(await store.commit({compares: [], ops: [{put: '/old', value: '2'}]}));
    expect((await store.get('/old', {revision: first}))?.value.toString()).toBe('1');
    await etcd.etcdctl(['compact', String(second)]);
    expect(await codeOf(store.get('/old', {revision: first}))).toBe('revision_conflict');
    expect(await codeOf(store.range('/old', {revision: second + 1000}))).toBe('revision_conflict');
  });

  test('a prefix read does not cross into longer ids, and pages go on where the last one ended', async () => {
    const ops = ['/scan/s1/a', '/scan/s1/b', '/scan/s1/c', '/scan/s10/a'].map((put) => ({put, value: put}));
    await store.commit({compares: [], ops});
    expect((await store.range('/scan/s1/')).entries.map((e) => e.key)).toEqual(['/scan/s1/a', '/scan/s1/b', '/scan/s1/c']);
    const page = await store.range('/scan/s1/', {limit: 2, keysOnly: true});
    expect(page.entries.map((e) => [e.key, e.value.length])).toEqual([
      ['/scan/s1/a', 0],
      ['/scan/s1/b', 0],
    ]);
    expect(page.more).toBe(true);
    const rest = await store.range('/scan/s1/', {from: '/scan/s1/b\0', revision: page.revision});
    expect(rest).toMatchObject({entries: [{key: '/scan/s1/c'}], more: false, revision: page.revision});
  });

  test('a store without prefix reads everything', async () => {
    const plain = new EtcdStore(members);
    await etcd.etcdctl(['put', '~other', 'x']);
    expect((await plain.range('')).entries.map((e) => e.key)).toContain('~other');
    expect((await plain.range('/icecube/a/')).entries.map((e) => e.key)).toEqual(['/icecube/a/1']);
  });

  test('a range of more than 4 MiB arrives (E2)', async () => {
    const value = Buffer.alloc(1024 * 1024, 'x');
    for (let i = 0; i < 6; i += 1) await store.commit({compares: [], ops: [{put: `~big/${i}`, value}]});
    const {entries} = await store.range('~big/');
    expect(entries.map((e) => e.value.length)).toEqual(Array(6).fill(1024 * 1024));
    await store.commit({compares: [], ops: [{deletePrefix: '~big/'}]});
    expect((await store.range('~big/')).entries).toEqual([]);
  });
});

describe('transactions', () => {
  test('a refused one writes nothing and tells what stands in each compared key', async () => {
    await store.commit({compares: [], ops: [{put: '/t/there', value: 'x'}]});
    const result = await store.commit({
      compares: [
        {key: '/t/there', createRevision: 0},
        {key: '/t/absent', modRevision: 0},
      ],
      ops: [{put: '/t/new', value: 'y'}],
    });
    expect(result.ok).toBe(false);
    if (result.ok) return;
    expect(result.found.get('/t/there')?.value.toString()).toBe('x');
    expect(result.found.has('/t/absent')).toBe(true);
    expect(result.found.get('/t/absent')).toBeUndefined();
    expect(await store.get('/t/new')).toBeUndefined();
  });

  test('each kind of compare holds and fails where it should', async () => {
    const first = written(await store.commit({compares: [], ops: [{put: '/c/k', value: '1'}]}));
    const second = written(await store.commit({compares: [], ops: [{put: '/c/k', value: '2'}]}));
    const ok = async (compare: Parameters<EtcdStore['commit']>[0]['compares'][number]): Promise<boolean> =>
      (await store.commit({compares: [compare], ops: []})).ok;
    expect(await ok({key: '/c/k', createRevision: first})).toBe(true);
    expect(await ok({key: '/c/k', createRevision: second})).toBe(false);
    expect(await ok({key: '/c/k', modRevision: second})).toBe(true);
    expect(await ok({key: '/c/k', modRevision: first})).toBe(false);
    expect(await ok({key: '/c/k', exists: true})).toBe(true);
    expect(await ok({key: '/c/none', exists: true})).toBe(false);
    expect(await ok({key: '/c/none', createRevision: 0})).toBe(true);
    expect(await ok({prefix: '/c/', createdUpTo: first})).toBe(true);
    expect(await ok({prefix: '/c/', createdUpTo: first - 1})).toBe(false);
    expect(await ok({prefix: '/nothing/', createdUpTo: 0})).toBe(true);
  });

  test('puts with a lease carry it, and a lease that is gone is not_found with nothing written', async () => {
    const {ID} = await members.preferred.lease.leaseGrant({TTL: 60}, {deadline: Date.now() + 1000});
    await store.commit({compares: [], ops: [{put: '/l/1', value: 'x', lease: ID}]});
    expect((await store.get('/l/1'))?.lease).toBe(ID);
    await members.preferred.lease.leaseRevoke({ID}, {deadline: Date.now() + 1000});
    expect(await store.get('/l/1')).toBeUndefined();
    const ops = [
      {put: '/l/2', value: 'x'},
      {put: '/l/3', value: 'x', lease: ID},
    ];
    expect(await codeOf(store.commit({compares: [], ops}))).toBe('not_found');
    expect(await store.get('/l/2')).toBeUndefined();
  });

  test('129 operations are refused before they are sent, 128 are not', async () => {
    const ops = (n: number) => Array.from({length: n}, (_, i) => ({put: `/many/${i}`, value: ''}));
    expect(await codeOf(store.commit({compares: [], ops: ops(129)}))).toBe('too_many_operations');
    expect((await store.commit({compares: [], ops: ops(128)})).ok).toBe(true);
  });

  test('a value above its limit is refused with its key, unless it is a blob; a transaction above etcd’s request limit too', async () => {
    const value = Buffer.alloc(512 * 1024 + 1);
    await expect(store.commit({compares: [], ops: [{put: '/v', value}]})).rejects.toMatchObject({code: 'too_large', key: '/v'});
    expect((await store.commit({compares: [], ops: [{put: '~v', value}]})).ok).toBe(true);
    const two = [
      {put: '~v/1', value: Buffer.alloc(800 * 1024)},
      {put: '~v/2', value: Buffer.alloc(800 * 1024)},
    ];
    expect(await codeOf(store.commit({compares: [], ops: two}))).toBe('too_large');
    const generous = new EtcdStore(members, {requestBytes: 1 << 28});
    expect(await codeOf(generous.commit({compares: [], ops: two}))).toBe('too_large');
    expect(await codeOf(generous.commit({compares: [], ops: [{put: '~v', value: Buffer.alloc(4 << 20)}]}))).toBe('too_large');
  });

  test('one key twice is invalid', async () => {
    const ops = [
      {put: '/twice', value: '1'},
      {put: '/twice', value: '2'},
    ];
    expect(await codeOf(store.commit({compares: [], ops}))).toBe('invalid');
  });
});

describe('revision reads', () => {
  test('one that begins after a write sees it, however many are under way', async () => {
    const worker = async (id: number): Promise<void> => {
      for (let i = 0; i < 30; i += 1) {
        const revision = written(await store.commit({compares: [], ops: [{put: `/r/${id}`, value: String(i)}]}));
        expect(await store.currentRevision()).toBeGreaterThanOrEqual(revision);
      }
    };
    await Promise.all(Array.from({length: 16}, (_, id) => worker(id)));
  });

  test('those that begin together share one', async () => {
    let sent = 0;
    const proxy = await TcpProxy.start(etcd.endpoint);
    const own = new EtcdMembers({endpoints: [proxy.endpoint]});
    try {
      const range = own.preferred.range.bind(own.preferred);
      own.preferred.range = (...args) => {
        sent += 1;
        return range(...args);
      };
      const reading = new EtcdStore(own);
      await reading.currentRevision();
      proxy.set('reply', 'stall');
      sent = 0;
      const first = reading.currentRevision();
      await eventually(() => sent === 1);
      const second = reading.currentRevision();
      await eventually(() => sent === 2);
      const later = Array.from({length: 50}, () => reading.currentRevision());
      proxy.heal();
      await Promise.all([first, second, ...later]);
      expect(sent).toBe(3);
    } finally {
      own.close();
      await proxy.stop();
    }
  });
});

describe('when etcd or the way to it fails', () => {
  test('a write whose reply is lost is unknown_outcome, is not sent twice, and has happened (E4, E5)', async () => {
    const proxy = await TcpProxy.start(etcd.endpoint);
    const own = new EtcdMembers({endpoints: [proxy.endpoint]});
    try {
      const behind = new EtcdStore(own, {prefix: '/icecube'});
      await behind.currentRevision();
      proxy.set('reply', 'stall');
      const writing = codeOf(behind.commit({compares: [{key: '/once', createRevision: 0}], ops: [{put: '/once', value: 'mine'}]}));
      await proxy.loseReplies(() => eventually(async () => (await store.get('/once')) !== undefined));
      expect(await writing).toBe('unknown_outcome');
      expect(await store.get('/once')).toMatchObject({value: Buffer.from('mine')});
      const entry = await store.get('/once');
      expect(entry?.createRevision).toBe(entry?.modRevision);
      // And the client goes on working.
      expect((await behind.commit({compares: [], ops: [{put: '/after', value: ''}]})).ok).toBe(true);
    } finally {
      own.close();
      await proxy.stop();
    }
  });

  test('a write that gets no answer is unknown_outcome at its deadline; a read is unavailable at its own', async () => {
    const proxy = await TcpProxy.start(etcd.endpoint);
    const own = new EtcdMembers({endpoints: [proxy.endpoint]});
    try {
      const behind = new EtcdStore(own, {readTimeoutMs: 300, writeTimeoutMs: 400});
      await behind.currentRevision();
      proxy.set('request', 'stall');
      const started = performance.now();
      expect(await codeOf(behind.commit({compares: [], ops: [{put: '/silent', value: ''}]}))).toBe('unknown_outcome');
      expect(await codeOf(behind.get('/silent'))).toBe('unavailable');
      expect(performance.now() - started).toBeLessThan(2000);
      expect(behind.isReachable()).toBe(false);
      proxy.heal();
      // Nobody calls; asking whether it is reachable finds out.
      await eventually(() => behind.isReachable());
    } finally {
      own.close();
      await proxy.stop();
    }
  });

  test('without etcd a write fails fast as unavailable; after its restart the same client works', async () => {
    const own = await startEtcd({unsafeNoFsync: true});
    const ownMembers = new EtcdMembers({endpoints: [own.endpoint]});
    try {
      const ownStore = new EtcdStore(ownMembers, {connectTimeoutMs: 300, readTimeoutMs: 300});
      await ownStore.commit({compares: [], ops: [{put: '/k', value: '1'}]});
      await own.kill();
      await eventually(() => !ownMembers.preferred.isConnected());
      const started = performance.now();
      expect(await codeOf(ownStore.commit({compares: [], ops: [{put: '/k', value: '2'}]}))).toBe('unavailable');
      expect(await codeOf(ownStore.get('/k'))).toBe('unavailable');
      expect(performance.now() - started).toBeLessThan(1500);
      expect(ownStore.isReachable()).toBe(false);
      await own.restart();
      await eventually(async () => (await ownStore.commit({compares: [], ops: [{put: '/k', value: '3'}]})).ok);
      expect((await ownStore.get('/k'))?.value.toString()).toBe('3');
      expect(ownStore.isReachable()).toBe(true);
    } finally {
      ownMembers.close();
      await own.stop();
    }
  });

  test('with one member gone, reads and writes go to the other address', async () => {
    const [a, b] = [await TcpProxy.start(etcd.endpoint), await TcpProxy.start(etcd.endpoint)];
    const own = new EtcdMembers({endpoints: [a.endpoint, b.endpoint]});
    try {
      const both = new EtcdStore(own, {prefix: '/icecube', readTimeoutMs: 3000});
      await both.commit({compares: [], ops: [{put: '/two', value: '1'}]});
      expect([a.accepted, b.accepted]).toEqual([1, 0]);
      a.refuse();
      await eventually(() => !own.members[0]!.isConnected());
      expect((await both.commit({compares: [], ops: [{put: '/two', value: '2'}]})).ok).toBe(true);
      expect((await both.get('/two'))?.value.toString()).toBe('2');
      expect(own.preferred.endpoint).toBe(b.endpoint);
      // Silence instead of a refusal: a read hops before its deadline, and takes the preference along.
      a.heal();
      await own.members[0]!.connect(2000, true);
      b.blackhole();
      expect((await both.get('/two'))?.value.toString()).toBe('2');
      expect(own.preferred.endpoint).toBe(a.endpoint);
      expect((await both.commit({compares: [], ops: [{put: '/two', value: '3'}]})).ok).toBe(true);
    } finally {
      own.close();
      await a.stop();
      await b.stop();
    }
  });
});
