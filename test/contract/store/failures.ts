import {describe, expect} from 'vitest';
import {eventually} from '../../support/eventually.ts';
import {codeOf} from './outcomes.ts';
import type {BedTest} from './test-bed.ts';

export function failures(test: BedTest): void {
  describe('when etcd or the way to it fails', () => {
    test('a write whose reply is lost is unknown_outcome, is not sent twice, and has happened (E4, E5)', async (bed) => {
      const way = await bed.way();
      const behind = bed.store({prefix: '/icecube'}, way);
      const store = bed.store({prefix: '/icecube'});
      await behind.currentRevision();
      way.set('reply', 'stall');
      const writing = codeOf(behind.commit({compares: [{key: '/once', createRevision: 0}], ops: [{put: '/once', value: 'mine'}]}));
      await way.loseReplies(() => eventually(async () => (await store.get('/once')) !== undefined));
      expect(await writing).toBe('unknown_outcome');
      expect(await store.get('/once')).toMatchObject({value: Buffer.from('mine')});
      const entry = await store.get('/once');
      expect(entry?.createRevision).toBe(entry?.modRevision);
      // And the client goes on working.
      expect((await behind.commit({compares: [], ops: [{put: '/after', value: ''}]})).ok).toBe(true);
    });

    test('a write that gets no answer is unknown_outcome at its deadline; a read is unavailable at its own', async (bed) => {
      const way = await bed.way();
      const behind = bed.store({readTimeoutMs: 300, writeTimeoutMs: 400}, way);
      await behind.currentRevision();
      way.set('request', 'stall');
      const started = performance.now();
      expect(await codeOf(behind.commit({compares: [], ops: [{put: '/silent', value: ''}]}))).toBe('unknown_outcome');
      expect(await codeOf(behind.get('/silent'))).toBe('unavailable');
      expect(performance.now() - started).toBeLessThan(2000);
      expect(behind.isReachable()).toBe(false);
      way.heal();
      // Nobody calls; asking whether it is reachable finds out.
      await eventually(() => behind.isReachable());
    });

    test('without etcd a write fails fast as unavailable; after its restart the same client works', async (bed) => {
      const store = bed.store({connectTimeoutMs: 300, readTimeoutMs: 300});
      await store.commit({compares: [], ops: [{put: '/k', value: '1'}]});
      await bed.etcd.kill();
      await eventually(() => !store.members.preferred.isConnected());
      const started = performance.now();
      expect(await codeOf(store.commit({compares: [], ops: [{put: '/k', value: '2'}]}))).toBe('unavailable');
      expect(await codeOf(store.get('/k'))).toBe('unavailable');
      expect(performance.now() - started).toBeLessThan(1500);
      expect(store.isReachable()).toBe(false);
      await bed.etcd.restart();
      await eventually(async () => (await store.commit({compares: [], ops: [{put: '/k', value: '3'}]})).ok);
      expect((await store.get('/k'))?.value.toString()).toBe('3');
      expect(store.isReachable()).toBe(true);
    });

    test('with one member gone, reads and writes go to the other address', async (bed) => {
      const [a, b] = [await bed.way(), await bed.way()];
      const both = bed.store({prefix: '/icecube', readTimeoutMs: 3000}, a, b);
      const own = both.members;
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
    });
  });
}
