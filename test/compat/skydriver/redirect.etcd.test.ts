import {once} from 'node:events';
import {request} from 'node:http';
import type {IncomingMessage} from 'node:http';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {startApi} from '../../api/harness.ts';
import type {Answer, AskOptions, TestApi} from '../../api/harness.ts';
import {controlKey} from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

let etcd: TestEtcd;
let api: TestApi;
let proxied: TestApi;
let old: string;
let next: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
  proxied = await startApi(etcd.endpoint, {trustProxy: true, publicAddress: 'https://sky.example/driver'});
});
afterAll(async () => {
  await api.stop();
  await proxied.stop();
  await etcd.stop();
});
/** An old scan that has come far, and the one that took its place. */
beforeEach(async () => {
  old = await api.newScan();
  await api.ask('POST', `/scan/${old}/ewms/workflow-id`, {body: {workflow_id: 'W1', ewms_address: 'e'}});
  await api.ask('PUT', `/scan/${old}/result`, {body: {skyscan_result: {a: 1}, is_final: true}});
  next = (await api.ask('POST', `/scan/${old}/actions/rescan`, {body: {replace_scan: true}})).body.scan_id;
});

const ROUTES = ['', '/manifest', '/i3-event', '/result', '/status', '/logs', '/ewms/workflow-id', '/ewms/workforce', '/ewms/taskforces'];

/** Follows redirects as browsers do: a POST or DELETE that meets a 302 becomes a GET. */
async function follow(method: string, path: string, options: AskOptions = {}): Promise<Answer> {
  let [verb, to] = [method, path];
  for (let hop = 0; hop < 5; hop++) {
    const answer = await api.ask(verb, to, options);
    if (![302, 307].includes(answer.status)) return answer;
    if (answer.status === 302) verb = 'GET';
    to = (answer.headers.get('location') ?? '').slice(api.url.length);
  }
  throw new Error('too many redirects');
}

describe('E. replaced scans', () => {
  test.each(ROUTES)('case 30: GET /scan/ID%s of a replaced scan ends at the new one', async (route) => {
    const direct = await api.ask('GET', `/scan/${next}${route}`);
    expect(direct.status).toBe(200);
    expect((await follow('GET', `/scan/${old}${route}`)).body).toEqual(direct.body);
  });

  test.each(ROUTES)('case 31: with no_redirect, GET /scan/ID%s is about the old scan', async (route) => {
    const before = await api.ask('GET', `/scan/${old}${route}?no_redirect=True`);
    const after = await api.ask('GET', `/scan/${next}${route}?no_redirect=True`);
    expect([before.status, after.status]).toEqual([200, 200]);
    expect(after.body).toEqual((await api.ask('GET', `/scan/${next}${route}`)).body);
    // They share the event; and neither has any workers here.
    if (route === '/i3-event' || route === '/ewms/taskforces') expect(before.body).toEqual(after.body);
    else expect(before.body).not.toEqual(after.body);
    if (route === '/manifest') expect(before.body.replaced_by_scan_id).toBe(next);
  });

  test('case 32: the answer is a 302 with the whole address in it, the query kept, and no body', async () => {
    for (const [path, to] of [
      [`/scan/${old}/manifest?projection=scan_id%7Cpriority&x=${old}`, `/scan/${next}/manifest?projection=scan_id%7Cpriority&x=${old}`],
      [`/v2/scan/${old}`, `/v2/scan/${next}`],
    ] as const) {
      const answer = await api.ask('GET', path);
      expect(answer).toMatchObject({status: 302, reason: 'Found', body: ''});
      expect(answer.headers.get('location')).toBe(api.url + to);
      expect(answer.headers.get('content-length')).toBe('0');
    }
  });

  test('case 32: a chain is followed one hop at a time', async () => {
    const last = (await api.ask('POST', `/scan/${next}/actions/rescan`, {body: {replace_scan: true}})).body.scan_id;
    expect((await api.ask('GET', `/scan/${old}`)).headers.get('location')).toBe(`${api.url}/scan/${next}`);
    expect((await follow('GET', `/scan/${old}/manifest`)).body.scan_id).toBe(last);
  });

  test('case 32: only the word true keeps the request where it is, and the query goes before a body', async () => {
    const statusOf = async (query: string, body?: unknown): Promise<number> =>
      (await api.ask('GET', `/scan/${old}${query}`, body === undefined ? {} : {body})).status;
    for (const query of ['?no_redirect=1', '?no_redirect=yes', '?no_redirect', '?no_redirect=false', '?no_redirect=true&no_redirect=no']) {
      expect({query, status: await statusOf(query)}).toEqual({query, status: 302});
    }
    for (const query of ['?no_redirect=true', '?no_redirect=TRUE', '?no_redirect=1&no_redirect=%20true'])
      expect({query, status: await statusOf(query)}).toEqual({query, status: 200});
    expect(await statusOf('', {no_redirect: true})).toBe(200);
    expect(await statusOf('', {no_redirect: false})).toBe(302);
    expect(await statusOf('?no_redirect=no', {no_redirect: true})).toBe(302);
  });

  test('case 32: an unknown scan is not found, before anything is said of the body', async () => {
    for (const [method, path] of [
      ['GET', '/scan/nobody'],
      ['DELETE', '/scan/nobody'],
      ['POST', '/scan/nobody/actions/add-workers'],
    ] as const) {
      expect(await api.ask(method, path, {body: '{'})).toMatchObject({status: 404, reason: 'Not Found'});
    }
  });

  test('case 32: a scanner goes on talking to its own scan', async () => {
    await api.putServerJob(old, ['t1']);
    const answer = await api.ask('GET', `/scan/${old}/manifest`, {token: 't1'});
    expect(answer.body).toMatchObject({scan_id: old, replaced_by_scan_id: next});
    for (const route of ['', '/status', '/i3-event', '/ewms/workflow-id', '/ewms/workforce', '/ewms/taskforces']) {
      const {status} = await api.ask('GET', `/scan/${old}${route}`, {token: 't1'});
      expect({route, status}).toEqual({route, status: 200});
    }
  });

  test('what is not for users of the scan is never redirected', async () => {
    expect((await api.ask('GET', `/scan-request/${old}`)).body.rescan_ids).toEqual([next]);
    const patched = await api.ask('PATCH', `/scan/${old}/manifest`, {body: {scan_metadata: {a: 1}}});
    expect(patched.body).toMatchObject({scan_id: old, scan_metadata: {a: 1}});
    expect((await api.ask('PUT', `/scan/${old}/result`, {body: {skyscan_result: {b: 1}, is_final: true}})).body.scan_id).toBe(old);
    expect((await api.ask('POST', `/scan/${old}/ewms/workflow-id`, {body: {workflow_id: 'W', ewms_address: 'e'}})).status).toBe(404);
  });

  test('a DELETE of a replaced scan is sent on as a DELETE, and deletes the new one', async () => {
    const first = await api.ask('DELETE', `/scan/${old}`, {body: {delete_completed_scan: true}});
    expect(first).toMatchObject({status: 307, reason: 'Temporary Redirect', body: ''});
    const {body} = await follow('DELETE', `/scan/${old}`, {body: {delete_completed_scan: true}});
    expect(body.manifest).toMatchObject({scan_id: next, is_deleted: true});
    expect((await api.ask('GET', `/scan/${old}/manifest?no_redirect=true`)).body.is_deleted).toBe(false);
  });

  test('with no_redirect in its JSON body, a DELETE deletes the old scan itself', async () => {
    const {status, body} = await api.ask('DELETE', `/scan/${old}`, {body: {no_redirect: true, delete_completed_scan: true}});
    expect(status).toBe(200);
    expect(body.manifest).toMatchObject({scan_id: old, is_deleted: true});
    const told = await api.ask('DELETE', `/scan/${old}`, {body: {no_redirect: 'true'}});
    expect(told).toMatchObject({status: 400, reason: "'no_redirect': must be type 'boolean' (bool)"});
  });

  test('a bad body to a replaced scan is redirected, not complained about', async () => {
    for (const body of ['{', '[]', 'null', '{"n_workers": 0}']) {
      const {status} = await api.ask('POST', `/scan/${old}/actions/add-workers`, {body});
      expect({body, status}).toEqual({body, status: 307});
    }
    expect((await api.ask('GET', `/scan/${old}`, {body: 'no json'})).status).toBe(302);
  });

  test('a deleted scan that was replaced is redirected too', async () => {
    await api.ask('DELETE', `/scan/${old}?no_redirect=true`, {body: {delete_completed_scan: true}});
    expect((await api.ask('GET', `/scan/${old}`)).status).toBe(302);
  });

  test('a pointer put by hand that leads nowhere one could go is not followed', async () => {
    for (const target of [old, 'a b\r\nx: y', '']) {
      await api.store.commit({compares: [], ops: [{put: controlKey(old), value: JSON.stringify({replaced_by_scan_id: target})}]});
      const {status} = await api.ask('GET', `/scan/${old}/manifest`);
      expect({target, status}).toEqual({target, status: 200});
    }
  });

  test('a redirect is as fresh as any read: another replica shows it at once', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await api.newScan();
      const {body} = await api.ask('POST', `/scan/${id}/actions/rescan`, {body: {replace_scan: true}});
      const answer = await proxied.ask('GET', `/scan/${id}`);
      expect(answer.headers.get('location')).toBe(`${proxied.url}/scan/${body.scan_id}`);
    }
  });
});

describe('the address in a redirect', () => {
  const locationFrom = async (of: TestApi, headers: Record<string, string>): Promise<string | null> =>
    (await of.ask('GET', `/scan/${old}/status`, {headers})).headers.get('location');

  test('is the one that the client used', async () => {
    expect(await locationFrom(api, {host: 'sky.example:8080'})).toBe(`http://sky.example:8080/scan/${next}/status`);
  });

  test('has the scheme and the prefix of the public address, where its host was asked', async () => {
    expect(await locationFrom(proxied, {host: 'sky.example'})).toBe(`https://sky.example/driver/scan/${next}/status`);
  });

  test('believes a proxy only where that is configured', async () => {
    const headers = {host: 'inner:80', 'x-forwarded-proto': 'https', 'x-forwarded-host': 'outer.example, inner'};
    expect(await locationFrom(api, headers)).toBe(`http://inner:80/scan/${next}/status`);
    expect(await locationFrom(proxied, headers)).toBe(`https://outer.example/scan/${next}/status`);
  });

  test('is the public one when the client’s is none, so that nothing else gets into it', async () => {
    for (const host of ['a/b', 'evil"onload', 'x?y']) {
      expect({host, to: await locationFrom(api, {host})}).toEqual({host, to: `http://api.example/scan/${next}/status`});
    }
  });

  test('is made from the path alone, however the request line names the host', async () => {
    for (const before of ['http://other.example', 'HTTP://other.example:1', 'ftp://other.example', 'http://']) {
      const target = `${before}/v2/scan/${old}/status?a=/scan/b`;
      const answer = await rawGet(target);
      expect({target, ...answer}).toEqual({target, status: 302, location: `http://sky.example/v2/scan/${next}/status?a=/scan/b`});
    }
  });
});

/** A GET whose request line says `target` as it is. */
async function rawGet(target: string): Promise<{readonly status: number | undefined; readonly location: string | undefined}> {
  const {hostname, port} = new URL(api.url);
  const outgoing = request({hostname, port, path: target, headers: {host: 'sky.example'}}).end();
  const [incoming] = (await once(outgoing, 'response')) as [IncomingMessage];
  incoming.resume();
  return {status: incoming.statusCode, location: incoming.headers.location};
}
