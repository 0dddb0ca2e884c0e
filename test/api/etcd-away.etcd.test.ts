import {afterAll, beforeAll, expect, test} from 'vitest';
import {SCAN_BODY, startApi} from './harness.ts';
import type {Answer, TestApi} from './harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TcpProxy} from '../support/tcp-proxy.ts';

let etcd: TestEtcd;
let proxy: TcpProxy;
let api: TestApi;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  proxy = await TcpProxy.start(etcd.endpoint);
  api = await startApi(proxy.endpoint);
});
afterAll(async () => {
  await api.stop();
  await proxy.stop();
  await etcd.stop();
});

test('with etcd away, reads are answered from the cache with its age, writes are refused at once, and all of it ends by itself', async () => {
  const id = await api.newScan();
  const before = (await api.ask('GET', `/scan/${id}/manifest`)).body;
  await etcd.kill();
  // The first to notice may have to wait for a deadline.
  await eventually(async () => {
    await api.ask('GET', `/scan/${id}/manifest`);
    return (await api.ask('GET', '/readyz')).status === 503;
  });

  const startedAt = performance.now();
  const read = await api.ask('GET', `/scan/${id}/manifest`);
  expect(read).toMatchObject({status: 200, body: before});
  expect(Number(read.headers.get('x-scanplane-cache-age-seconds'))).toBeGreaterThan(0);
  expect(read.headers.get('warning')).toBe('110 - "etcd is away"');
  expect((await api.ask('POST', '/scans/find', {body: {filter: {scan_id: id}}})).body.manifests).toHaveLength(1);
  expect((await api.ask('GET', `/scan/${id}/status`)).status).toBe(200);
  for (const [method, path, body] of [
    ['POST', '/scan', SCAN_BODY],
    ['PATCH', `/scan/${id}/manifest`, {scan_metadata: {a: 1}}],
    ['PUT', `/scan/${id}/result`, {skyscan_result: {a: 1}, is_final: true}],
    ['DELETE', `/scan/${id}`, {}],
  ] as const) {
    const refused = await api.ask(method, path, {body});
    expect(refused, `${method} ${path}`).toMatchObject({status: 503, reason: 'Service Unavailable'});
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  }
  expect(performance.now() - startedAt).toBeLessThan(1500);
  expect((await api.ask('GET', '/livez')).status).toBe(200);
  expect((await api.ask('GET', '/readyz')).body).toMatchObject({checks: {cache: true, etcd: false}});
  // What is wrong with the request is still told first.
  expect((await api.ask('POST', '/scan', {body: {}})).status).toBe(400);

  await etcd.restart();
  const created = await eventually(
    async () => {
      const answer = await api.ask('POST', '/scan', {body: SCAN_BODY});
      expect(answer.status).toBe(200);
      return answer.body;
    },
    {timeoutMs: 15_000},
  );
  const again = await eventually(
    async () => {
      const answer = await api.ask('GET', `/scan/${created.scan_id}/manifest`);
      expect(answer).toMatchObject({status: 200, body: created});
      return answer;
    },
    {timeoutMs: 15_000},
  );
  expect(again.headers.get('warning')).toBeNull();
  expect((await api.ask('GET', '/readyz')).status).toBe(200);
});

/** How many scans wait, asked past the proxy. */
const waiting = async (): Promise<number> =>
  (await etcd.etcdctl(['get', '--prefix', '/backlog/', '--keys-only'])).split('\n').filter((key) => key !== '').length;

test('a creation whose reply is lost is found again, and answered as the success it was', async () => {
  await eventually(async () => (await api.ask('GET', '/readyz')).status === 200);
  const {i3_event_id} = (await api.ask('POST', '/scan', {body: SCAN_BODY})).body;
  const before = await waiting();
  const {event_i3live_json: _, ...body} = SCAN_BODY;
  let answer: Promise<{status: number; body: Answer['body']}> | undefined;
  await proxy.loseReplies(async () => {
    answer = api.ask('POST', '/scan', {body: {...body, i3_event_id}});
    await eventually(async () => (await waiting()) > before);
  });
  const {status, body: manifest} = await (answer as NonNullable<typeof answer>);
  expect(status).toBe(200);
  expect((await etcd.etcdctl(['get', `/scan/${manifest.scan_id}`, '--keys-only'])).trim()).toBe(`/scan/${manifest.scan_id}`);
});
