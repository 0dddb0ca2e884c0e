import {afterAll, beforeAll, expect, test} from 'vitest';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog, silentLog} from '../../src/lib/log.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import type {EtcdMember} from '../../src/store/etcd-member.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {PrefixWatch, hasOrderedProgress} from '../../src/store/watch-stream.ts';
import type {WatchEnd} from '../../src/store/watch-stream.ts';
import type {WatchEvent} from '../../src/store/wire/watch-messages.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TcpProxy} from '../support/tcp-proxy.ts';

let etcd: TestEtcd;
let proxy: TcpProxy;
/** Writes past the proxy. */
let store: EtcdStore;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  proxy = await TcpProxy.start(etcd.endpoint);
  store = new EtcdStore(new EtcdMembers({endpoints: [etcd.endpoint]}));
});
afterAll(async () => {
  store.members.close();
  await proxy.stop();
  await etcd.stop();
});

/** A watch through the proxy, and what it has handed on. */
class Follower {
  readonly revisions: {readonly revision: number; readonly events: readonly WatchEvent[]}[] = [];
  progress = 0;
  readonly watch: PrefixWatch;
  readonly store: EtcdStore;
  readonly #stop = new AbortController();
  readonly #from: number;
  readonly #prefix: string;
  #end: Promise<WatchEnd> | undefined;

  constructor(prefix: string, from: number, endpoints = [proxy.endpoint], auth: {user?: string; password?: string} = {}, log = silentLog) {
    this.store = new EtcdStore(new EtcdMembers({endpoints, ...auth}));
    this.watch = new PrefixWatch(prefix, {store: this.store, clock: systemClock, log, timings: {idleMs: 200, answerMs: 800}});
    this.#prefix = prefix;
    this.#from = from;
  }

  start(): this {
    this.#end = this.watch.follow(
      this.#from,
      {
        onRevision: (revision, events) => this.revisions.push({revision, events}),
        onProgress: (revision) => (this.progress = Math.max(this.progress, revision)),
        onBehind: () => {},
      },
      this.#stop.signal,
    );
    return this;
  }

  get member(): EtcdMember {
    return this.store.members.preferred;
  }

  get keys(): string[] {
    expect(this.revisions.every(({events}) => events[0]?.kv.key.startsWith(this.#prefix))).toBe(true);
    return this.revisions.flatMap(({events}) => events.map(({kv}) => kv.key));
  }

  get end(): Promise<WatchEnd> | undefined {
    return this.#end;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#end;
    this.store.members.close();
  }
}

async function put(key: string, value = 'x'): Promise<number> {
  return (await store.commit({compares: [], ops: [{put: key, value}]})).revision;
}

test('no event is lost when the stream breaks again and again between `created` and the events', async () => {
  const expected = Array.from({length: 50}, (_, i) => `/e1/${i}`);
  let first = 0;
  for (const key of expected) {
    const revision = await put(key);
    first ||= revision;
  }
  const follower = new Follower('/e1/', first);
  let cuts = 0;
  const {member} = follower;
  const open = member.watch.bind(member);
  member.watch = async () => {
    const stream = await open();
    stream.on('data', (response) => {
      // etcd sends events of the past up to 100 ms after this reply.
      if (!response.created || cuts >= 4) return;
      cuts += 1;
      proxy.cutAll();
    });
    return stream;
  };
  follower.start();
  try {
    await eventually(() => follower.keys.length >= expected.length, {timeoutMs: 10_000});
    expect(cuts).toBe(4);
    expect(follower.keys).toEqual(expected);
  } finally {
    await follower.stop();
  }
});

test('a broken stream goes on where the last handed-on revision ended, with nothing twice', async () => {
  const follower = new Follower('/cut/', (await put('elsewhere')) + 1).start();
  try {
    const expected: string[] = [];
    for (let i = 0; i < 60; i++) {
      await put(`/cut/${i}`);
      expected.push(`/cut/${i}`);
      if (i % 15 === 7) proxy.cutAll(true);
    }
    await eventually(() => follower.keys.length >= expected.length, {timeoutMs: 10_000});
    expect(follower.keys).toEqual(expected);
    expect(follower.watch.connects).toBeGreaterThan(1);
  } finally {
    await follower.stop();
  }
});

test('a catch-up of more than 4 MiB in a thousand revisions arrives whole', async () => {
  const value = 'v'.repeat(8192);
  const first = await put('/e2/0', value);
  for (let i = 1; i < 1001; i += 50) {
    await Promise.all(Array.from({length: Math.min(50, 1001 - i)}, (_, n) => put(`/e2/${i + n}`, value)));
  }
  const follower = new Follower('/e2/', first).start();
  try {
    await eventually(() => follower.keys.length >= 1001, {timeoutMs: 15_000});
    expect(new Set(follower.keys).size).toBe(1001);
    expect(follower.revisions.map(({revision}) => revision)).toEqual(Array.from({length: 1001}, (_, i) => first + i));
    expect(follower.watch.connects).toBe(1);
  } finally {
    await follower.stop();
  }
});

test('one revision that etcd sends in several fragments is handed on in one piece', async () => {
  // Long keys, since the events of a deletion carry nothing else; few, since etcd 3.4 takes quadratic time to cut.
  const tail = 'k'.repeat(2000);
  const names = Array.from({length: 1500}, (_, i) => `/frag/${i}/${tail}`);
  for (let i = 0; i < names.length; i += 100) {
    await store.commit({compares: [], ops: names.slice(i, i + 100).map((key) => ({put: key, value: ''}))});
  }
  const follower = new Follower('/frag/', (await put('elsewhere')) + 1);
  let fragments = 0;
  const {member} = follower;
  const open = member.watch.bind(member);
  member.watch = async () => {
    const stream = await open();
    stream.on('data', (response) => {
      if (response.fragment) fragments += 1;
    });
    return stream;
  };
  follower.start();
  try {
    await eventually(() => follower.progress > 0);
    const {revision} = await store.commit({compares: [], ops: [{deletePrefix: '/frag/'}]});
    await eventually(() => follower.revisions.length > 0, {timeoutMs: 10_000});
    expect(fragments).toBeGreaterThan(0);
    expect(follower.revisions).toHaveLength(1);
    expect(follower.revisions[0]?.revision).toBe(revision);
    expect(follower.revisions[0]?.events).toHaveLength(names.length);
    expect(follower.revisions[0]?.events.every(({kind}) => kind === 'delete')).toBe(true);
  } finally {
    await follower.stop();
  }
});

test('a compaction of what is still to come ends the watch, and says so', async () => {
  const from = await put('/gone/1');
  await put('/gone/2');
  await etcd.etcdctl(['compact', String(await put('elsewhere'))]);
  const follower = new Follower('/gone/', from).start();
  try {
    expect(await follower.end).toBe('compacted');
    expect(follower.revisions).toEqual([]);
  } finally {
    await follower.stop();
  }
});

test('a member that falls silent is left: the watch goes on when there is an answer again', async () => {
  const follower = new Follower('/silent/', (await put('elsewhere')) + 1).start();
  try {
    await eventually(() => follower.progress > 0);
    proxy.blackhole();
    await put('/silent/1');
    // It must come to an end by itself, and be tried again, though nothing ever closed the connection.
    await eventually(() => follower.watch.connects >= 2, {timeoutMs: 10_000});
    proxy.cutAll();
    proxy.heal();
    await eventually(() => follower.keys.length === 1, {timeoutMs: 10_000});
  } finally {
    proxy.heal();
    await follower.stop();
  }
});

test('while etcd is away the watch tries at most ten times a second', async () => {
  const follower = new Follower('/away/', (await put('elsewhere')) + 1).start();
  try {
    await eventually(() => follower.progress > 0);
    proxy.refuse();
    const before = follower.watch.connects;
    const startedAt = performance.now();
    await eventually(() => follower.watch.connects >= before + 3, {timeoutMs: 10_000});
    const tried = follower.watch.connects - before;
    expect(tried / (performance.now() - startedAt)).toBeLessThanOrEqual(12 / 1000 + 1 / (performance.now() - startedAt));
    proxy.heal();
    await put('/away/1');
    await eventually(() => follower.keys.length === 1, {timeoutMs: 10_000});
  } finally {
    proxy.heal();
    await follower.stop();
  }
});

test('a watch that is denied is reported, and works by itself once the rights are granted', async () => {
  const own = await startEtcd({unsafeNoFsync: true});
  const root = ['--user', 'root:secret'];
  const lines: string[] = [];
  const log = createLog('error');
  log.error = ((_fields: unknown, message: string) => lines.push(message)) as unknown as typeof log.error;
  const follower = new Follower('/e3/', 1, [own.endpoint], {user: 'reader', password: 'reader'}, log);
  try {
    await own.etcdctl(['user', 'add', 'root:secret']);
    await own.etcdctl(['user', 'add', 'reader:reader']);
    await own.etcdctl(['role', 'add', 'readers']);
    await own.etcdctl(['user', 'grant-role', 'reader', 'readers']);
    await own.etcdctl(['put', '/e3/1', 'x']);
    await own.etcdctl(['auth', 'enable']);
    follower.start();
    await eventually(() => follower.watch.connects >= 3 && lines.includes('watch refused by etcd; trying again'), {timeoutMs: 10_000});
    expect(follower.revisions).toEqual([]);
    await own.etcdctl([...root, 'role', 'grant-permission', 'readers', 'read', '/e3/', '--prefix']);
    await own.etcdctl([...root, 'put', '/e3/2', 'x']);
    await eventually(() => follower.keys.length >= 2, {timeoutMs: 10_000});
    expect(follower.keys).toEqual(['/e3/1', '/e3/2']);
  } finally {
    await follower.stop();
    await own.stop();
  }
});

test('which etcd keeps progress notices in order is known by its version', () => {
  const ordered = ['3.4.25', '3.4.45', '3.5.9', '3.5.21', '3.6.0', '3.6.14', '4.0.0'];
  const unordered = ['3.3.27', '3.4.0', '3.4.23', '3.5.0', '3.5.7', 'unknown'];
  expect(ordered.filter(hasOrderedProgress)).toEqual(ordered);
  expect(unordered.filter(hasOrderedProgress)).toEqual([]);
});
