import {afterAll, beforeAll, expect, test} from 'vitest';
import {loadConfig} from '../../src/config.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import type {Engine} from '../../src/engines/engine.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import * as keys from '../../src/schema/keys.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';
import type {Commit, CommitResult} from '../../src/store/store.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {FakeEngine} from '../support/fake-engine.ts';

/** One replica over a real etcd, whose writes let a hand-over go first that nobody has seen yet. */

let etcd: TestEtcd;
let database: Database;
let commit: (of: Commit) => Promise<CommitResult>;
/** A hand-over to be written right before the first transaction that `before` knows. */
let handOver: {readonly id: string; before(of: Commit): boolean} | undefined;
const ended: string[] = [];
const engine = new FakeEngine();
const stop = new AbortController();
const running: Promise<unknown>[] = [];

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  const config = loadConfig({SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_TTL_SECONDS: '2'});
  database = openDatabase(config.etcd, silentLog);
  const {store} = database;
  commit = store.commit.bind(store);
  store.commit = async (of) => {
    if (handOver?.before(of) === true) {
      const {id} = handOver;
      handOver = undefined;
      await put(keys.ewmsKey(id), {workflow_id: `W-${id}`, ewms_address: 'a'});
    }
    return commit(of);
  };
  running.push(database.cache.run(stop.signal));
  await ensureMeta(store);
  await database.cache.ready();
  await put(keys.clusterKey('local'), {engine: 'process', capacity: 4, settings: {scanner_server: ['server'], worker: ['worker']}});
  await put(keys.clusterKey('osg'), {engine: 'external', capacity: 4});
  const engines = new Map<string, Engine>([['process', engine]]);
  const ewms = {endWorkflow: (workflowId: string, ending: string) => Promise.resolve(void ended.push(`${workflowId} ${ending}`))};
  const options = {replica: 'r1', database, engines, scannerAddress: 'http://127.0.0.1:1', ewms, config, clock: systemClock, log: silentLog};
  running.push(runReplica(options, stop.signal));
});

afterAll(async () => {
  stop.abort();
  await Promise.all(running);
  database?.members.close();
  await etcd?.stop();
});

async function put(key: string, value: unknown): Promise<void> {
  await commit({compares: [], ops: [{put: key, value: JSON.stringify(value)}]});
}

const scan = (id: string, cluster: string): Promise<void> =>
  put(keys.scanKey(id), {request: {reco_algo: 'a', nsides: [['1', 0]], request_clusters: [[cluster, 1]], i3_event_id: 'e'}});
const record = (id: string): ScanRecord | undefined => database.cache.scans.get(id);
const stateOf = (id: string): string | undefined => record(id)?.state?.value.name;

test('a hand-over that comes right before the admission keeps our own engines off the scan', async () => {
  handOver = {id: 's1', before: ({ops}) => ops.some((op) => 'put' in op && op.put === keys.admissionKey('s1'))};
  await scan('s1', 'local');
  await eventually(() => stateOf('s1') === 'RUNNING');
  expect(record('s1')?.admission?.value.external).toBe(true);
  expect([record('s1')?.jobs, engine.asked]).toEqual([undefined, []]);
  await put(keys.controlKey('s1'), {desired: 'stop'});
  await eventually(() => stateOf('s1') === 'STOPPED');
  expect(ended).toEqual(['W-s1 abort']);
});

test('a hand-over that comes right before the end of its scan is not left behind', async () => {
  await scan('s2', 'osg');
  await eventually(() => stateOf('s2') === 'RUNNING');
  handOver = {id: 's2', before: ({ops}) => ops.some((op) => 'delete' in op && op.delete === keys.admissionKey('s2'))};
  await put(keys.controlKey('s2'), {desired: 'stop'});
  await eventually(() => stateOf('s2') === 'STOPPED');
  expect(ended).toContain('W-s2 abort');
});

test('a scan put by hand that mixes external clusters with ours fails and says why', async () => {
  const request_clusters = [
    ['local', 1],
    ['osg', 1],
  ];
  await put(keys.scanKey('s3'), {request: {reco_algo: 'a', nsides: [['1', 0]], request_clusters, i3_event_id: 'e'}});
  await eventually(() => stateOf('s3') === 'FAIL');
  expect(record('s3')?.state?.value.reason).toBe('cannot mix external clusters (osg) with others (local)');
});
