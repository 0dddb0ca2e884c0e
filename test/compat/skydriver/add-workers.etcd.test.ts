import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {admissionKey, controlKey, ewmsKey, stateKey} from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

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

const put = (key: string, value: unknown): Promise<unknown> => api.store.commit({compares: [], ops: [{put: key, value: JSON.stringify(value)}]});
const admit = (): Promise<unknown> => put(admissionKey(id), {slots: {foobar: 1}});
const add = (body?: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
  api.ask('POST', `/scan/${id}/actions/add-workers`, body === undefined ? {headers} : {body, headers});
const GOOD = {n_workers: 2, cluster_location: 'cloud'};
const control = async (): Promise<Record<string, unknown>> => JSON.parse((await api.store.get(controlKey(id)))?.value.toString() ?? '{}');
const extraWorkers = async (): Promise<unknown> => (await control())['extra_workers'] ?? [];

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

describe('K. add-workers', () => {
  test.each([
    [{}, "400 'n_workers' is a required property; 'cluster_location' is a required property"],
    [{...GOOD, n_workers: 0}, "400 'n_workers': must be at least 1"],
    [{...GOOD, n_workers: '2'}, "400 'n_workers': must be type 'integer' (int)"],
    [{...GOOD, n_workers: true}, "400 'n_workers': must be type 'integer' (int)"],
    [{...GOOD, n_workers: 1.5}, "400 'n_workers': must be type 'integer' (int)"],
    [
      {...GOOD, cluster_location: ''},
      "400 'cluster_location': must be at least 1 characters long; 'cluster_location': must match the pattern '\\\\S'",
    ],
    [{...GOOD, cluster_location: ' \t'}, "400 'cluster_location': must match the pattern '\\\\S'"],
    [{...GOOD, foo: 1}, "400 Additional properties are not allowed ('foo' was unexpected)"],
    [undefined, '400 Missing required request body'],
  ])('case 64: the body %j is refused', async (body, told) => {
    await admit();
    expect(refusal(await add(body))).toBe(told);
    expect(await extraWorkers()).toEqual([]);
  });

  test('case 64: what state the scan is in is told in this order: deleted, not started, finished', async () => {
    const notAssigned = '422 an EWMS workflow has not been assigned--cannot add workers';
    const hasResult = '422 this scan has a final result--cannot add workers';
    const isDeleted = '422 this scan has been deleted--cannot add workers';
    expect(refusal(await add(GOOD))).toBe(notAssigned);
    await api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: {a: 1}, is_final: true}});
    expect(refusal(await add(GOOD))).toBe(notAssigned);
    await admit();
    expect(refusal(await add(GOOD))).toBe(hasResult);
    await api.ask('DELETE', `/scan/${id}`, {body: {delete_completed_scan: true}});
    expect(refusal(await add(GOOD))).toBe(isDeleted);
    await api.store.commit({compares: [], ops: [{delete: admissionKey(id)}]});
    expect(refusal(await add(GOOD))).toBe(isDeleted);
    expect(await extraWorkers()).toEqual([]);
  });

  test('a scan that was stopped or has failed takes none', async () => {
    await admit();
    await put(controlKey(id), {desired: 'stop'});
    expect(refusal(await add(GOOD))).toBe('422 this scan has ended--cannot add workers');
    await put(controlKey(id), {});
    await put(stateKey(id), {name: 'FAIL', started_at: '2026-01-01T00:00:00.000Z'});
    expect(refusal(await add(GOOD))).toBe('422 this scan has ended--cannot add workers');
  });

  test('case 64: a good request is answered with the two fields, and kept for the scheduler', async () => {
    await admit();
    const before = (await api.ask('GET', `/scan/${id}/manifest`)).body;
    const first = await add(GOOD);
    expect(first.status).toBe(200);
    expect(first.body).toEqual({taskforce_uuid: expect.stringMatching(/^[0-9a-f]{32}$/), n_workers: 2});
    const second = await add({n_workers: 1, cluster_location: 'foobar', no_redirect: true});
    expect(await extraWorkers()).toEqual([
      {id: first.body.taskforce_uuid, cluster: 'cloud', count: 2},
      {id: second.body.taskforce_uuid, cluster: 'foobar', count: 1},
    ]);
    expect((await api.ask('GET', `/scan/${id}/manifest`)).body).toEqual(before);
  });

  test('an unknown cluster is named, and the known ones', async () => {
    await admit();
    const told = '400 requested unknown cluster: nope (available: a-schedd, cloud, foobar)';
    expect(refusal(await add({...GOOD, cluster_location: 'nope'}))).toBe(told);
    expect(await extraWorkers()).toEqual([]);
  });

  test('case 64: where an outside workload manager runs the workers, we cannot add any', async () => {
    await put(ewmsKey(id), {workflow_id: 'W1', ewms_address: 'ewms.foo.aq'});
    expect(refusal(await add(GOOD))).toBe('500 failed to request additional workers on EWMS--contact admins');
    expect(await extraWorkers()).toEqual([]);
  });

  test('requests at once are all kept', async () => {
    await admit();
    const answers = await Promise.all(Array.from({length: 6}, () => add(GOOD)));
    expect(answers.map(({status}) => status)).toEqual(Array.from({length: 6}, () => 200));
    expect(await extraWorkers()).toHaveLength(6);
  });

  test('a request that is repeated under its Idempotency-Key adds nothing more, and is answered alike', async () => {
    await admit();
    const headers = {'idempotency-key': 'k1'};
    const first = await add(GOOD, headers);
    expect((await add(GOOD, headers)).body).toEqual(first.body);
    expect(await extraWorkers()).toHaveLength(1);
    const other = await add({...GOOD, n_workers: 3}, headers);
    expect(refusal(other)).toBe('422 this Idempotency-Key was used for a request with another body');
    expect((await add(GOOD, {'idempotency-key': 'k2'})).body.taskforce_uuid).not.toBe(first.body.taskforce_uuid);
  });

  test('a request that is repeated after its scan was replaced is answered alike, and not sent on to the new scan', async () => {
    await admit();
    const headers = {'idempotency-key': 'k1'};
    const first = await add(GOOD, headers);
    expect((await api.ask('POST', `/scan/${id}/actions/rescan`, {body: {replace_scan: true}})).status).toBe(200);
    const again = await add(GOOD, headers);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect((await add(GOOD, {'idempotency-key': 'k2'})).status).toBe(307);
  });

  test('an unknown scan is not found', async () => {
    expect(refusal(await api.ask('POST', '/scan/nobody/actions/add-workers', {body: GOOD}))).toBe('404 Not Found');
  });
});
