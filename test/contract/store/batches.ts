import {describe, expect} from 'vitest';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import type {EtcdStore} from '../../../src/store/etcd-store.ts';
import {BatchingGroupCommit} from '../../../src/store/group-commit.ts';
import {commitWithReadBack} from '../../../src/store/read-back.ts';
import type {Commit, Store} from '../../../src/store/store.ts';
import {eventually} from '../../support/eventually.ts';
import type {BedTest, TestBed} from './test-bed.ts';

/** Where a test's keys are. */
const k = '/g';

interface Counted {
  readonly store: EtcdStore;
  readonly counting: Store;
  /** The transactions that reached the store, by the keys that they put. */
  readonly sent: string[][];
}

function counted(bed: TestBed): Counted {
  const store = bed.outside;
  const sent: string[][] = [];
  const counting: Store = {
    limits: store.limits,
    get: (key, options) => store.get(key, options),
    range: (prefix, options) => store.range(prefix, options),
    currentRevision: () => store.currentRevision(),
    grantLease: (ttlSeconds) => store.grantLease(ttlSeconds),
    renewLease: (lease) => store.renewLease(lease),
    isReachable: () => store.isReachable(),
    commit: (commit) => {
      sent.push(commit.ops.flatMap((op) => ('put' in op ? [op.put] : [])));
      return store.commit(commit);
    },
  };
  return {store, counting, sent};
}

const creation = (key: string, value: string | Uint8Array = 'x'): Commit => ({compares: [{key, createRevision: 0}], ops: [{put: key, value}]});

export function batches(test: BedTest): void {
  describe('group commit', () => {
    test('a single commit leaves at once, alone', async (bed) => {
      const {counting, sent} = counted(bed);
      const group = new BatchingGroupCommit(counting);
      expect((await group.commit(creation(`${k}/1`))).ok).toBe(true);
      expect(sent).toEqual([[`${k}/1`]]);
    });

    test('a thousand that arrive together take few transactions, within etcd’s limits, and all are there when they are answered', async (bed) => {
      const {store, counting, sent} = counted(bed);
      const group = new BatchingGroupCommit(counting);
      const results = await Promise.all(Array.from({length: 1000}, (_, i) => group.commit(creation(`${k}/${i}`))));
      expect(results.every((result) => result.ok)).toBe(true);
      expect(sent.length).toBe(Math.ceil(1000 / 128));
      expect((await store.range(`${k}/`)).entries).toHaveLength(1000);
    });

    test('each of a batch gets its own answer: who conflicts is refused with what stands there, the others are written', async (bed) => {
      const {store, counting, sent} = counted(bed);
      await store.commit({compares: [], ops: [{put: `${k}/7`, value: 'theirs'}]});
      const group = new BatchingGroupCommit(counting);
      const results = await Promise.all(Array.from({length: 50}, (_, i) => group.commit(creation(`${k}/${i}`, 'mine'))));
      expect(results.map((result) => result.ok)).toEqual(Array.from({length: 50}, (_, i) => i !== 7));
      const refused = results[7]!;
      expect(refused.ok === false && refused.found.get(`${k}/7`)?.value.toString()).toBe('theirs');
      expect(refused.ok === false && [...refused.found.keys()]).toEqual([`${k}/7`]);
      // One batch that is refused, and one without the culprit: not fifty.
      expect(sent.length).toBe(2);
    });

    test('commits that touch the same key never share a transaction; one creation wins', async (bed) => {
      const {counting, sent} = counted(bed);
      const group = new BatchingGroupCommit(counting);
      const results = await Promise.all(Array.from({length: 20}, (_, i) => group.commit(creation(`${k}/same`, String(i)))));
      expect(results.filter((result) => result.ok)).toHaveLength(1);
      for (const keys of sent) expect(keys.length).toBe(1);
    });

    test('what no transaction can hold is refused alone, by name, and holds nobody up', async (bed) => {
      const {counting} = counted(bed);
      const group = new BatchingGroupCommit(counting);
      const many: Commit = {compares: [], ops: Array.from({length: 129}, (_, i) => ({put: `${k}/many/${i}`, value: ''}))};
      const answers = await Promise.allSettled([
        group.commit(creation(`${k}/1`)),
        group.commit(creation(`${k}/big`, Buffer.alloc(512 * 1024 + 1))),
        group.commit(many),
        group.commit({compares: [], ops: [{put: `${k}/leased`, value: '', lease: '12345'}]}),
        group.commit(creation(`${k}/2`)),
      ]);
      expect(answers.map((a) => (a.status === 'fulfilled' ? a.value.ok : (a.reason as ControlPlaneError).code))).toEqual([
        true,
        'too_large',
        'too_many_operations',
        'not_found',
        true,
      ]);
    });

    test('batches stay below the byte limit', async (bed) => {
      const {counting, sent} = counted(bed);
      const group = new BatchingGroupCommit(counting);
      const value = Buffer.alloc(200 * 1024, 'x');
      const results = await Promise.all(Array.from({length: 12}, (_, i) => group.commit(creation(`${k}/${i}`, value))));
      expect(results.every((result) => result.ok)).toBe(true);
      expect(Math.max(...sent.map((keys) => keys.length))).toBe(5);
    });

    test('when the reply to a batch is lost, all of it is read back as written (E4, E5)', async (bed) => {
      const {store} = counted(bed);
      const proxy = await bed.way();
      const behind = bed.store({}, proxy);
      await behind.currentRevision();
      const group = new BatchingGroupCommit(behind);
      proxy.set('reply', 'stall');
      const answers = Promise.all(Array.from({length: 40}, (_, i) => group.commit(creation(`${k}/${i}`, `mine-${i}`))));
      await proxy.loseReplies(() => eventually(async () => (await store.range(`${k}/`)).entries.length === 40));
      const results = await answers;
      const entries = new Map((await store.range(`${k}/`)).entries.map((entry) => [entry.key, entry]));
      expect(results).toEqual(Array.from({length: 40}, (_, i) => ({ok: true, revision: entries.get(`${k}/${i}`)?.modRevision})));
    });

    test('when a batch is lost on its way, its members are told that the outcome is unknown', async (bed) => {
      const proxy = await bed.way();
      const behind = bed.store({}, proxy);
      await behind.currentRevision();
      const group = new BatchingGroupCommit(behind, {readBackMs: 300});
      proxy.set('request', 'cut');
      const answers = Promise.allSettled([group.commit(creation(`${k}/1`)), group.commit(creation(`${k}/2`))]);
      await eventually(() => proxy.open === 0);
      proxy.heal();
      for (const answer of await answers) expect(answer).toMatchObject({status: 'rejected', reason: {code: 'unknown_outcome'}});
    });

    test('without etcd all are told so, once, and later ones work again', async (bed) => {
      const proxy = await bed.way();
      const behind = bed.store({connectTimeoutMs: 200}, proxy);
      await behind.currentRevision();
      const group = new BatchingGroupCommit(behind);
      proxy.refuse();
      await eventually(() => !behind.members.preferred.isConnected());
      const started = performance.now();
      const answers = await Promise.allSettled(Array.from({length: 300}, (_, i) => group.commit(creation(`${k}/${i}`))));
      for (const answer of answers) expect(answer).toMatchObject({status: 'rejected', reason: {code: 'unavailable'}});
      expect(performance.now() - started).toBeLessThan(2000);
      proxy.heal();
      await eventually(async () => (await group.commit(creation(`${k}/after`))).ok);
    });
  });

  describe('read back', () => {
    const lost = (counting: Store, afterwards: () => Promise<unknown>): Store => ({
      ...counting,
      commit: async () => {
        await afterwards();
        throw new ControlPlaneError('unknown_outcome', 'the reply was lost');
      },
    });

    test('own bytes are success, at their revision, also when they arrive late', async (bed) => {
      const {store, counting} = counted(bed);
      const commit = creation(`${k}/1`, 'token-1');
      const late = (): Promise<void> => {
        setTimeout(() => void store.commit(commit), 60);
        return Promise.resolve();
      };
      const result = await commitWithReadBack(lost(counting, late), commit, {key: `${k}/1`, value: Buffer.from('token-1')});
      expect(result).toEqual({ok: true, revision: (await store.get(`${k}/1`))?.modRevision});
    });

    test('other bytes, another lease, or what stood there before prove nothing', async (bed) => {
      const {store, counting} = counted(bed);
      await store.commit(creation(`${k}/1`, 'token-1'));
      const before = (await store.get(`${k}/1`))?.modRevision ?? 0;
      const cases = [
        {key: `${k}/1`, value: Buffer.from('token-2')},
        {key: `${k}/1`, value: Buffer.from('token-1'), lease: '77'},
        {key: `${k}/1`, value: Buffer.from('token-1'), after: before},
        {key: `${k}/none`, value: Buffer.from('token-1')},
      ];
      const nothing = lost(counting, () => Promise.resolve());
      for (const mark of cases) {
        await expect(commitWithReadBack(nothing, creation('/unused'), mark, {waitMs: 50})).rejects.toMatchObject({code: 'unknown_outcome'});
      }
    });

    test('an answer is passed on, a refusal too', async (bed) => {
      const {store} = counted(bed);
      const mark = {key: `${k}/1`, value: Buffer.from('x')};
      expect((await commitWithReadBack(store, creation(`${k}/1`), mark)).ok).toBe(true);
      expect((await commitWithReadBack(store, creation(`${k}/1`), mark)).ok).toBe(false);
    });
  });
}
