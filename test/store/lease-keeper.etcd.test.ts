import {afterAll, beforeAll, expect, test} from 'vitest';
import type {Clock} from '../../src/lib/clock.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {EtcdLeaseKeeper} from '../../src/store/lease-keeper.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TcpProxy} from '../support/tcp-proxy.ts';

let etcd: TestEtcd;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
});
afterAll(() => etcd.stop());

/** A clock that can be set forward, as a pause of the process does. */
class SkippingClock implements Clock {
  skippedMs = 0;
  now(): number {
    return systemClock.now();
  }
  monotonicMs(): number {
    return systemClock.monotonicMs() + this.skippedMs;
  }
}

class Kept {
  readonly members: EtcdMembers;
  readonly store: EtcdStore;
  readonly lease: EtcdLeaseKeeper;
  readonly lost: string[] = [];
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(ttlSeconds: number, endpoints: readonly string[] = [etcd.endpoint], clock: Clock = systemClock) {
    this.members = new EtcdMembers({endpoints});
    this.store = new EtcdStore(this.members);
    this.lease = new EtcdLeaseKeeper({members: this.members, clock, log: silentLog, ttlSeconds});
    this.lease.onLost((lease) => this.lost.push(lease), this.#stop.signal);
    this.#running = this.lease.run(this.#stop.signal);
  }

  acquire(): Promise<string> {
    return this.lease.acquire(AbortSignal.timeout(10_000));
  }

  /** Remaining seconds of a lease as etcd has it; -1: none. */
  async ttlOf(id: string, at: TestEtcd = etcd): Promise<number> {
    const text = await at.etcdctl(['lease', 'timetolive', BigInt(id).toString(16), '-w', 'json']);
    return (JSON.parse(text) as {ttl: number}).ttl;
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
    this.members.close();
  }
}

test('a lease is kept beyond its TTL, and revoked with all its keys when the process stops', async () => {
  const kept = new Kept(2);
  const id = await kept.acquire();
  await kept.store.commit({compares: [], ops: [{put: '/replica/r1', value: '{}', lease: id}]});
  const until = performance.now() + 3500;
  while (performance.now() < until) {
    expect(kept.lease.current()).toBe(id);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  expect(await kept.ttlOf(id)).toBeGreaterThan(0);
  expect((await kept.store.get('/replica/r1'))?.lease).toBe(id);
  expect(kept.lost).toEqual([]);
  await kept.stop();
  expect(kept.lease.current()).toBeUndefined();
  expect(await etcd.etcdctl(['get', '/replica/r1'])).toBe('');
});

test('a lease that somebody revoked is lost at the next renewal, and another one is granted', async () => {
  const kept = new Kept(2);
  try {
    const id = await kept.acquire();
    await etcd.etcdctl(['lease', 'revoke', BigInt(id).toString(16)]);
    await eventually(() => kept.lost.includes(id));
    const next = await kept.acquire();
    expect(next).not.toBe(id);
    expect(kept.lost).toEqual([id]);
  } finally {
    await kept.stop();
  }
});

test('who asks for a check hears of a revoked lease without waiting for the next renewal', async () => {
  const kept = new Kept(60);
  try {
    const id = await kept.acquire();
    await etcd.etcdctl(['lease', 'revoke', BigInt(id).toString(16)]);
    kept.lease.check();
    await eventually(() => kept.lost.includes(id));
  } finally {
    await kept.stop();
  }
});

test('the first look after a pause longer than the TTL finds the lease lost, before anything else runs', async () => {
  const clock = new SkippingClock();
  const kept = new Kept(60, [etcd.endpoint], clock);
  try {
    const id = await kept.acquire();
    clock.skippedMs += 50_000;
    expect(kept.lease.current()).toBe(id);
    clock.skippedMs += 10_000;
    expect(kept.lease.current()).toBeUndefined();
    expect(kept.lost).toEqual([id]);
    // Whatever was attached to it is let go, since nobody may act on it any more.
    await eventually(async () => (await kept.ttlOf(id)) === -1);
    expect(await kept.acquire()).not.toBe(id);
  } finally {
    await kept.stop();
  }
});

test('the deadline counts from before a renewal was sent: a late answer does not prolong it by its delay', async () => {
  const proxy = await TcpProxy.start(etcd.endpoint);
  const kept = new Kept(3, [proxy.endpoint]);
  try {
    const id = await kept.acquire();
    // Renewals reach etcd, their answers are held back beyond the TTL.
    proxy.set('reply', 'stall');
    const startedAt = performance.now();
    await eventually(() => kept.lost.includes(id), {timeoutMs: 5000});
    expect(performance.now() - startedAt).toBeLessThan(3300);
  } finally {
    proxy.heal();
    proxy.cutAll();
    await kept.stop();
    await proxy.stop();
  }
});

test('broken connections do not cost the lease', async () => {
  const proxy = await TcpProxy.start(etcd.endpoint);
  const kept = new Kept(3, [proxy.endpoint]);
  try {
    const id = await kept.acquire();
    const until = performance.now() + 4500;
    while (performance.now() < until) {
      proxy.cutAll(true);
      await new Promise((resolve) => setTimeout(resolve, 400));
      expect(kept.lease.current()).toBe(id);
    }
  } finally {
    await kept.stop();
    await proxy.stop();
  }
});

test('a database that is full does not stop renewals', async () => {
  const own = await startEtcd({unsafeNoFsync: true, quotaBytes: 2 * 1024 * 1024});
  const kept = new Kept(2, [own.endpoint]);
  try {
    const id = await kept.acquire();
    await eventually(
      async () => {
        const result = await own.etcdctl(['put', `fill${Math.random()}`, 'x'.repeat(100_000)]).then(
          () => '',
          (err: unknown) => String(err),
        );
        return result.includes('space exceeded');
      },
      {timeoutMs: 15_000, everyMs: 1},
    );
    const until = performance.now() + 3000;
    while (performance.now() < until) {
      expect(kept.lease.current()).toBe(id);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await kept.ttlOf(id, own)).toBeGreaterThan(0);
  } finally {
    await kept.stop();
    await own.stop();
  }
});

test('while etcd is away the lease is lost by its deadline; a new one is granted when it is back', async () => {
  const proxy = await TcpProxy.start(etcd.endpoint);
  const kept = new Kept(2, [proxy.endpoint]);
  try {
    const id = await kept.acquire();
    proxy.blackhole();
    await eventually(() => kept.lost.includes(id), {timeoutMs: 4000});
    expect(kept.lease.current()).toBeUndefined();
    proxy.cutAll();
    proxy.heal();
    expect(await kept.acquire()).not.toBe(id);
  } finally {
    proxy.heal();
    await kept.stop();
    await proxy.stop();
  }
});
