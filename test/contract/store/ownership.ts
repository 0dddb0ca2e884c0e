import {describe, expect} from 'vitest';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import {ownerKey, stateKey} from '../../../src/schema/keys.ts';
import type {Owner} from '../../../src/schema/owner.ts';
import type {Claim, FencedWriter} from '../../../src/store/contracts.ts';
import {eventually} from '../../support/eventually.ts';
import type {StoreNode} from '../../support/store-node.ts';
import type {BedTest, TestBed, Way} from './test-bed.ts';

async function leading(bed: TestBed, way: Way = bed.clear, ttlSeconds = 5): Promise<StoreNode & {readonly lost: [string, string][]}> {
  const node = bed.node({ttlSeconds}, way);
  await node.watch();
  await node.lead();
  const lost: [string, string][] = [];
  node.ownership.onLost((key, cause) => lost.push([key, cause]), new AbortController().signal);
  return {...node, lost};
}

function writerOf(claim: Claim): FencedWriter {
  if (claim.kind !== 'elected') throw new Error(`not elected: ${claim.kind}`);
  return claim.writer;
}

export function ownership(test: BedTest): void {
  describe('claiming', () => {
    test('of two that claim one is elected, the other is told who holds it', async (bed) => {
      const [a, b] = [await leading(bed), await leading(bed)];
      const writer = writerOf(await a.ownership.campaign('/scan/s1/owner'));
      expect(writer.isOwner()).toBe(true);
      expect(a.ownership.owned('/scan/s1/owner')).toBe(writer);
      const stored = await a.store.get('/scan/s1/owner');
      expect(stored?.lease).toBe(a.lease.current());
      expect(JSON.parse(stored?.value.toString() ?? '') as Owner).toMatchObject({replica: a.replica, hostname: 'here', command: ['test']});
      const refused = await b.ownership.campaign('/scan/s1/owner');
      expect(refused.kind).toBe('refused');
      if (refused.kind === 'refused' && !refused.result.ok) {
        expect(refused.result.found.get('/scan/s1/owner')?.createRevision).toBe(writer.createRevision);
      }
      expect(b.ownership.ownedCount).toBe(0);
      // What is ours already is elected again, as it is.
      expect(writerOf(await a.ownership.campaign('/scan/s1/owner'))).toBe(writer);
      // An owner key put by hand, without a lease, holds as well.
      await bed.put('/scan/s2/owner', '{"hostname":"h","pid":1}');
      expect((await a.ownership.campaign('/scan/s2/owner')).kind).toBe('refused');
    });

    test('many replicas that claim thousands of keys at once share them: each key has one owner, nobody is told wrong', async (bed) => {
      const all = [await leading(bed), await leading(bed), await leading(bed)];
      const wanted = Array.from({length: 1000}, (_, i) => ownerKey(`s${i}`));
      const claims = await Promise.all(all.map((node) => Promise.all(wanted.map((key) => node.ownership.campaign(key)))));
      for (const [i, key] of wanted.entries()) {
        expect(claims.map((of) => String(of[i]?.kind)).toSorted()).toEqual(['elected', 'refused', 'refused']);
        expect(all.filter((node) => node.ownership.owned(key) !== undefined)).toHaveLength(1);
      }
      expect(all.reduce((sum, node) => sum + node.ownership.ownedCount, 0)).toBe(1000);
      const {entries} = await (all[0] as StoreNode).store.range('/scan/');
      for (const {key, createRevision} of entries) {
        expect(all.map((node) => node.ownership.owned(key)?.createRevision).filter((revision) => revision !== undefined)).toEqual([createRevision]);
      }
    });

    test('ten thousand claims take few transactions', async (bed) => {
      const node = await leading(bed);
      const before = await node.store.currentRevision();
      const claims = await Promise.all(Array.from({length: 10_000}, (_, i) => node.ownership.campaign(ownerKey(`s${i}`))));
      expect(claims.every(({kind}) => kind === 'elected')).toBe(true);
      expect((await node.store.currentRevision()) - before).toBeLessThanOrEqual(10_000 / 60 + 10);
      const held = await node.store.currentRevision();
      await node.ownership.resignMany([...node.ownership.ownedKeys]);
      expect(node.ownership.ownedCount).toBe(0);
      expect((await node.store.currentRevision()) - held).toBeLessThanOrEqual(10_000 / 60 + 10);
      expect((await node.store.range('/scan/')).entries).toEqual([]);
    });

    test('what travels with a claim is written with it or not at all, whatever shares its batch', async (bed) => {
      const node = await leading(bed);
      await bed.put('/scan/s2/state', '{"name":"RUNNING"}');
      await bed.put('/scan/s3/owner', '{"hostname":"h","pid":1}');
      const absent = (id: string): {compares: {key: string; createRevision: number}[]; ops: {put: string; value: string}[]} => ({
        compares: [{key: stateKey(id), createRevision: 0}],
        ops: [{put: stateKey(id), value: '{"name":"PENDING"}'}],
      });
      const kinds = await Promise.all([
        node.ownership.campaign(ownerKey('s1'), absent('s1')),
        node.ownership.campaign(ownerKey('s2'), absent('s2')),
        node.ownership.campaign(ownerKey('s3'), absent('s3')),
        node.ownership.campaign(ownerKey('s4')),
        // Nobody can tell from single keys that this one is to blame.
        node.ownership.campaign(ownerKey('s5'), {compares: [{prefix: '/scan/s2/', createdUpTo: 1}], ops: []}),
        // Writes the same key as the first: may not share its transaction.
        node.ownership.campaign(ownerKey('s6'), {compares: [], ops: [{put: stateKey('s1'), value: '{"name":"FAIL"}'}]}),
      ]);
      expect(kinds.map(({kind}) => kind)).toEqual(['elected', 'refused', 'refused', 'elected', 'refused', 'elected']);
      expect((await node.store.get(stateKey('s1')))?.value.toString()).toBe('{"name":"FAIL"}');
      expect((await node.store.get(stateKey('s2')))?.value.toString()).toBe('{"name":"RUNNING"}');
      expect(await node.store.get(stateKey('s3'))).toBeUndefined();
      expect(await node.store.get(ownerKey('s2'))).toBeUndefined();
      // For a key that is ours already, what should have travelled along is written all the same.
      expect((await node.ownership.campaign(ownerKey('s4'), absent('s4'))).kind).toBe('elected');
      expect(await node.store.get(stateKey('s4'))).toBeDefined();
      expect((await node.ownership.campaign(ownerKey('s4'), absent('s4'))).kind).toBe('refused');
    });

    test('without a lease nothing is claimed', async (bed) => {
      const node = bed.node();
      await node.watch();
      expect(await node.ownership.campaign('/scan/s1/owner')).toEqual({kind: 'no_lease'});
    });

    test('a claim whose reply was lost is found to be ours', async (bed) => {
      const proxy = await bed.way();
      const node = await leading(bed, proxy);
      const claiming = Promise.all(
        ['s1', 's2'].map((id) => node.ownership.campaign(ownerKey(id), {compares: [], ops: [{put: stateKey(id), value: id}]})),
      );
      await proxy.loseReplies(() => eventually(async () => (await bed.get(ownerKey('s2'))) !== undefined));
      const claims = await claiming;
      expect(claims.map(({kind}) => kind)).toEqual(['elected', 'elected']);
      const writer = writerOf(claims[0] as Claim);
      expect(writer.createRevision).toBe((await node.store.get(ownerKey('s1')))?.createRevision);
      // What travelled along was written once, with the claim.
      expect((await node.store.get(stateKey('s1')))?.modRevision).toBe(writer.createRevision);
      await writer.commit([], [{put: stateKey('s1'), value: '{"name":"RUNNING"}'}]);
    });

    test('a claim that takes effect after it was given up is given back', async (bed) => {
      const node = await leading(bed);
      // As if a transaction of ours had been under way all the time.
      const value = JSON.stringify({hostname: 'here', pid: 1, replica: node.replica, command: [], since: ''});
      await node.store.commit({compares: [], ops: [{put: ownerKey('s1'), value, lease: node.lease.current() as string}]});
      await eventually(async () => (await node.store.get(ownerKey('s1'))) === undefined, {timeoutMs: 5000});
      // Or taken over, where a campaign comes first.
      await node.store.commit({compares: [], ops: [{put: ownerKey('s2'), value, lease: node.lease.current() as string}]});
      expect((await node.ownership.campaign(ownerKey('s2'))).kind).toBe('elected');
      await node.cache.catchUp();
      await new Promise((resolve) => setTimeout(resolve, 1200));
      expect(await node.store.get(ownerKey('s2'))).toBeDefined();
    });
  });

  describe('writing in the name of an owner key', () => {
    test('a write says whether it was the owner key or a compare of its own that refused it', async (bed) => {
      const node = await leading(bed);
      const writer = writerOf(await node.ownership.campaign(ownerKey('s1')));
      const revision = await writer.commit([{key: stateKey('s1'), modRevision: 0}], [{put: stateKey('s1'), value: '{"name":"PENDING"}'}]);
      await expect(writer.commit([{key: stateKey('s1'), modRevision: 0}], [{put: stateKey('s1'), value: 'x'}])).rejects.toMatchObject({
        code: 'revision_conflict',
        key: stateKey('s1'),
      });
      expect((await node.store.get(stateKey('s1')))?.modRevision).toBe(revision);
      // Deleted and put again by hand: the key looks the same, and is another one.
      const {value, lease} = (await node.store.get(ownerKey('s1')))!;
      await node.store.commit({compares: [], ops: [{delete: ownerKey('s1')}]});
      await node.store.commit({compares: [], ops: [{put: ownerKey('s1'), value, lease}]});
      await expect(writer.commit([], [{put: stateKey('s1'), value: 'x'}])).rejects.toMatchObject({code: 'not_owner'});
      expect((await node.store.get(stateKey('s1')))?.modRevision).toBe(revision);
    });

    test('an owner key that somebody deleted stops its writer, and is told of', async (bed) => {
      const node = await leading(bed);
      const writer = writerOf(await node.ownership.campaign(ownerKey('s1')));
      const other = writerOf(await node.ownership.campaign(ownerKey('s2')));
      await bed.delete(ownerKey('s1'));
      await eventually(() => !writer.isOwner());
      expect(node.lost).toEqual([[ownerKey('s1'), 'deleted']]);
      expect(node.ownership.owned(ownerKey('s1'))).toBeUndefined();
      await expect(writer.commit([], [{put: stateKey('s1'), value: 'x'}])).rejects.toMatchObject({code: 'not_owner'});
      expect(other.isOwner()).toBe(true);
      expect((await node.ownership.campaign(ownerKey('s1'))).kind).toBe('elected');
    });

    test('a lease revoked by hand ends all ownership, and what is claimed next has a new lease', async (bed) => {
      const node = await leading(bed);
      const before = node.lease.current() as string;
      const writers = (await Promise.all(['s1', 's2'].map((id) => node.ownership.campaign(ownerKey(id))))).map(writerOf);
      await bed.revoke(before);
      await eventually(() => writers.every((writer) => !writer.isOwner()));
      for (const writer of writers) await expect(writer.commit([], [])).rejects.toMatchObject({code: 'not_owner'});
      expect(node.lost.map(([key]) => key).sort()).toEqual([ownerKey('s1'), ownerKey('s2')]);
      node.lease.check();
      await eventually(async () => (await node.ownership.campaign(ownerKey('s1'))).kind === 'elected');
      expect((await node.store.get(ownerKey('s1')))?.lease).toBe(node.lease.current());
      expect(node.lease.current()).not.toBe(before);
    });

    test('a key given back is free at once, and giving back what is gone is no error', async (bed) => {
      const [a, b] = [await leading(bed), await leading(bed)];
      const writer = writerOf(await a.ownership.campaign('/leader/scheduler'));
      const giving = writer.resign();
      expect(writer.isOwner()).toBe(false);
      // Claimed again while it is being given back: a new claim, after that.
      const second = writerOf(await a.ownership.campaign('/leader/scheduler'));
      await giving;
      expect(second.createRevision).toBeGreaterThan(writer.createRevision);
      expect(second.isOwner()).toBe(true);
      await second.resign();
      expect(a.lost).toContainEqual(['/leader/scheduler', 'resigned']);
      expect((await b.ownership.campaign('/leader/scheduler')).kind).toBe('elected');
      await writer.resign();
      // It was another's by now, and stays so.
      expect((await b.store.get('/leader/scheduler'))?.createRevision).toBe(b.ownership.owned('/leader/scheduler')?.createRevision);
      const keys = ['s1', 's2', 's3'].map(ownerKey);
      await Promise.all(keys.map((key) => a.ownership.campaign(key)));
      await bed.delete(ownerKey('s2'));
      await a.ownership.resignMany(keys);
      expect((await a.store.range('/scan/')).entries).toEqual([]);
      expect(a.ownership.ownedCount).toBe(0);
    });

    test('a key that could not be given back is given back when etcd can be reached again', async (bed) => {
      const node = await leading(bed);
      const writer = writerOf(await node.ownership.campaign(ownerKey('s1')));
      const commit = node.store.commit.bind(node.store);
      node.store.commit = () => Promise.reject(new ControlPlaneError('unavailable', 'not now'));
      await writer.resign();
      expect(writer.isOwner()).toBe(false);
      node.store.commit = commit;
      await eventually(async () => (await node.store.get(ownerKey('s1'))) === undefined, {timeoutMs: 5000});
    });

    test('who is cut off until its lease has expired is not obeyed, not even by etcd', async (bed) => {
      const way = await bed.way();
      const [cutOff, next] = [await leading(bed, way, 2), await leading(bed)];
      const writer = writerOf(await cutOff.ownership.campaign(ownerKey('s1')));
      way.blackhole();
      await eventually(async () => (await next.ownership.campaign(ownerKey('s1'))).kind === 'elected', {timeoutMs: 10_000});
      expect(writer.isOwner()).toBe(false);
      await expect(writer.commit([], [{put: stateKey('s1'), value: 'x'}])).rejects.toMatchObject({code: 'not_owner'});
      // What it had sent before is refused for the owner key's sake, whenever it arrives.
      const compares = [{key: ownerKey('s1'), createRevision: writer.createRevision}];
      expect((await bed.outside.commit({compares, ops: [{put: stateKey('s1'), value: 'x'}]})).ok).toBe(false);
      expect(await bed.get(stateKey('s1'))).toBeUndefined();
    });
  });
}
