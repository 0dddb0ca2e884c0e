import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {controlKey, scanKey} from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

let etcd: TestEtcd;
let api: TestApi;
let original: Answer['body'];
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
  original = (await api.ask('POST', '/scan', {body: SCAN_BODY})).body;
  id = original.scan_id;
});

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

const rescan = (of: string, body?: unknown, query = ''): Promise<Answer> =>
  api.ask('POST', `/scan/${of}/actions/rescan${query}`, body === undefined ? {} : {body});
const manifestOf = async (of: string): Promise<Answer['body']> =>
  (await api.ask('GET', `/scan/${of}/manifest?include_deleted=true&no_redirect=true`)).body;
const waits = async (of: string): Promise<boolean> =>
  (await api.ask('GET', '/scans/backlog')).body.entries.some((each: {scan_id: string}) => each.scan_id === of);
const rescansOf = async (of: string): Promise<string[]> => (await api.ask('GET', `/scan-request/${of}`)).body.rescan_ids;
/** Everything of all scans, with its revisions: what a refused request must leave alone. */
const everything = async (): Promise<unknown> => (await api.store.range('/')).entries.map(({key, modRevision}) => [key, modRevision]);

describe('E. rescans', () => {
  test('case 29: a finished, deleted scan is run again, through its whole life', async () => {
    const put = {skyscan_result: {alpha: 1}, is_final: true};
    await api.ask('PUT', `/scan/${id}/result`, {body: put});
    await api.ask('DELETE', `/scan/${id}`, {body: {delete_completed_scan: true}});
    const {status, body: again} = await rescan(id, {});
    expect(status).toBe(200);
    expect(again).toEqual({
      ...original,
      scan_id: expect.stringMatching(/^[0-9a-f]{11}x[0-9a-f]{20}$/),
      timestamp: expect.any(Number),
      last_updated: expect.any(Number),
      classifiers: {...SCAN_BODY.classifiers, rescan: true, origin_scan_id: id},
    });
    expect(again.scan_id).not.toBe(id);
    expect(again.timestamp).toBeGreaterThan(original.timestamp);
    expect(again.last_updated).toBeGreaterThan(again.timestamp);

    const path = `/scan/${again.scan_id}`;
    expect((await api.ask('GET', `${path}/result`)).body).toEqual({});
    expect((await api.ask('GET', path)).body).toEqual({manifest: again, result: {}});
    expect((await api.ask('GET', `${path}/status`)).body.scan_state).toBe('PENDING__PRESTARTUP');
    expect(await waits(again.scan_id)).toBe(true);
    const workflow = await api.ask('POST', `${path}/ewms/workflow-id`, {body: {workflow_id: 'W2', ewms_address: 'e'}});
    expect(workflow.body).toMatchObject({ewms_workflow_id: 'W2'});
    expect((await api.ask('PATCH', `${path}/manifest`, {body: {scan_metadata: {a: 1}}})).body.scan_metadata).toEqual({a: 1});
    expect((await api.ask('PUT', `${path}/result`, {body: put})).body).toEqual({scan_id: again.scan_id, ...put});
    expect((await api.ask('GET', `${path}/status`)).body.scan_state).toBe('SCAN_HAS_FINAL_RESULT');
    const removed = await api.ask('DELETE', path, {body: {delete_completed_scan: true}});
    expect(removed.body.manifest).toMatchObject({scan_id: again.scan_id, is_deleted: true});
    expect(await rescansOf(id)).toEqual([again.scan_id]);
  });

  test('a body may be missing; by default the scan stays as it is', async () => {
    const before = await manifestOf(id);
    const {status, body} = await rescan(id);
    expect(status).toBe(200);
    expect(body.classifiers.origin_scan_id).toBe(id);
    expect(await manifestOf(id)).toEqual(before);
    expect(before).toMatchObject({is_deleted: false, replaced_by_scan_id: null});
  });

  test('case 33: a rescan of a rescan shares the request, and names the one in between as its origin', async () => {
    const first = (await rescan(id)).body.scan_id;
    const second = (await rescan(first)).body;
    expect(second.classifiers).toEqual({...SCAN_BODY.classifiers, rescan: true, origin_scan_id: first});
    expect(await rescansOf(id)).toEqual([first, second.scan_id]);
    for (const each of [first, second.scan_id]) {
      expect(refusal(await api.ask('GET', `/scan-request/${each}`))).toBe('404 Scan request not found');
    }
  });

  test('abort_first deletes and stops the scan, with a final result too, in the same transaction as the new one', async () => {
    await api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: {alpha: 1}, is_final: true}});
    const {body} = await rescan(id, {abort_first: true});
    expect(await manifestOf(id)).toMatchObject({is_deleted: true, replaced_by_scan_id: null});
    const [made, control] = await Promise.all([api.store.get(scanKey(body.scan_id)), api.store.get(controlKey(id))]);
    expect(control?.modRevision).toBe(made?.createRevision);
    expect(JSON.parse(control?.value.toString() ?? '')).toMatchObject({desired: 'stop', is_deleted: true});
  });

  test('a second replace_scan overwrites the pointer; last_updated stays', async () => {
    const {last_updated} = await manifestOf(id);
    for (let round = 0; round < 2; round++) {
      const {body} = await rescan(id, {replace_scan: true}, '?no_redirect=true');
      expect(await manifestOf(id)).toMatchObject({replaced_by_scan_id: body.scan_id, last_updated, is_deleted: false});
    }
    expect(await rescansOf(id)).toHaveLength(2);
  });

  test('the root may be deleted and replaced; only when its key is gone can nothing be run again', async () => {
    const first = (await rescan(id, {abort_first: true, replace_scan: true})).body.scan_id;
    expect((await rescan(first)).status).toBe(200);
    await api.store.commit({compares: [], ops: [{delete: scanKey(id)}]});
    expect(refusal(await rescan(first))).toBe('404 Not Found');
  });

  test('the manifest of the new scan is projected as asked', async () => {
    expect((await rescan(id, {manifest_projection: ['is_deleted', 'priority', 'nope']})).body).toEqual({is_deleted: false, priority: 0});
  });

  test('a scanner may ask for the rescan of its own scan, and is told of a bad body before anything is written', async () => {
    await api.putServerJob(id, ['t1']);
    const answer = await api.ask('POST', `/scan/${id}/actions/rescan`, {body: {replace_scan: true}, token: 't1'});
    expect(answer.status).toBe(200);
    // Never redirected: its scan is replaced by now.
    const again = await api.ask('POST', `/scan/${id}/actions/rescan`, {body: {abort_first: 'yes'}, token: 't1'});
    expect(refusal(again)).toBe("400 'abort_first': must be type 'boolean' (bool)");
  });

  test.each([
    [{abort_first: 1}, "400 'abort_first': must be type 'boolean' (bool)"],
    [{replace_scan: 'true'}, "400 'replace_scan': must be type 'boolean' (bool)"],
    [{manifest_projection: 'scan_id|priority'}, "400 'manifest_projection': must match one of the accepted types"],
    [{foo: 1}, "400 Additional properties are not allowed ('foo' was unexpected)"],
    [[], "400 must be type 'object' (dict)"],
  ])('the body %j is refused, and nothing is written', async (body, told) => {
    const before = await everything();
    expect(refusal(await rescan(id, body))).toBe(told);
    expect(await everything()).toEqual(before);
  });

  test('an unknown scan is not found, whatever is asked of it, and leaves no trace', async () => {
    const before = await everything();
    for (const body of [{}, {abort_first: true}, {replace_scan: true, abort_first: true}, {foo: 1}]) {
      expect(refusal(await rescan('0123456789a', body))).toBe('404 Not Found');
    }
    expect(refusal(await api.ask('DELETE', '/scan/0123456789a?no_redirect=true'))).toBe('404 Not Found');
    expect(await everything()).toEqual(before);
  });

  test('of many rescans at once that replace the scan, each is made, and the pointer is to one of them', async () => {
    const answers = await Promise.all(Array.from({length: 6}, () => rescan(id, {replace_scan: true}, '?no_redirect=true')));
    expect(answers.map(({status}) => status)).toEqual(Array.from({length: 6}, () => 200));
    const ids: string[] = answers.map(({body}) => body.scan_id);
    expect(new Set(await rescansOf(id))).toEqual(new Set(ids));
    expect(ids).toContain((await manifestOf(id)).replaced_by_scan_id);
  });
});

describe('F. copies of a request', () => {
  test('case 34: a request that is sent again with its event’s id makes another scan of the same event', async () => {
    const {scan_id: _, rescan_ids: __, ...request} = (await api.ask('GET', `/scan-request/${id}`)).body;
    const {status, body} = await api.ask('POST', '/scan', {body: {...request, reco_algo: 'another'}});
    expect(status).toBe(200);
    expect(body.scan_id).not.toBe(id);
    expect(body.i3_event_id).toBe(original.i3_event_id);
    expect((await api.ask('GET', `/scan-request/${body.scan_id}`)).body).toEqual({
      ...request,
      reco_algo: 'another',
      scan_id: body.scan_id,
      rescan_ids: [],
    });
  });

  test('case 35 and 36: what a request shows of its scans cannot be sent', async () => {
    const {body: request} = await api.ask('GET', `/scan-request/${id}`);
    const {rescan_ids: _, ...withoutRescans} = request;
    const one = await api.ask('POST', '/scan', {body: withoutRescans});
    expect(refusal(one)).toBe("400 Additional properties are not allowed ('scan_id' was unexpected)");
    const both = await api.ask('POST', '/scan', {body: request});
    expect(refusal(both)).toMatch(/^400 Additional properties are not allowed \('rescan_ids', 'scan_id' were unexpected\)/);
  });
});
