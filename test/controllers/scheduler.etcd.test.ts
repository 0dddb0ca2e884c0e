import {afterAll, beforeAll, expect, test} from 'vitest';
import {Scheduler} from '../../src/controllers/scheduler.ts';
import type {ScanController} from '../../src/controllers/scan-controller.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import {silentLog} from '../../src/lib/log.ts';
import * as keys from '../../src/schema/keys.ts';
import type {Cache, ScanTable} from '../../src/store/cache.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {storeNode} from '../support/store-node.ts';

let etcd: TestEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.stop();
});

test('while the cache does not show what was granted, nothing more of it is granted, and nobody is kept busy', async () => {
  const node = storeNode({endpoints: [etcd.endpoint]});
  const stop = new AbortController();
  const put = (key: string, value: unknown): Promise<unknown> => node.store.commit({compares: [], ops: [{put: key, value: JSON.stringify(value)}]});
  const request = {reco_algo: 'any', nsides: [['1', 0]], request_clusters: [['local', 1]], i3_event_id: 'e'};
  const spec = (n: number): unknown => ({created_at: 1_700_000_000 + n, request});
  const order = (n: number): string => `7fffffff-0000000000${n}`;
  try {
    await node.watch();
    await node.lead();
    await put(keys.clusterKey('local'), {engine: 'process', capacity: 1});
    for (const n of [1, 2]) {
      await put(keys.scanKey(`s${n}`), spec(n));
      await put(keys.backlogKey(order(n), `s${n}`), {timestamp: 1_700_000_000 + n});
    }
    let writes = 0;
    const commit = node.store.commit.bind(node.store);
    node.store.commit = (of) => {
      writes++;
      return commit(of);
    };
    const {revision} = await node.store.range('/scan/');
    await node.cache.waitFor(revision, 5000);

    // A cache whose watch hangs from now on: it shows what it has, and nobody can wait for more.
    const standing = new Map([...node.cache.scans.values()].map((record) => [record.id, record]));
    let isHanging = true;
    let asked = 0;
    const behind = new ControlPlaneError('unavailable', 'the watch cache is behind');
    const scans: ScanTable = {
      size: 2,
      get: (id) => (isHanging ? standing.get(id) : node.cache.scans.get(id)),
      values: () => (isHanging ? standing.values() : node.cache.scans.values()),
      idsBy: () => new Set(),
    };
    const cache: Cache = {
      revision,
      scans,
      clusters: node.cache.clusters,
      replicas: node.cache.replicas,
      leaders: node.cache.leaders,
      ebs: node.cache.ebs,
      pbs: node.cache.pbs,
      deployments: node.cache.deployments,
      scripts: node.cache.scripts,
      events: node.cache.events,
      bad: node.cache.bad,
      meta: undefined,
      ageMs: () => 0,
      ready: () => Promise.resolve(),
      expect: () => {},
      backlog: () => (isHanging ? [1, 2].map((n) => ({order: order(n), of: 'scan' as const, id: `s${n}`})) : node.cache.backlog()),
      onChange: (listener, signal) => node.cache.onChange((changes) => (isHanging ? undefined : listener(changes)), signal),
      waitFor: (at, timeoutMs) => (isHanging ? Promise.reject(behind) : node.cache.waitFor(at, timeoutMs)),
      catchUp: (signal) => {
        asked++;
        return isHanging ? Promise.reject(behind) : node.cache.catchUp(signal);
      },
    };
    const claim = await node.ownership.campaign(keys.leaderKey('scheduler'));
    if (claim.kind !== 'elected') throw new Error('not elected');
    const deps = {cache, ownership: node.ownership, scans: {} as ScanController, clock: systemClock, log: silentLog};
    const pace = {asapEveryMs: 0, otherEveryMs: 0};
    const scheduler = new Scheduler({...deps, pace, concurrency: 8, defaultCluster: 'local', enqueue: () => {}, rank: () => 1});
    const running = scheduler.run(claim.writer, stop.signal);
    const isAdmitted = async (id: string): Promise<boolean> => (await node.store.get(keys.admissionKey(id))) !== undefined;
    await eventually(async () => expect(await isAdmitted('s1')).toBe(true));
    await eventually(async () => expect(asked >= 2 || writes > 20 || (await isAdmitted('s2'))).toBe(true));
    expect(await isAdmitted('s2'), 'admitted above the capacity').toBe(false);
    expect(writes, 'the same write, again and again').toBeLessThan(10);
    isHanging = false;
    await put(keys.stateKey('s1'), {name: 'COMPLETE'});
    await node.store.commit({compares: [], ops: [{delete: keys.admissionKey('s1')}]});
    await eventually(async () => expect(await isAdmitted('s2')).toBe(true));
    stop.abort();
    await running;
  } finally {
    stop.abort();
    await node.stop();
  }
});
