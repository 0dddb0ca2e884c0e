import {afterEach, beforeEach, expect, test} from 'vitest';
import {Watchdog} from '../../../src/controllers/watchdog.ts';
import {runLone} from '../../../src/controllers/lone.ts';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import type {Control} from '../../../src/schema/control.ts';
import type {JobExit} from '../../../src/schema/job.ts';
import * as keys from '../../../src/schema/keys.ts';
import {startApi} from '../../api/harness.ts';
import type {TestApi} from '../../api/harness.ts';
import {aJob, aTry} from '../../support/builders.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {storeNode} from '../../support/store-node.ts';

let etcd: TestEtcd;
let api: TestApi;
let stops: (() => Promise<void>)[];

beforeEach(async () => {
  etcd = await startEtcd();
  api = await startApi(etcd.endpoint);
  stops = [];
});

afterEach(async () => {
  for (const stop of stops) await stop();
  await api?.stop();
  await etcd?.stop();
});

const ago = (seconds: number): string => new Date(Date.now() - seconds * 1000).toISOString();
const put = (key: string, value: unknown): Promise<unknown> => api.store.commit({compares: [], ops: [{put: key, value: canonicalJson(value)}]});

/** Writes what the owner of a scan would whose server has used up its tries, the last of which ended so. */
async function failScan(id: string, exit: Partial<JobExit>): Promise<void> {
  const last = aTry({exit: {code: null, ended_at: ago(1), ...exit}});
  await put(keys.jobKey(id, 'server'), aJob({state: 'FAIL', failures: 3, tries_total: 3, tries: [last]}));
  await put(keys.stateKey(id), {name: 'FAIL', attempt: 1, started_at: ago(600), ended_at: ago(1)});
}

/** A replica of which only the watchdog runs, twenty times a second. */
async function startWatchdog(): Promise<void> {
  const node = storeNode({endpoints: [etcd.endpoint]});
  const stop = new AbortController();
  await node.watch();
  await node.lead();
  const {store, cache, ownership} = node;
  const watchdog = new Watchdog({cache, clock: systemClock, log: silentLog, intervalMs: 50});
  const running = runLone(watchdog, {store, cache, ownership, clock: systemClock, log: silentLog, rank: () => 0, staggerMs: 0}, stop.signal);
  stops.push(async () => {
    stop.abort();
    await running;
    await node.stop();
  });
}

const scanIds = (): string[] => [...api.cache.scans.values()].map(({id}) => id);
const controlOf = (id: string): Control | undefined => api.cache.scans.get(id)?.control?.value;

test('case 52: of several failed scans, the one whose server was killed from outside is rescanned and replaced, once', async () => {
  const killed = await api.newScan({classifiers: {foo: 1}});
  const broken = await api.newScan();
  const deleted = await api.newScan();
  await failScan(broken, {code: 1});
  await failScan(deleted, {signal: 'SIGKILL'});
  expect((await api.ask('DELETE', `/scan/${deleted}`, {body: {}})).status).toBe(200);
  await failScan(killed, {code: 137});
  await startWatchdog();
  await startWatchdog(); // One leads; the other one takes over when it goes.
  await eventually(() => expect(scanIds()).toHaveLength(4));
  const [rescan] = scanIds().filter((id) => ![killed, broken, deleted].includes(id)) as [string];
  expect(controlOf(killed)).toMatchObject({is_deleted: true, desired: 'stop', replaced_by_scan_id: rescan});

  const manifest = (await api.ask('GET', `/scan/${rescan}/manifest`)).body as Record<string, unknown>;
  expect(manifest).toMatchObject({is_deleted: false, classifiers: {foo: 1, rescan: true, origin_scan_id: killed}});
  expect((await api.ask('GET', `/scan-request/${killed}`)).body).toMatchObject({rescan_ids: [rescan]});
  const {entries} = (await api.ask('GET', '/scans/backlog')).body as {entries: {scan_id: string}[]};
  expect(entries.map((entry) => entry.scan_id)).toContain(rescan);

  // What is found next shows that those before it were looked at again, and left alone.
  const next = await api.newScan();
  await failScan(next, {reason: 'OOMKilled'});
  await eventually(() => expect(controlOf(next)?.replaced_by_scan_id).toBeDefined());
  expect(scanIds()).toHaveLength(6);
  expect(controlOf(broken)).toBeUndefined();
  expect(controlOf(deleted)?.replaced_by_scan_id).toBeUndefined();
});

test('case 53: a family is given up after three rescans within ten hours', async () => {
  let id = await api.newScan();
  await startWatchdog();
  const family = [id];
  for (let n = 0; n < 3; n++) {
    await failScan(id, {code: 143});
    await eventually(() => expect(controlOf(id)?.replaced_by_scan_id).toBeDefined());
    id = controlOf(id)?.replaced_by_scan_id as string;
    family.push(id);
  }
  await failScan(id, {code: 143});
  const other = await api.newScan();
  await failScan(other, {code: 143});
  await eventually(() => expect(controlOf(other)?.replaced_by_scan_id).toBeDefined());
  expect(controlOf(id)).toBeUndefined();
  expect((await api.ask('GET', `/scan-request/${family[0]}`)).body).toMatchObject({rescan_ids: family.slice(1)});
});
