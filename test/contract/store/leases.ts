import {describe, expect} from 'vitest';
import type {Clock} from '../../../src/lib/clock.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import type {Change} from '../../../src/store/cache.ts';
import type {EtcdStore} from '../../../src/store/etcd-store.ts';
import {EtcdLeaseKeeper} from '../../../src/store/lease-keeper.ts';
import {eventually} from '../../support/eventually.ts';
import type {BedTest, TestBed, Way} from './test-bed.ts';

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

interface Kept {
  readonly store: EtcdStore;
  readonly lease: EtcdLeaseKeeper;
  readonly lost: readonly string[];
  acquire(): Promise<string>;
  stop(): Promise<void>;
}

/** Begins to keep a lease. */
function keeper(bed: TestBed, ttlSeconds: number, way: Way = bed.clear, clock: Clock = systemClock): Kept {
  const store = bed.store({}, way);
  const lease = new EtcdLeaseKeeper({members: store.members, clock, log: silentLog, ttlSeconds});
  const lost: string[] = [];
  const stop = new AbortController();
  lease.onLost((id) => lost.push(id), stop.signal);
  const running = lease.run(stop.signal);
  const end = async (): Promise<void> => {
    stop.abort();
    await running;
  };
  bed.defer(end);
  return {store, lease, lost, acquire: () => lease.acquire(AbortSignal.timeout(10_000)), stop: end};
}

export function leases(test: BedTest): void {
  describe('a lease that is kept', () => {
    test('a lease is kept beyond its TTL, and revoked with all its keys when the process stops', async (bed) => {
      const kept = keeper(bed, 2);
      const id = await kept.acquire();
      await kept.store.commit({compares: [], ops: [{put: '/replica/r1', value: '{}', lease: id}]});
      const until = performance.now() + 3500;
      while (performance.now() < until) {
        expect(kept.lease.current()).toBe(id);
        await new Promise((resolve) => setTimeout(resolve, 100));
      }
      expect(await bed.hasLease(id)).toBe(true);
      expect((await kept.store.get('/replica/r1'))?.lease).toBe(id);
      expect(kept.lost).toEqual([]);
      await kept.stop();
      expect(kept.lease.current()).toBeUndefined();
      expect(await bed.get('/replica/r1')).toBeUndefined();
    });

    test('a lease that somebody revoked is lost at the next renewal, and another one is granted', async (bed) => {
      const kept = keeper(bed, 2);
      try {
        const id = await kept.acquire();
        await bed.revoke(id);
        await eventually(() => kept.lost.includes(id));
        const next = await kept.acquire();
        expect(next).not.toBe(id);
        expect(kept.lost).toEqual([id]);
      } finally {
        await kept.stop();
      }
    });

    test('who asks for a check hears of a revoked lease without waiting for the next renewal', async (bed) => {
      const kept = keeper(bed, 60);
      try {
        const id = await kept.acquire();
        await bed.revoke(id);
        kept.lease.check();
        await eventually(() => kept.lost.includes(id));
      } finally {
        await kept.stop();
      }
    });

    test('the first look after a pause longer than the TTL finds the lease lost, before anything else runs', async (bed) => {
      const clock = new SkippingClock();
      const kept = keeper(bed, 60, bed.clear, clock);
      try {
        const id = await kept.acquire();
        clock.skippedMs += 50_000;
        expect(kept.lease.current()).toBe(id);
        clock.skippedMs += 10_000;
        expect(kept.lease.current()).toBeUndefined();
        expect(kept.lost).toEqual([id]);
        // Whatever was attached to it is let go, since nobody may act on it any more.
        await eventually(async () => !(await bed.hasLease(id)));
        expect(await kept.acquire()).not.toBe(id);
      } finally {
        await kept.stop();
      }
    });

    test('the deadline counts from before a renewal was sent: a late answer does not prolong it by its delay', async (bed) => {
      const proxy = await bed.way();
      const kept = keeper(bed, 3, proxy);
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
      }
    });

    test('broken connections do not cost the lease', async (bed) => {
      const proxy = await bed.way();
      const kept = keeper(bed, 3, proxy);
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
      }
    });

    test('while etcd is away the lease is lost by its deadline; a new one is granted when it is back', async (bed) => {
      const proxy = await bed.way();
      const kept = keeper(bed, 2, proxy);
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
      }
    });
  });

  describe('a lease that nobody keeps', () => {
    test('takes all its keys along in one revision, and is not to be had afterwards', async (bed) => {
      const node = bed.node();
      await node.watch();
      const told: Change[][] = [];
      node.cache.onChange((changes) => told.push([...changes]), new AbortController().signal);
      const lease = await bed.outside.grantLease(2);
      const keys = ['/replica/r1', '/scan/s1/owner', '/scan/s2/owner'];
      await bed.outside.commit({compares: [], ops: keys.map((put) => ({put, value: '{"hostname":"h","pid":1}', lease}))});
      // Written again without it, a key stays.
      await bed.put('/replica/r2', '{"hostname":"h","pid":1}');
      await bed.outside.commit({compares: [], ops: [{put: '/replica/r2', value: '{"hostname":"h","pid":2}', lease}]});
      await bed.put('/replica/r2', '{"hostname":"h","pid":3}');
      await eventually(async () => (await bed.get('/replica/r1')) === undefined, {timeoutMs: 8000});
      await node.cache.catchUp();
      expect(told.at(-1)).toHaveLength(keys.length);
      expect(new Set(told.at(-1)?.map(({revision}) => revision)).size).toBe(1);
      expect([...node.cache.replicas.keys()]).toEqual(['r2']);
      expect(await bed.hasLease(lease)).toBe(false);
    });

    test('lives on as often as it is renewed, for its own TTL; once it is gone nothing brings it back', async (bed) => {
      const [renewed, left] = [await bed.outside.grantLease(3), await bed.outside.grantLease(3)];
      await bed.outside.commit({compares: [], ops: [{put: '/replica/r1', value: '{}', lease: renewed}]});
      await eventually(
        async () => {
          expect(await bed.outside.renewLease(renewed)).toBe(3);
          return !(await bed.hasLease(left));
        },
        {timeoutMs: 10_000, everyMs: 500},
      );
      expect(await bed.get('/replica/r1')).toBeDefined();
      expect(await bed.outside.renewLease(left)).toBe(0);
      expect(await bed.outside.renewLease('12345')).toBe(0);
      await bed.revoke(renewed);
      expect(await bed.outside.renewLease(renewed)).toBe(0);
    });

    test('is renewed through another member when one does not answer; with none it cannot be said', async (bed) => {
      const silent = await bed.way();
      const store = bed.store({readTimeoutMs: 2000}, silent, bed.clear);
      const lease = await store.grantLease(60);
      silent.blackhole();
      expect(await store.renewLease(lease)).toBe(60);
      const lost = bed.store({readTimeoutMs: 500}, silent);
      await expect(lost.renewLease(lease)).rejects.toMatchObject({code: 'unavailable'});
    });
  });
}
