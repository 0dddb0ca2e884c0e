import {readFileSync} from 'node:fs';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

const EVENT: unknown = JSON.parse(readFileSync(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));
const COMMON = {reco_algo: 'reference', event_i3live_json: EVENT, nsides: {'1': 0}, real_or_simulated_event: 'real'};

let etcd: TestEtcd;
let system: TestSystem;

beforeAll(async () => {
  etcd = await startEtcd();
  system = await TestSystem.start({etcd});
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

async function ask(method: string, path: string, body?: unknown): Promise<Record<string, unknown>> {
  const sent = body === undefined ? {} : {body: JSON.stringify(body)};
  const answer = await checkedFetch(`${system.address}${path}`, {method, headers: {'content-type': 'application/json'}, ...sent});
  const value = (await answer.json()) as Record<string, unknown>;
  if (!answer.ok) expect.fail(`${method} ${path}: ${answer.status} ${String(value['error'])}`);
  return value;
}

test('a scan asked through version 1, with a scanner that speaks version 1, runs to its end', async () => {
  const {scan_id: id} = await ask('POST', '/v1/scan', {...COMMON, docker_tag: '3.22.0', cluster: {local: 1}, max_pixel_reco_time: 60});
  const path = `/v1/scan/${String(id)}`;
  expect((await ask('GET', `${path}/status`))['scan_complete']).toBe(false);
  await eventually(async () => expect(await ask('GET', `${path}/status`)).toMatchObject({scan_complete: true}), {timeoutMs: 25_000});
  expect(await ask('GET', `${path}/status?include_pod_statuses=true`)).toMatchObject({
    scan_state: 'SCAN_FINISHED_SUCCESSFULLY',
    is_deleted: false,
    pods: {pod_message: 'retrieved'},
    clusters: [{n_workers: 1, orchestrator: 'condor', location: {collector: 'local', schedd: 'local'}}],
  });
  expect(await ask('GET', `${path}/result`)).toMatchObject({is_final: true, skyscan_result: {'nside-1': {}}});
  expect(await ask('GET', `${path}/manifest`)).toMatchObject({
    ewms_task: {complete: true},
    progress: {processing_stats: {finished: true}},
  });
});

test('a scan asked through version 0, with the scanner of today, runs to its end', async () => {
  const cluster = {collector: 'local', schedd: 'anything', njobs: 1};
  const {scan_id: id} = await ask('POST', '/v0/scan', {...COMMON, docker_tag: 'latest', cluster});
  await eventually(async () => expect(await ask('GET', `/scan/manifest/${String(id)}`)).toMatchObject({complete: true}), {timeoutMs: 25_000});
  expect(await ask('GET', `/scan/result/${String(id)}`)).toMatchObject({is_final: true, is_deleted: false});
  expect(await ask('GET', `/scan/manifest/${String(id)}`)).toMatchObject({
    event_i3live_json_dict: EVENT,
    condor_clusters: [{collector: 'local', schedd: 'local', cluster_id: 1, jobs: 1}],
  });
});
