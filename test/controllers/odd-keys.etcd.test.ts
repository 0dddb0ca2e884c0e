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
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {FakeEngine} from '../support/fake-engine.ts';

/** One replica over a real etcd; jobs are entries of a map. */

let etcd: TestEtcd;
let database: Database;
let commits = 0;
const engine = new FakeEngine();
const stop = new AbortController();
const running: Promise<unknown>[] = [];

beforeAll(async () => {
  etcd = await startEtcd();
  const config = loadConfig({SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_TTL_SECONDS: '2', SCANPLANE_RETRY_BASE_SECONDS: '0.01'});
  database = openDatabase(config.etcd, silentLog);
  const {store} = database;
  const commit = store.commit.bind(store);
  store.commit = (of) => {
    commits++;
    return commit(of);
  };
  running.push(database.cache.run(stop.signal));
  await ensureMeta(store);
  await database.cache.ready();
  const engines = new Map<string, Engine>([['process', engine]]);
  const options = {replica: 'r1', database, engines, scannerAddress: 'http://127.0.0.1:1', config, clock: systemClock, log: silentLog};
  running.push(runReplica(options, stop.signal));
});

afterAll(async () => {
  stop.abort();
  await Promise.all(running);
  database?.members.close();
  await etcd?.stop();
});

async function put(key: string, value: unknown): Promise<void> {
  await database.store.commit({compares: [], ops: [{put: key, value: typeof value === 'string' ? value : JSON.stringify(value)}]});
}

async function remove(key: string): Promise<void> {
  await database.store.commit({compares: [], ops: [{delete: key}]});
}

const cluster = (name: string, capacity: number): Promise<void> =>
  put(keys.clusterKey(name), {engine: 'process', capacity, settings: {scanner_server: ['server'], worker: ['worker']}});
const scan = (id: string, ...request_clusters: [string, number][]): Promise<void> =>
  put(keys.scanKey(id), {request: {reco_algo: 'any', nsides: [['1', 0]], request_clusters, i3_event_id: 'e'}});
const finalResult = (id: string): Promise<void> =>
  put(keys.resultKey(id), {is_final: true, updated_at: 1, blob: {digest: '0'.repeat(64), size: 1, stored_size: 1, chunks: 1, compression: 'zstd'}});
const record = (id: string): ScanRecord | undefined => database.cache.scans.get(id);
const stateOf = (id: string): string | undefined => record(id)?.state?.value.name;
const untilState = (id: string, name: string): Promise<void> =>
  eventually(() => expect(record(id)?.state?.value).toMatchObject({name}), {timeoutMs: 15_000});
const untilRunning = (id: string, count: number): Promise<void> =>
  eventually(() => expect(engine.running(id)).toHaveLength(count), {timeoutMs: 15_000});

test('a scan of more jobs than one transaction has room for runs and ends', async () => {
  await cluster('wide', 150);
  await scan('wide', ...Array.from({length: 150}, (): [string, number] => ['wide', 1]));
  await untilRunning('wide', 151);
  await finalResult('wide');
  engine.end({scanId: 'wide', job: 'server', try: 1}, 0);
  await untilState('wide', 'COMPLETE');
  expect(engine.running('wide')).toEqual([]);
  expect(record('wide')?.admission).toBeUndefined();
  const {entries} = await database.store.range('~log/wide/', {keysOnly: true});
  expect(entries).toHaveLength(151);
});

test('a scan that names a cluster that does not exist beside one that does runs on that one, and says so', async () => {
  await cluster('half', 2);
  await scan('half', ['nowhere', 1], ['half', 1]);
  await untilRunning('half', 2);
  expect(record('half')?.admission?.value.short).toBe('no cluster is called nowhere');
});

test('a scan whose cluster was deleted can still be stopped', async () => {
  await cluster('brief', 2);
  await scan('brief', ['brief', 2]);
  await untilRunning('brief', 2);
  await remove(keys.clusterKey('brief'));
  await put(keys.controlKey('brief'), {desired: 'stop'});
  await untilState('brief', 'STOPPED');
  expect(engine.running('brief')).toEqual([]);
});

test('scans for a cluster whose key was damaged wait until it is repaired', async () => {
  await cluster('hurt', 1);
  await scan('goeson', ['hurt', 1]);
  await untilRunning('goeson', 2);
  await put(keys.clusterKey('hurt'), 'no json');
  await eventually(() => expect(database.cache.bad.has(keys.clusterKey('hurt'))).toBe(true));
  engine.end({scanId: 'goeson', job: 'workers-1', try: 1}, 1);
  await scan('patient', ['hurt', 1]);
  await eventually(() => expect(record('patient')?.backlog).toBeDefined());
  await eventually(() => expect(record('goeson')?.jobs?.get('workers-1')?.value.failures).toBe(1));
  await cluster('hurt', 2);
  await untilRunning('goeson', 2);
  await untilRunning('patient', 2);
  expect([stateOf('goeson'), stateOf('patient')]).toEqual(['RUNNING', 'RUNNING']);
});

test('slots of an admission that was damaged are not given to somebody else', async () => {
  await cluster('tight', 2);
  await cluster('other', 1);
  await scan('first', ['tight', 2]);
  await untilRunning('first', 2);
  await put(keys.admissionKey('first'), 'no json');
  await eventually(() => expect(record('first')?.bad?.has('admission')).toBe(true));
  await scan('second', ['tight', 1]);
  await eventually(() => expect(record('second')?.backlog).toBeDefined());
  await scan('third', ['other', 1]);
  await untilRunning('third', 2);
  expect(record('second')?.admission).toBeUndefined();
});

test('a damaged backlog entry of a scan that waits is written anew, and keeps nobody busy', async () => {
  await cluster('full', 0);
  // With a time of creation, as the API writes it, there is one name that the entry can have.
  const request = {reco_algo: 'any', nsides: [['1', 0]], request_clusters: [['full', 1]], i3_event_id: 'e'};
  await put(keys.scanKey('waits'), {created_at: 1_700_000_000, request});
  const entry = await eventually(() => {
    const {backlog} = record('waits') ?? {};
    expect(backlog).toBeDefined();
    return backlog;
  });
  const key = keys.backlogKey(entry?.order ?? '', 'waits');
  await put(key, 'no json');
  const before = commits;
  await eventually(() => expect(record('waits')?.backlog).toBeDefined());
  expect(commits - before).toBeLessThan(20);
  await cluster('full', 1);
  await untilRunning('waits', 2);
});

test('each launch is asked for once', async () => {
  await cluster('slow', 4);
  engine.launchMs = 300;
  await Promise.all([1, 2].map((n) => scan(`slow${n}`, ['slow', 2])));
  await untilRunning('slow1', 2);
  await untilRunning('slow2', 2);
  engine.launchMs = 0;
  const asked = engine.asked.filter((name) => name.startsWith('slow'));
  expect(asked.toSorted()).toEqual(['slow1/server/1', 'slow1/workers-1/1', 'slow2/server/1', 'slow2/workers-1/1']);
});

test('a try that ended has its entry in the job log, also when the next one follows at once', async () => {
  await cluster('again', 1);
  await scan('again', ['again', 1]);
  await untilRunning('again', 2);
  engine.end({scanId: 'again', job: 'workers-1', try: 1}, null, 'stopped');
  await eventually(() => expect(record('again')?.jobs?.get('workers-1')?.value.tries_total).toBe(2));
  expect(await database.store.get(keys.logKey('again', 'workers-1', 1))).toBeDefined();
});

test('a scan put again after all of it was deleted begins afresh', async () => {
  await cluster('twice', 1);
  await scan('twice', ['twice', 1]);
  await untilRunning('twice', 2);
  engine.end({scanId: 'twice', job: 'server', try: 1}, 1);
  await eventually(() => expect(engine.running('twice')).toContain('twice/server/2'));
  await finalResult('twice');
  engine.end({scanId: 'twice', job: 'server', try: 2}, 0);
  await untilState('twice', 'COMPLETE');
  await database.store.commit({compares: [], ops: [{deletePrefix: '/scan/twice'}]});
  await scan('twice', ['twice', 1]);
  await untilRunning('twice', 2);
  expect(record('twice')?.jobs?.get('server')?.value).toMatchObject({tries_total: 1, failures: 0});
});

test('a scan whose key is deleted while it runs leaves no job behind, and its slots come back', async () => {
  await cluster('small', 1);
  await scan('cut', ['small', 1]);
  await untilRunning('cut', 2);
  await remove(keys.scanKey('cut'));
  await untilRunning('cut', 0);
  await eventually(() => expect(record('cut')?.owner).toBeUndefined());
  expect([...(record('cut')?.jobs?.values() ?? [])].every(({value}) => value.tries.at(-1)?.exit !== undefined)).toBe(true);
  expect(stateOf('cut')).toBe('RUNNING');
});
