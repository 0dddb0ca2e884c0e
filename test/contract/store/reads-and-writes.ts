import {describe, expect} from 'vitest';
import {within} from '../../../src/store/etcd-member.ts';
import type {Compare} from '../../../src/store/store.ts';
import {eventually} from '../../support/eventually.ts';
import {codeOf, written} from './outcomes.ts';
import type {BedTest} from './test-bed.ts';

export function readsAndWrites(test: BedTest): void {
  describe('keys and values', () => {
    test('what is put can be read back, under the global prefix', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const revision = written(await store.commit({compares: [], ops: [{put: '/a/1', value: 'smörgås'}]}));
      expect(await store.get('/a/1')).toMatchObject({key: '/a/1', createRevision: revision, modRevision: revision, lease: '0'});
      expect((await store.get('/a/1'))?.value.toString()).toBe('smörgås');
      expect((await bed.get('/icecube/a/1'))?.value.toString()).toBe('smörgås');
      expect(await store.get('/a/none')).toBeUndefined();
    });

    test('an older revision can be read, and a compacted one is revision_conflict', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const first = written(await store.commit({compares: [], ops: [{put: '/old', value: '1'}]}));
      const second = written(await store.commit({compares: [], ops: [{put: '/old', value: '2'}]}));
      expect((await store.get('/old', {revision: first}))?.value.toString()).toBe('1');
      await bed.compact(second);
      expect(await codeOf(store.get('/old', {revision: first}))).toBe('revision_conflict');
      expect(await codeOf(store.range('/old', {revision: second + 1000}))).toBe('revision_conflict');
    });

    test('a prefix read does not cross into longer ids, and pages go on where the last one ended', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const ops = ['/scan/s1/a', '/scan/s1/b', '/scan/s1/c', '/scan/s10/a'].map((put) => ({put, value: put}));
      await store.commit({compares: [], ops});
      expect((await store.range('/scan/s1/')).entries.map((e) => e.key)).toEqual(['/scan/s1/a', '/scan/s1/b', '/scan/s1/c']);
      const page = await store.range('/scan/s1/', {limit: 2, keysOnly: true});
      expect(page.entries.map((e) => [e.key, e.value.length])).toEqual([
        ['/scan/s1/a', 0],
        ['/scan/s1/b', 0],
      ]);
      expect(page).toMatchObject({more: true, count: 3});
      const rest = await store.range('/scan/s1/', {from: '/scan/s1/b\0', revision: page.revision});
      expect(rest).toMatchObject({entries: [{key: '/scan/s1/c'}], more: false, count: 1, revision: page.revision});
    });

    test('a store without prefix reads everything', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const plain = bed.outside;
      await store.commit({compares: [], ops: [{put: '/a/1', value: ''}]});
      await bed.put('~other', 'x');
      expect((await plain.range('')).entries.map((e) => e.key)).toContain('~other');
      expect((await plain.range('/icecube/a/')).entries.map((e) => e.key)).toEqual(['/icecube/a/1']);
    });

    test('a range of more than 4 MiB arrives (E2)', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const value = Buffer.alloc(1024 * 1024, 'x');
      for (let i = 0; i < 6; i += 1) await store.commit({compares: [], ops: [{put: `~big/${i}`, value}]});
      const {entries} = await store.range('~big/');
      expect(entries.map((e) => e.value.length)).toEqual(Array(6).fill(1024 * 1024));
      await store.commit({compares: [], ops: [{deletePrefix: '~big/'}]});
      expect((await store.range('~big/')).entries).toEqual([]);
    });
  });

  describe('transactions', () => {
    test('a refused one writes nothing and tells what stands in each compared key', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
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

    test('each kind of compare holds and fails where it should', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const first = written(await store.commit({compares: [], ops: [{put: '/c/k', value: '1'}]}));
      const second = written(await store.commit({compares: [], ops: [{put: '/c/k', value: '2'}]}));
      const ok = async (compare: Compare): Promise<boolean> => (await store.commit({compares: [compare], ops: []})).ok;
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

    test('puts with a lease carry it, and a lease that is gone is not_found with nothing written', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const {ID} = await store.members.preferred.lease.leaseGrant({TTL: 60}, within(1000));
      await store.commit({compares: [], ops: [{put: '/l/1', value: 'x', lease: ID}]});
      expect((await store.get('/l/1'))?.lease).toBe(ID);
      await bed.revoke(ID);
      expect(await store.get('/l/1')).toBeUndefined();
      const ops = [
        {put: '/l/2', value: 'x'},
        {put: '/l/3', value: 'x', lease: ID},
      ];
      expect(await codeOf(store.commit({compares: [], ops}))).toBe('not_found');
      expect(await store.get('/l/2')).toBeUndefined();
    });

    test('129 operations are refused before they are sent, 128 are not', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const ops = (n: number) => Array.from({length: n}, (_, i) => ({put: `/many/${i}`, value: ''}));
      expect(await codeOf(store.commit({compares: [], ops: ops(129)}))).toBe('too_many_operations');
      expect((await store.commit({compares: [], ops: ops(128)})).ok).toBe(true);
    });

    test('a value above its limit is refused with its key, unless it is a blob; a transaction above etcd’s request limit too', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const value = Buffer.alloc(512 * 1024 + 1);
      await expect(store.commit({compares: [], ops: [{put: '/v', value}]})).rejects.toMatchObject({code: 'too_large', key: '/v'});
      expect((await store.commit({compares: [], ops: [{put: '~v', value}]})).ok).toBe(true);
      const two = [
        {put: '~v/1', value: Buffer.alloc(800 * 1024)},
        {put: '~v/2', value: Buffer.alloc(800 * 1024)},
      ];
      expect(await codeOf(store.commit({compares: [], ops: two}))).toBe('too_large');
      const generous = bed.store({requestBytes: 1 << 28});
      expect(await codeOf(generous.commit({compares: [], ops: two}))).toBe('too_large');
      expect(await codeOf(generous.commit({compares: [], ops: [{put: '~v', value: Buffer.alloc(4 << 20)}]}))).toBe('too_large');
    });

    test('one key twice is invalid', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const ops = [
        {put: '/twice', value: '1'},
        {put: '/twice', value: '2'},
      ];
      expect(await codeOf(store.commit({compares: [], ops}))).toBe('invalid');
    });
  });

  describe('revision reads', () => {
    test('one that begins after a write sees it, however many are under way', async (bed) => {
      const store = bed.store({prefix: '/icecube'});
      const worker = async (id: number): Promise<void> => {
        for (let i = 0; i < 30; i += 1) {
          const revision = written(await store.commit({compares: [], ops: [{put: `/r/${id}`, value: String(i)}]}));
          expect(await store.currentRevision()).toBeGreaterThanOrEqual(revision);
        }
      };
      await Promise.all(Array.from({length: 16}, (_, id) => worker(id)));
    });

    test('those that begin together share one', async (bed) => {
      let sent = 0;
      const way = await bed.way();
      const reading = bed.store({}, way);
      const {preferred} = reading.members;
      const range = preferred.range.bind(preferred);
      preferred.range = (...args) => {
        sent += 1;
        return range(...args);
      };
      await reading.currentRevision();
      way.set('reply', 'stall');
      sent = 0;
      const first = reading.currentRevision();
      await eventually(() => sent === 1);
      const second = reading.currentRevision();
      await eventually(() => sent === 2);
      const later = Array.from({length: 50}, () => reading.currentRevision());
      way.heal();
      await Promise.all([first, second, ...later]);
      expect(sent).toBe(3);
    });
  });
}
