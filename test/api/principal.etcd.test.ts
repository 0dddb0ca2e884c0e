import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest';
import {SCAN_BODY, startApi} from './harness.ts';
import type {Answer, TestApi} from './harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';

let etcd: TestEtcd;
let api: TestApi;
let id: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
});
beforeEach(async () => {
  id = await api.newScan();
});

const patch = (token: string | undefined, scanId = id): Promise<Answer> =>
  api.ask('PATCH', `/scan/${scanId}/manifest`, {body: {scan_metadata: {a: 1}}, ...(token === undefined ? {} : {token})});
const put = (token: string): Promise<Answer> => api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: {a: 1}, is_final: false}, token});

test('case 60: the token of the newest try may report', async () => {
  await api.putServerJob(id, ['t1', 't2']);
  expect((await patch('t2')).status).toBe(200);
  expect((await put('t2')).status).toBe(200);
});

test('a scanner gets its event even from a replica that has only just heard of its token', async () => {
  for (let round = 0; round < 20; round++) {
    // No wait in between: the cache may not have the job yet when the request comes.
    await api.putServerJob(id, [`t${round}`]);
    const {body} = await api.ask('GET', `/scan/${id}/manifest`, {token: `t${round}`});
    expect(body.event_i3live_json_dict).toEqual({a: 22});
  }
});

test('the token of an older try is refused everywhere on its scan, since its process has been replaced', async () => {
  await api.putServerJob(id, ['t1', 't2']);
  for (const answer of [await patch('t1'), await put('t1'), await api.ask('GET', `/scan/${id}/status`, {token: 't1'})]) {
    expect(answer).toMatchObject({status: 403, reason: 'authorization failed', body: {code: 403, error: 'authorization failed'}});
  }
  expect(api.cache.scans.get(id)?.progress).toBeUndefined();
});

test('case 60: a token that we never gave, of another scan, or of another scheme reports nothing', async () => {
  const other = await api.newScan();
  await api.putServerJob(other, ['theirs']);
  for (const token of ['junk', 'theirs']) {
    expect(await patch(token)).toMatchObject({status: 403, reason: 'authentication failed'});
  }
  const basic = await api.ask('PATCH', `/scan/${id}/manifest`, {body: {}, headers: {authorization: 'Basic dDE6'}});
  expect(basic).toMatchObject({status: 403, reason: 'authentication failed'});
});

test('the token of a workers job reports nothing', async () => {
  await api.putServerJob(id, ['w1'], {type: 'workers'});
  expect(await patch('w1')).toMatchObject({status: 403, reason: 'authentication failed'});
});

test('a scanner may not do what is a user’s', async () => {
  await api.putServerJob(id, ['t1']);
  expect(await api.ask('DELETE', `/scan/${id}`, {token: 't1'})).toMatchObject({status: 403, reason: 'authorization failed'});
  expect(await api.ask('GET', `/scan/${id}/result`, {token: 't1'})).toMatchObject({status: 403, reason: 'authorization failed'});
});

test('without authentication configured, who says nothing may do what the route’s first role may', async () => {
  expect((await patch(undefined)).status).toBe(200);
  expect((await api.ask('GET', `/scan/${id}/manifest`)).body.event_i3live_json_dict).toBe("use 'i3_event_id'");
  expect((await api.ask('GET', `/scan/${id}`, {token: 'a-users-own'})).status).toBe(200);
});

test('without authentication, the page of another site changes nothing, whatever its browser sends along', async () => {
  const body = JSON.stringify({...SCAN_BODY, debug_mode: undefined});
  const from = (origin: string): Promise<Answer> => api.ask('POST', '/v1/scan', {body, headers: {origin, 'content-type': 'text/plain'}});
  for (const origin of ['http://evil.example', 'null', `${api.url}.evil.example`]) {
    expect((await from(origin)).reason).toBe('authorization failed');
  }
  expect((await from(api.url)).status).toBe(200);
  expect((await api.ask('GET', '/', {headers: {origin: 'http://evil.example'}})).status).toBe(200);
});
