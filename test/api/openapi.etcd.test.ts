import {afterAll, beforeAll, expect, test} from 'vitest';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {startApi} from './harness.ts';
import type {TestApi} from './harness.ts';

let etcd: TestEtcd;
let api: TestApi;

beforeAll(async () => {
  etcd = await startEtcd();
  api = await startApi(etcd.endpoint);
});

afterAll(async () => {
  await api?.stop();
  await etcd?.stop();
});

test('anybody gets the document, and each of its routes is there', async () => {
  const {status, body} = await api.ask('GET', '/openapi.json', {token: 'of nobody'});
  expect(status).toBe(200);
  expect(body.openapi).toBe('3.1.1');
  expect(body.servers).toEqual([{url: 'http://api.example/v2'}]);
  for (const [path, methods] of Object.entries(body.paths as Record<string, object>)) {
    const known = await api.ask('OPTIONS', path.replace(/\{\w+\}/, 'x'));
    const allowed = (known.headers.get('allow') ?? '').toLowerCase().split(', ').toSorted();
    expect({path, status: known.status, allowed}).toEqual({path, status: 405, allowed: Object.keys(methods).toSorted()});
  }
});

test('anybody gets the page, which may load nothing', async () => {
  const {status, headers, body} = await api.ask('GET', '/docs');
  expect(status).toBe(200);
  expect(headers.get('content-type')).toBe('text/html; charset=UTF-8');
  expect(headers.get('content-security-policy')).toContain("default-src 'none'");
  expect(body).toContain('/scan/{id}/manifest');
  expect((await api.ask('GET', '/v2/docs')).body).toBe(body);
});
