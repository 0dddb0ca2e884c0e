import {readFileSync} from 'node:fs';
import {afterAll, beforeAll, expect, test} from 'vitest';
import * as keys from '../../src/schema/keys.ts';
import {newScanId} from '../../src/schema/ids.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

const EVENT: unknown = JSON.parse(readFileSync(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));

let etcd: TestEtcd;
let system: TestSystem;

beforeAll(async () => {
  etcd = await startEtcd();
  system = await TestSystem.start({etcd});
  await system.startReplica();
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

const stateOf = (id: string): string | undefined => system.database.cache.scans.get(id)?.state?.value.name;

async function untilState(id: string, name: string, timeoutMs = 25_000): Promise<void> {
  const ended = new Set(['COMPLETE', 'FAIL', 'STOPPED']);
  await eventually(() => stateOf(id) === name || ended.has(stateOf(id) ?? ''), {timeoutMs});
  if (stateOf(id) === name) return;
  const logs = await etcd.etcdctl(['get', '--prefix', `~log/${id}/`]);
  expect.fail(`${JSON.stringify(system.database.cache.scans.get(id)?.state?.value)}\n${logs}`);
}

async function postScan(more: Record<string, unknown> = {}): Promise<string> {
  const answer = await checkedFetch(`${system.address}/v2/scan`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({
      ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: EVENT, nsides: {'1': 0}, real_or_simulated_event: 'real'},
      ...{max_pixel_reco_time: 60, request_clusters: {local: 1}, ...more},
    }),
  });
  const body = (await answer.json()) as {scan_id: string; error?: string};
  if (!answer.ok) expect.fail(`POST /scan: ${body.error}`);
  return body.scan_id;
}

test('a posted scan runs to COMPLETE and leaves nothing behind but what it is', async () => {
  const id = await postScan();
  await untilState(id, 'COMPLETE');
  const result = (await (await checkedFetch(`${system.address}/scan/${id}/result`)).json()) as {
    is_final: boolean;
    skyscan_result: Record<string, {data: unknown[]}>;
  };
  expect(result.is_final).toBe(true);
  expect(result.skyscan_result['nside-1']?.data).toHaveLength(12);
  const status = (await (await checkedFetch(`${system.address}/scan/${id}/status`)).json()) as Record<string, unknown>;
  expect(status).toMatchObject({scan_state: 'SCAN_HAS_FINAL_RESULT', scan_complete: true});
  await eventually(async () => {
    const left = (await etcd.etcdctl(['get', '--prefix', '--keys-only', '/'])).split('\n').filter((key) => key.includes(id));
    expect(left.sort()).toEqual(
      [
        keys.chainKey(id),
        keys.jobKey(id, 'server'),
        keys.jobKey(id, 'workers-1'),
        keys.progressKey(id),
        keys.resultKey(id),
        keys.scanKey(id),
        keys.stateKey(id),
      ].sort(),
    );
  });
});

test('a scan put with etcdctl runs to COMPLETE without the API', async () => {
  await etcd.etcdctl(['put', '/event/by_hand'], JSON.stringify({json_dict: EVENT}));
  const request = {reco_algo: 'reference', nsides: [['1', 0]], request_clusters: [['local', 1]], i3_event_id: 'by_hand'};
  await etcd.etcdctl(['put', '/scan/by_hand', JSON.stringify({request})]);
  await untilState('by_hand', 'COMPLETE');
  expect(system.database.cache.scans.get('by_hand')?.result?.value.is_final).toBe(true);
});

test('deleting the owner key moves a running scan to another leader, and its jobs run on', async () => {
  const id = await postScan({nsides: {'32': 0}});
  const record = () => system.database.cache.scans.get(id);
  await eventually(() => expect(record()?.jobs?.get('server')?.value.tries.at(-1)?.handle).toBeDefined(), {timeoutMs: 10_000});
  const before = record()?.owner?.value.replica;
  await etcd.etcdctl(['del', keys.ownerKey(id)]);
  await eventually(() => {
    const now = record()?.owner?.value.replica;
    expect(now).toBeDefined();
    expect(now).not.toBe(before);
  });
  expect(record()?.jobs?.get('server')?.value).toMatchObject({state: 'RUNNING', tries_total: 1});
  await untilState(id, 'COMPLETE');
  expect(record()?.jobs?.get('server')?.value.tries_total).toBe(1);
});

test('a control key put by hand stops a scan, and nothing of it runs afterwards', async () => {
  const id = await postScan({nsides: {'64': 0}});
  await eventually(() => expect(stateOf(id)).toBe('RUNNING'));
  await etcd.etcdctl(['put', keys.controlKey(id), '{"desired":"stop"}']);
  await untilState(id, 'STOPPED');
  const record = system.database.cache.scans.get(id);
  for (const {value} of record?.jobs?.values() ?? []) expect(value.tries.at(-1)?.exit).toBeDefined();
  expect(record?.admission).toBeUndefined();
});

test('a value that is no JSON marks that one key and stops nothing else', async () => {
  const bad = newScanId(Date.now());
  await etcd.etcdctl(['put', keys.scanKey(bad), 'no json at all']);
  const id = await postScan();
  await untilState(id, 'COMPLETE');
  const ready = (await (await checkedFetch(`${system.address}/readyz`)).json()) as unknown;
  expect(JSON.stringify(ready)).toContain(keys.scanKey(bad));
  await etcd.etcdctl(['del', keys.scanKey(bad)]);
});

test('a scan for a cluster that does not exist fails with the reason instead of waiting', async () => {
  const request = {reco_algo: 'reference', nsides: [['1', 0]], request_clusters: [['nowhere', 1]], i3_event_id: 'by_hand'};
  await etcd.etcdctl(['put', '/scan/lost', JSON.stringify({request})]);
  await untilState('lost', 'FAIL');
  expect(system.database.cache.scans.get('lost')?.state?.value.reason).toBe('no cluster is called nowhere');
});

test('a suspended scan stops its jobs, and goes on when it is resumed', async () => {
  const id = await postScan({nsides: {'8': 0}});
  await eventually(() => expect(stateOf(id)).toBe('RUNNING'));
  await etcd.etcdctl(['put', keys.controlKey(id), '{"desired":"suspend"}']);
  await untilState(id, 'SUSPENDED');
  await eventually(() => expect(system.database.cache.scans.get(id)?.owner).toBeUndefined());
  expect(system.database.cache.scans.get(id)?.admission).toBeUndefined();
  await etcd.etcdctl(['put', keys.controlKey(id), '{"desired":"run"}']);
  await untilState(id, 'COMPLETE');
});
