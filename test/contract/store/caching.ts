import {describe, expect} from 'vitest';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import type {Change} from '../../../src/store/cache.ts';
import {aSpec} from '../../support/builders.ts';
import {eventually} from '../../support/eventually.ts';
import type {StoreNode} from '../../support/store-node.ts';
import type {BedTest, TestBed, Way} from './test-bed.ts';

/** Before all keys that are watched; others are in the way. */
const PREFIX = '/t';

async function watching(bed: TestBed, way?: Way): Promise<StoreNode> {
  const node = bed.node({store: {prefix: PREFIX}, timings: {idleMs: 300, answerMs: 1000}}, way);
  await node.watch();
  return node;
}

export function caching(test: BedTest): void {
  describe('reading what was just written', () => {
    test('catchUp makes the next look see every write that was acknowledged before', async (bed) => {
      const {cache, store} = await watching(bed);
      for (let n = 1; n <= 100; n++) {
        await store.commit({compares: [], ops: [{put: '/scan/s1/state', value: canonicalJson({name: 'RUNNING', attempt: n})}]});
        await cache.catchUp();
        expect(cache.scans.get('s1')?.state?.value.attempt).toBe(n);
      }
    });

    test('writes outside the watched keys do not make it wait long', async (bed) => {
      const {cache, store} = await watching(bed);
      await cache.catchUp();
      const waits: number[] = [];
      for (let n = 0; n < 20; n++) {
        const {revision} = await store.commit({compares: [], ops: [{put: `~log/s1/j/${n}`, value: 'x'}]});
        const startedAt = performance.now();
        expect(await cache.catchUp()).toBeGreaterThanOrEqual(revision);
        expect(cache.revision).toBeGreaterThanOrEqual(revision);
        waits.push(performance.now() - startedAt);
      }
      expect(waits.sort((a, b) => a - b)[10]).toBeLessThan(100);
    });

    test('waitFor gives up with unavailable, and age tells how old the content may be', async (bed) => {
      const way = await bed.way();
      const {cache} = await watching(bed, way);
      await expect(cache.waitFor(cache.revision + 1_000_000, 50)).rejects.toMatchObject({code: 'unavailable'});
      await eventually(() => cache.ageMs() < 200);
      way.blackhole();
      await eventually(() => cache.ageMs() > 1000);
      way.heal();
      await eventually(() => cache.ageMs() < 400);
    });
  });

  describe('after a gap', () => {
    test('events that were compacted away are found by listing again, deletes too, and untouched entries stay as they are', async (bed) => {
      const put = (key: string, value: unknown): Promise<number> => bed.put(PREFIX + key, typeof value === 'string' ? value : canonicalJson(value));
      await put('/scan/stays', aSpec());
      await put('/scan/changes/state', {name: 'RUNNING'});
      await put('/scan/goes', aSpec());
      await put('/replica/gone', {hostname: 'h', pid: 1});
      await put('/scan/bad/state', 'bad');
      const way = await bed.way();
      const {cache} = await watching(bed, way);
      const stays = cache.scans.get('stays');
      const told: Change[] = [];
      cache.onChange((changes) => told.push(...changes), new AbortController().signal);
      way.refuse();
      await put('/scan/changes/state', {name: 'FAIL'});
      await bed.delete('/t/scan/goes');
      await bed.delete('/t/replica/gone');
      await bed.delete('/t/scan/bad/state');
      await put('/scan/new', aSpec());
      await bed.compact(await bed.put('elsewhere'));
      way.heal();
      await eventually(() => cache.lists === 2, {timeoutMs: 10_000});
      expect(cache.scans.get('changes')?.state?.value.name).toBe('FAIL');
      expect([...cache.scans.values()].map(({id}) => id).sort()).toEqual(['changes', 'new', 'stays']);
      expect(cache.scans.get('stays')).toBe(stays);
      expect(cache.replicas.size).toBe(0);
      expect(cache.bad.size).toBe(0);
      expect(told).toContainEqual({kind: 'relist', revision: cache.revision});
      expect([...cache.scans.idsBy('state', 'RUNNING')]).toEqual([]);
    });
  });
}
