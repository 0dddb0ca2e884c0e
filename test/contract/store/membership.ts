import {describe, expect} from 'vitest';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import {Membership} from '../../../src/store/membership.ts';
import {eventually} from '../../support/eventually.ts';
import type {StoreNode} from '../../support/store-node.ts';
import type {BedTest, TestBed} from './test-bed.ts';

interface Member {
  readonly node: StoreNode;
  readonly membership: Membership;
  readonly live: () => string[];
  stop(): Promise<void>;
}

async function join(bed: TestBed): Promise<Member> {
  const node = bed.node({ttlSeconds: 2});
  const {store, cache, lease, replica: id} = node;
  const replica = {hostname: 'here', pid: process.pid, started_at: '', places: {process: 'p1'}};
  const membership = new Membership({store, cache, lease, id, replica, clock: systemClock, log: silentLog});
  const stop = new AbortController();
  const running = membership.run(stop.signal);
  await node.watch();
  await node.lead();
  return {
    node,
    membership,
    live: () => membership.live().map((one) => one.id),
    stop: async () => {
      stop.abort();
      await running;
      await node.stop();
    },
  };
}

export function membership(test: BedTest): void {
  describe('membership', () => {
    test('every replica sees the same live ones: those that came, not those that left', async (bed) => {
      const [a, b] = [await join(bed), await join(bed)];
      try {
        const both = [a.node.replica, b.node.replica].sort();
        await eventually(() => expect(a.live()).toEqual(both));
        await eventually(() => expect(b.live()).toEqual(both));
        expect(a.membership.live()[0]?.replica.places).toEqual({process: 'p1'});
        // Stands in no lease's name: somebody put it there, nobody lives behind it.
        await bed.put('/replica/ghost', '{"hostname":"x","pid":1}');
        await a.node.cache.catchUp();
        expect(a.live()).toEqual(both);
        await eventually(() => a.membership.stableForMs() > 300);
        await b.stop();
        await eventually(() => expect(a.live()).toEqual([a.node.replica]));
        expect(a.membership.stableForMs()).toBeLessThan(300);
      } finally {
        await a.stop();
      }
    });

    test('a replica key that somebody deleted comes back, and so does one whose lease was lost', async (bed) => {
      const a = await join(bed);
      try {
        const key = `/replica/${a.node.replica}`;
        await eventually(() => expect(a.live()).toEqual([a.node.replica]));
        await bed.delete(key);
        await eventually(async () => (await a.node.store.get(key)) !== undefined);
        const lease = a.node.lease.current() as string;
        await bed.revoke(lease);
        await eventually(async () => expect((await a.node.store.get(key))?.lease).toBe(a.node.lease.current()), {timeoutMs: 8000});
        expect(a.node.lease.current()).not.toBe(lease);
      } finally {
        await a.stop();
      }
    });

    test('keys that go together with the replica key are lost by the lease, not by somebody’s hand', async (bed) => {
      const a = await join(bed);
      try {
        const lost: string[] = [];
        a.node.ownership.onLost((key, cause) => lost.push(`${key} ${cause}`), new AbortController().signal);
        await eventually(() => expect(a.live()).toEqual([a.node.replica]));
        expect((await a.node.ownership.campaign('/scan/s1/owner')).kind).toBe('elected');
        await bed.revoke(a.node.lease.current() as string);
        await eventually(() => expect(lost).toEqual(['/scan/s1/owner lease']));
      } finally {
        await a.stop();
      }
    });

    test('a replica that leaves is not counted on any more, though it still holds what it hands over', async (bed) => {
      const [a, b] = [await join(bed), await join(bed)];
      try {
        await eventually(() => expect(b.live()).toHaveLength(2));
        expect((await a.node.ownership.campaign('/scan/s1/owner')).kind).toBe('elected');
        await a.membership.leave();
        await eventually(() => expect(b.live()).toEqual([b.node.replica]));
        expect(a.node.ownership.owned('/scan/s1/owner')?.isOwner()).toBe(true);
        await new Promise((resolve) => setTimeout(resolve, 1200));
        expect(b.live()).toEqual([b.node.replica]);
      } finally {
        await a.stop();
        await b.stop();
      }
    });
  });
}
