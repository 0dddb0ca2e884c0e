import {readFileSync} from 'node:fs';
import {afterAll, beforeAll, expect, test} from 'vitest';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

const EVENT: unknown = JSON.parse(readFileSync(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));

let etcd: TestEtcd;
let system: TestSystem;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await TestSystem.start({etcd, capacity: 3});
  await system.startReplica();
});
afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

// oxlint-disable-next-line typescript/no-explicit-any
async function ask(method: string, path: string, body: unknown = {}): Promise<any> {
  const answer = await checkedFetch(`${system.address}${path}`, {
    method,
    headers: {'content-type': 'application/json'},
    ...(method === 'GET' ? {} : {body: JSON.stringify(body)}),
  });
  return answer.json();
}

const record = (id: string): ScanRecord | undefined => system.database.cache.scans.get(id);
const running = async (id: string): Promise<number> => (await ask('GET', `/scan/${id}/ewms/workforce`)).n_running;

async function postScan(): Promise<string> {
  const body = {
    ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: EVENT, nsides: {'64': 0}, real_or_simulated_event: 'real'},
    ...{max_pixel_reco_time: 60, request_clusters: {local: 1}},
  };
  return (await ask('POST', '/scan', body)).scan_id;
}

test('workers added to a scan that runs are started beside the others, as many as there is room for', async () => {
  const id = await postScan();
  await eventually(async () => expect(await running(id)).toBe(1), {timeoutMs: 15_000});
  const added = await ask('POST', `/scan/${id}/actions/add-workers`, {n_workers: 1, cluster_location: 'local'});
  expect(added).toMatchObject({n_workers: 1});
  await eventually(async () => expect(await running(id)).toBe(2), {timeoutMs: 15_000});
  expect(record(id)?.jobs?.get('extra-local-1')?.value).toMatchObject({type: 'workers', count: 1, state: 'RUNNING', tries_total: 1});
  expect(record(id)?.admission?.value.slots).toEqual({local: 2});

  // Of three more there is room for one now; the others wait for slots.
  await ask('POST', `/scan/${id}/actions/add-workers`, {n_workers: 3, cluster_location: 'local'});
  await eventually(async () => expect(await running(id)).toBe(3), {timeoutMs: 15_000});
  expect(record(id)?.admission?.value.slots).toEqual({local: 3});

  await ask('DELETE', `/scan/${id}`);
  await eventually(() => expect(record(id)?.state?.value.name).toBe('STOPPED'), {timeoutMs: 15_000});
  for (const {value} of record(id)?.jobs?.values() ?? []) expect(value.tries.at(-1)?.exit).toBeDefined();
});

test('a rescan that aborts and replaces a running scan ends the old one and runs in its place', async () => {
  const old = await postScan();
  await eventually(async () => expect(await running(old)).toBe(1), {timeoutMs: 15_000});
  const {scan_id: id} = await ask('POST', `/scan/${old}/actions/rescan`, {abort_first: true, replace_scan: true});
  await eventually(() => expect(record(old)?.state?.value.name).toBe('STOPPED'), {timeoutMs: 15_000});
  await eventually(async () => expect(await running(id)).toBe(1), {timeoutMs: 15_000});
  // fetch follows redirects.
  expect((await ask('GET', `/scan/${old}/manifest`)).scan_id).toBe(id);
  await ask('DELETE', `/scan/${id}`);
  await eventually(() => expect(record(id)?.state?.value.name).toBe('STOPPED'), {timeoutMs: 15_000});
});
