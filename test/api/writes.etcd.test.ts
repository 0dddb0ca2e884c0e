import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {Writable} from 'node:stream';
import {pino} from 'pino';
import {SCAN_BODY, startApi} from './harness.ts';
import type {TestApi} from './harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {must} from '../../src/lib/assert.ts';
import {parseScanSpec} from '../../src/schema/scan.ts';
import {clusterKey, controlKey, progressKey, scanKey, stateKey} from '../../src/schema/keys.ts';

let etcd: TestEtcd;
let api: TestApi;
/** A second replica over the same etcd. */
let other: TestApi;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint, {bodyLimitBytes: 100 * 1024 * 1024});
  other = await startApi(etcd.endpoint);
});
afterAll(async () => {
  await api.stop();
  await other.stop();
  await etcd.stop();
});

/** A result of a scan with this many pixels, as the scanner writes it. */
function resultText(rows: number): string {
  const row =
    '[123, 5678.123456789012, 123456.7890123456, 234567.8901234567, 12.345678901234567, -23.456789012345678, 345.67890123456789, 9876.543210987654]';
  const columns = '["index", "llh", "E_in", "E_tot", "X", "Y", "Z", "T"]';
  return `{"nside-64": {"columns": ${columns}, "data": [${Array.from({length: rows}, () => row).join(', ')}], "metadata": {"nside": 64}}}`;
}

describe('large results', () => {
  test('case 74: a result of 8.9 MB is taken and given back, and others are answered meanwhile', async () => {
    const id = await api.newScan();
    const text = resultText(62_000);
    expect(text.length).toBeGreaterThan(8.9e6);
    let isDone = false;
    const putting = api.ask('PUT', `/scan/${id}/result`, {body: `{"skyscan_result": ${text}, "is_final": true}`}).finally(() => (isDone = true));
    const waits: number[] = [];
    while (!isDone) {
      const startedAt = performance.now();
      expect((await api.ask('GET', '/livez')).status).toBe(200);
      waits.push(performance.now() - startedAt);
    }
    expect((await putting).status).toBe(200);
    expect(waits.length).toBeGreaterThan(3);
    expect((await (await fetch(`${api.url}/scan/${id}/result`)).text()).length).toBeGreaterThan(text.length);
    expect(await (await fetch(`${other.url}/scan/${id}/result`)).text()).toBe(`{"scan_id":"${id}","skyscan_result":${text},"is_final":true}`);
  });

  test('case 74: a body above the limit is refused, and the connection closed', async () => {
    const small = await startApi(etcd.endpoint, {bodyLimitBytes: 1000});
    try {
      const id = await small.newScan();
      const answer = await small.ask('PUT', `/scan/${id}/result`, {body: `{"skyscan_result": {"a": "${'x'.repeat(1000)}"}, "is_final": true}`});
      expect(answer).toMatchObject({status: 413, reason: 'Request Entity Too Large', body: {code: 413, error: 'Request Entity Too Large'}});
      expect(answer.headers.get('connection')).toBe('close');
      expect((await small.ask('GET', `/scan/${id}/result`)).body).toEqual({});
    } finally {
      await small.stop();
    }
  });

  test('a replaced result leaves no chunks behind', async () => {
    const id = await api.newScan();
    for (const value of [1, 2, 3]) {
      await api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: {value}, is_final: false}});
    }
    expect((await api.store.range(`~blob/result/${id}/`)).entries).toHaveLength(1);
  });

  test('a request too large for one key names the field', async () => {
    const answer = await api.ask('POST', '/scan', {body: {...SCAN_BODY, nsides: {a: 'x'.repeat(600_000)}}});
    expect(answer.status).toBe(413);
    expect(answer.reason).toMatch(/^'nsides': must be no more than \d+ bytes$/);
    const id = await api.newScan();
    const patched = await api.ask('PATCH', `/scan/${id}/manifest`, {body: {scan_metadata: {a: 'x'.repeat(600_000)}}});
    expect(patched.reason).toMatch(/^'scan_metadata': must be/);
  });
});

describe('several at once', () => {
  test('a partial result never replaces a final one, whichever replica gets it and whenever', async () => {
    for (let round = 0; round < 5; round++) {
      const id = await api.newScan();
      const put = (target: TestApi, name: string, isFinal: boolean): Promise<unknown> =>
        target.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: {name}, is_final: isFinal}});
      await Promise.all([
        put(api, 'p1', false),
        put(other, 'p2', false),
        put(other, 'final', true),
        put(api, 'p3', false),
        put(api, 'p4', false),
        put(other, 'p5', false),
      ]);
      const {body} = await other.ask('GET', `/scan/${id}/result`);
      expect(body).toEqual({scan_id: id, skyscan_result: {name: 'final'}, is_final: true});
    }
  });

  test('metadata is written once, also by two at the same moment', async () => {
    for (let round = 0; round < 5; round++) {
      const id = await api.newScan();
      const patch = (target: TestApi, a: number): Promise<{status: number}> =>
        target.ask('PATCH', `/scan/${id}/manifest`, {body: {scan_metadata: {a}}});
      const statuses = (await Promise.all([patch(api, 1), patch(other, 2), patch(api, 3)])).map(({status}) => status);
      expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 400, 400]);
    }
  });

  test('a write is seen by the next request to another replica', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await api.newScan();
      expect((await other.ask('GET', `/scan/${id}`)).status).toBe(200);
      await other.ask('DELETE', `/scan/${id}`);
      expect((await api.ask('GET', `/scan/${id}`)).status).toBe(404);
    }
  });

  test('the process that created a scan holds it as the others do, who read it', async () => {
    for (const more of [
      {},
      {priority: 5, nsides: {8: 0, 64: 12}, scanner_server_env: {A: 'b', 10: 1, 9: 2}, worker_memory: '12GB', debug_mode: undefined},
    ]) {
      const id = await api.newScan(more);
      const stored = await api.store.get(scanKey(id));
      const {modRevision, value} = must(stored, 'it was created');
      await api.cache.waitFor(modRevision, 5000);
      expect(api.cache.scans.get(id)?.spec?.value).toStrictEqual(parseScanSpec(value.toString(), scanKey(id)));
    }
  });

  test('many requests at once each get their own scan', async () => {
    const before = (await api.store.range('/scan/', {keysOnly: true})).entries.length;
    const {body: event} = await api.ask('POST', '/scan', {body: SCAN_BODY});
    const {event_i3live_json: _, ...body} = SCAN_BODY;
    const answers = await Promise.all(
      Array.from({length: 200}, (_, priority) => api.ask('POST', '/scan', {body: {...body, i3_event_id: event.i3_event_id, priority}})),
    );
    expect(answers.every(({status, body: manifest}, i) => status === 200 && manifest.priority === i)).toBe(true);
    expect(new Set(answers.map((answer) => answer.body.scan_id)).size).toBe(200);
    expect((await api.store.range('/scan/', {keysOnly: true})).entries.length).toBe(before + 201);
  });
});

describe('what an operator puts by hand', () => {
  test('a scan without times, control or id of ours is served like any other', async () => {
    await etcd.etcdctl(['put', '/event/by-hand', '{"json_dict": {"a": 1}}']);
    const request = {reco_algo: 'x', nsides: [['8', 0]], request_clusters: [['foobar', 1]], i3_event_id: 'by-hand'};
    await etcd.etcdctl(['put', '/scan/mine', JSON.stringify({request})]);
    expect((await api.ask('GET', '/scan/mine/manifest')).body).toMatchObject({scan_id: 'mine', timestamp: 0, i3_event_id: 'by-hand'});
    expect((await api.ask('GET', '/scan/mine/i3-event')).body).toEqual({i3_event: {a: 1}});
    expect((await api.ask('DELETE', '/scan/mine')).body.manifest.is_deleted).toBe(true);
    expect((await api.ask('GET', '/scan-request/mine?x=1')).body.nsides).toEqual({'8': 0});
    const again = {...SCAN_BODY, event_i3live_json: {}, i3_event_id: 'by-hand'};
    expect((await api.ask('POST', '/scan', {body: again})).status).toBe(200);
  });

  test('a missing event is told with its id', async () => {
    const id = await api.newScan();
    const eventId = (await api.ask('GET', `/scan/${id}/manifest`)).body.i3_event_id as string;
    await etcd.etcdctl(['del', `/event/${eventId}`]);
    expect(await api.ask('GET', `/scan/${id}/i3-event`)).toMatchObject({status: 404, reason: `No i3 event document found with id '${eventId}'`});
    await api.putServerJob(id, ['t']);
    expect((await api.ask('GET', `/scan/${id}/manifest`, {token: 't'})).reason).toBe(
      `No i3 event document found with id '${eventId}'--if other fields are wanted, re-request using 'projection'`,
    );
    expect((await api.ask('GET', `/scan/${id}/manifest?projection=scan_id`, {token: 't'})).body).toEqual({scan_id: id});
  });

  test('a cluster is known as soon as it is put', async () => {
    await etcd.etcdctl(['put', clusterKey('brand-new'), '{"engine":"process","capacity":1}']);
    expect((await api.ask('POST', '/scan', {body: {...SCAN_BODY, cluster: {'brand-new': 1}}})).status).toBe(200);
  });

  test('values that do not parse are listed by /readyz and hurt no other scan; a report mends its key', async () => {
    const id = await api.newScan();
    const good = await api.newScan();
    await etcd.etcdctl(['put', stateKey(id), '{broken']);
    await etcd.etcdctl(['put', progressKey(id), '[]']);
    await etcd.etcdctl(['put', controlKey(id), '{"desired":"dance"}']);
    await etcd.etcdctl(['put', scanKey('bad'), '{}']);
    expect((await api.ask('GET', `/scan/${good}/manifest`)).status).toBe(200);
    expect((await api.ask('GET', '/scan/bad')).status).toBe(404);
    expect((await api.ask('GET', `/scan/${id}/status`)).body.scan_state).toBe('PENDING__PRESTARTUP');
    expect((await api.ask('POST', '/scans/find', {body: {filter: {scan_id: id}}})).body.manifests).toHaveLength(1);
    const ready = await api.ask('GET', '/readyz');
    expect(ready.status).toBe(200);
    expect(ready.body.bad_keys.map((each: {key: string}) => each.key)).toEqual(
      expect.arrayContaining([stateKey(id), progressKey(id), controlKey(id), scanKey('bad')]),
    );
    expect((await api.ask('PATCH', `/scan/${id}/manifest`, {body: {scan_metadata: {a: 1}}})).body.scan_metadata).toEqual({a: 1});
    expect((await api.ask('DELETE', `/scan/${id}`)).body.manifest.is_deleted).toBe(true);
    await eventually(async () => {
      const keys = (await api.ask('GET', '/readyz')).body.bad_keys.map((each: {key: string}) => each.key);
      return !keys.includes(progressKey(id)) && !keys.includes(controlKey(id)) && keys.includes(stateKey(id));
    });
  });
});

test('a failure of ours is logged once, and its words stay inside', async () => {
  const lines: string[] = [];
  const log = pino({level: 'info'}, new Writable({write: (line, _encoding, done) => (lines.push(String(line)), done())}));
  const commit = (): Promise<never> => Promise.reject(new Error('the inner workings'));
  const broken = await startApi(etcd.endpoint, {}, {log, groupCommit: {commit, sent: {transactions: 0, commits: 0}}});
  try {
    const answer = await broken.ask('POST', '/scan', {body: SCAN_BODY});
    expect(answer).toMatchObject({status: 500, reason: 'Internal Server Error', body: {code: 500, error: 'Internal Server Error'}});
    expect(lines).toHaveLength(1);
    expect(lines[0]).toContain('the inner workings');
  } finally {
    await broken.stop();
  }
});

test('the figures count requests by route, and scans by state', async () => {
  const id = await api.newScan();
  await api.ask('GET', `/scan/${id}/status`);
  const {body, headers} = await api.ask('GET', '/metrics');
  expect(headers.get('content-type')).toContain('text/plain');
  expect(body).toMatch(/^scanplane_scans\{state="PENDING"\} [1-9]/m);
  expect(body).toMatch(/^scanplane_http_requests_total\{route="\/scan\/:id\/status",method="GET",status="200"\} [1-9]/m);
  expect(body).toMatch(/^scanplane_etcd_reachable 1$/m);
  expect(body).toMatch(/^scanplane_group_commits_total [1-9]/m);
  expect(body).toMatch(/^scanplane_group_commit_transactions_total [1-9]/m);
  expect(body).toMatch(/^scanplane_cache_revision [1-9]/m);
  expect(body).not.toContain(id);
});
