import {randomBytes} from 'node:crypto';
import {afterAll, beforeAll, expect, test} from 'vitest';
import * as keys from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

let etcd: TestEtcd;
let system: TestSystem;

beforeAll(async () => {
  etcd = await startEtcd();
  const settings = {SCANPLANE_JANITOR_SECONDS: '0.2', SCANPLANE_JANITOR_GRACE_SECONDS: '1', SCANPLANE_KEEP_HISTORY_SECONDS: '0'};
  system = await TestSystem.start({etcd, settings});
  await system.startReplica();
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

const keysUnder = async (prefix: string): Promise<string[]> => {
  const text = await etcd.etcdctl(['get', '--prefix', '--keys-only', prefix]);
  return text.split('\n').filter((line) => line !== '');
};

test('what an unfinished creation leaves behind is removed, after the grace time', async () => {
  const id = 'unfinished';
  await etcd.etcdctl(['put', keys.chainKey(id), '{"jobs":{},"adjacency":{}}']);
  await etcd.etcdctl(['put', keys.logKey(id, 'server', 1), '{}']);
  await etcd.etcdctl(['put', keys.backlogKey('7fffffff-00000000001', id), '{"timestamp":1}']);
  await etcd.etcdctl(['put', keys.backlogKey('7fffffff-00000000002', id), 'no json']);
  await eventually(
    async () => expect([...(await keysUnder(`/scan/${id}`)), ...(await keysUnder(`~log/${id}`)), ...(await keysUnder('/backlog/'))]).toEqual([]),
    {
      timeoutMs: 10_000,
    },
  );
});

test('an owner key without a lease is removed, so that the scan can be led again', async () => {
  const request = {reco_algo: 'reference', nsides: [['1', 0]], request_clusters: [['nowhere', 1]], i3_event_id: 'none'};
  await etcd.etcdctl(['put', keys.ownerKey('held'), '{"hostname":"somewhere","pid":1}']);
  await etcd.etcdctl(['put', keys.scanKey('held'), JSON.stringify({request})]);
  await eventually(() => expect(system.database.cache.scans.get('held')?.state?.value.name).toBe('FAIL'), {timeoutMs: 10_000});
});

test('leader keys without a lease do not keep anybody from leading', async () => {
  for (const key of [keys.leaderKey('scheduler'), keys.leaderKey('janitor')]) {
    await etcd.etcdctl(['put', key, key.endsWith('janitor') ? 'no json' : '{"hostname":"somewhere","pid":1}']);
    await eventually(() => expect(system.database.cache.leaders.get(key.split('/')[2] ?? '')?.lease ?? '0').not.toBe('0'), {timeoutMs: 10_000});
  }
});

test('chunks that no header refers to are removed, and those that one refers to stay', async () => {
  const {store, blobs} = system.database;
  const referred = await blobs.stage('event', 'kept', randomBytes(200_000));
  await store.commit({
    compares: referred.compares,
    ops: [...referred.ops, {put: keys.eventKey('kept'), value: JSON.stringify({blob: referred.header})}],
  });
  await blobs.stage('event', 'lost', randomBytes(200_000));
  expect(await keysUnder('~blob/event/lost/')).toHaveLength(1);
  await eventually(async () => expect(await keysUnder('~blob/event/lost/')).toEqual([]), {timeoutMs: 10_000});
  expect(await keysUnder('~blob/event/kept/')).toHaveLength(1);
});

test('old revisions are compacted', async () => {
  await eventually(
    async () => {
      await etcd.etcdctl(['put', keys.eventKey('moves-the-revision'), `{"json_dict":{"n":${Math.random()}}}`]);
      await expect(etcd.etcdctl(['get', '--rev', '2', '/meta'])).rejects.toThrow('compacted');
    },
    {timeoutMs: 10_000},
  );
});
