import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {admissionKey} from '../../../src/schema/keys.ts';
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

const EVENT_METADATA = {run_id: 456, event_id: 123, event_type: 'groovy', mjd: 9876543.21, is_real_event: true};
const RESULT = {alpha: 1, beta: -2};
const PROGRESS = {
  summary: 's',
  epilogue: 'e',
  tallies: {edgar: 1, tombo: 2},
  processing_stats: {start: {the_beginning: 0.01}, runtime: {from_the_beginning: 12}, rate: {'hanks/hour': 1.5}},
  predictive_scanning_threshold: 1.0,
  last_updated: 'now!',
  start: 123,
  end: 456,
};

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

const get = (path: string): Promise<Answer> => api.ask('GET', `/scan/${id}${path}`);
const manifest = async (): Promise<Answer['body']> => (await get('/manifest')).body;
const patch = (body: unknown): Promise<Answer> => api.ask('PATCH', `/scan/${id}/manifest`, {body});
const put = (result: unknown, isFinal: unknown): Promise<Answer> =>
  api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: result, is_final: isFinal}});
const find = async (filter: unknown, more: Record<string, unknown> = {}): Promise<string[]> => {
  const {body} = await api.ask('POST', '/scans/find', {body: {filter, ...more}});
  return body.manifests.map((each: {scan_id: string}) => each.scan_id);
};
const remove = (body?: unknown): Promise<Answer> => api.ask('DELETE', `/scan/${id}`, body === undefined ? {} : {body});

describe('B. the workflow id', () => {
  test('case 9 and 10: it is set once, and shown', async () => {
    expect((await get('/ewms/workflow-id')).body).toEqual({
      workflow_id: 'not-yet-requested',
      requested_ewms_workflow: false,
      eligible_for_ewms: true,
      ewms_address: null,
    });
    const body = {workflow_id: 'W1', ewms_address: 'ewms.foo.aq'};
    const posted = await api.ask('POST', `/scan/${id}/ewms/workflow-id`, {body});
    expect(posted.body).toMatchObject({ewms_workflow_id: 'W1', ewms_address: 'ewms.foo.aq'});
    expect(await manifest()).toEqual(posted.body);
    expect((await get('/ewms/workflow-id')).body).toEqual({
      workflow_id: 'W1',
      requested_ewms_workflow: true,
      eligible_for_ewms: true,
      ewms_address: 'ewms.foo.aq',
    });
    expect(await find({ewms_workflow_id: 'W1'})).toEqual([id]);
  });

  test('case 11: a second time, and for a deleted scan, it is not found; bad bodies are named', async () => {
    const post = (body: unknown): Promise<Answer> => api.ask('POST', `/scan/${id}/ewms/workflow-id`, {body});
    const body = {workflow_id: 'W', ewms_address: 'a'};
    expect(refusal(await post({}))).toBe("400 'workflow_id' is a required property; 'ewms_address' is a required property");
    expect(refusal(await post({...body, workflow_id: ''}))).toBe(
      "400 'workflow_id': must be at least 1 characters long; 'workflow_id': must match the pattern '\\\\S'",
    );
    expect((await post(body)).status).toBe(200);
    expect(refusal(await post(body))).toBe('404 Not Found');
    id = await api.newScan();
    await remove();
    expect(refusal(await post(body))).toBe('404 Not Found');
  });

  test('a scan that our own engines have been given shows itself as its workflow, and takes no other', async () => {
    const admission = '{"attempt":1,"slots":{"foobar":1},"admitted_at":""}';
    await api.store.commit({compares: [], ops: [{put: admissionKey(id), value: admission}]});
    expect((await manifest()).ewms_workflow_id).toBe(id);
    expect(await find({ewms_workflow_id: id})).toEqual([id]);
    const body = {workflow_id: 'W', ewms_address: 'a'};
    expect((await api.ask('POST', `/scan/${id}/ewms/workflow-id`, {body})).status).toBe(404);
  });
});

describe('C. the scanner reports', () => {
  test('case 12: event metadata', async () => {
    const before = await manifest();
    const {body} = await patch({event_metadata: EVENT_METADATA});
    expect(body).toEqual({...before, event_metadata: EVENT_METADATA, last_updated: expect.any(Number)});
    expect(body.last_updated).toBeGreaterThan(before.last_updated);
    expect(await manifest()).toEqual(body);
  });

  test('case 13: a scan is found by the event it reported', async () => {
    const metadata = {...EVENT_METADATA, run_id: Number.parseInt(id.slice(-6), 16)};
    await patch({event_metadata: metadata});
    const filter = {
      'event_metadata.run_id': metadata.run_id,
      'event_metadata.event_id': 123,
      'event_metadata.is_real_event': true,
    };
    expect(await find(filter)).toEqual([id]);
    expect(await find(filter, {include_deleted: false})).toEqual([id]);
    expect(await find({...filter, is_deleted: false})).toEqual([id]);
    expect(await find({...filter, 'event_metadata.is_real_event': false})).toEqual([]);
  });

  test('case 14: progress replaces progress; what is left out is filled in', async () => {
    for (let i = 0; i < 10; i++) {
      const progress = {...PROGRESS, tallies: {edgar: i, tombo: 2 * i}};
      const {status, body} = await patch({progress, ...(i % 2 === 0 ? {scan_metadata: {scan_id: id, foo: 'bar'}} : {})});
      expect(status).toBe(200);
      expect(body.progress).toEqual({
        ...progress,
        processing_stats: {...progress.processing_stats, end: '', finished: false, predictions: {}},
      });
      expect(body.scan_metadata).toEqual({scan_id: id, foo: 'bar'});
    }
  });

  test('case 15: a result is stored and replaced, and the manifest stays as it is', async () => {
    const before = await manifest();
    const expected = {scan_id: id, skyscan_result: RESULT, is_final: false};
    expect((await put(RESULT, false)).body).toEqual(expected);
    expect(await manifest()).toEqual(before);
    expect((await get('/result')).body).toEqual(expected);
    expect((await get('')).body).toEqual({manifest: before, result: expected});
    await put({gamma: 3}, false);
    expect((await get('/result')).body.skyscan_result).toEqual({gamma: 3});
  });

  test('case 16: the scan is complete once its final result is in', async () => {
    expect((await get('/status')).body).toMatchObject({scan_complete: false, scan_state: 'PENDING__PRESTARTUP'});
    await put(RESULT, true);
    expect((await get('/status')).body).toEqual({
      scan_state: 'SCAN_HAS_FINAL_RESULT',
      is_deleted: false,
      ewms_deactivated: null,
      scan_complete: true,
      scanner_server_logs: {url: expect.stringContaining(id)},
      ewms_workforce: {workflow_id: 'not-yet-requested', statuses: {}, n_running: 0, top_errors: {}},
    });
  });

  test('case 17: an empty result has no effect, final or not', async () => {
    expect((await put({}, true)).body).toEqual({});
    expect((await put({}, false)).body).toEqual({});
    expect((await get('/result')).body).toEqual({});
    expect((await get('/status')).body.scan_complete).toBe(false);
  });

  test('case 18, mended: a partial result never replaces a final one, and an unknown scan is not found', async () => {
    await put(RESULT, true);
    const late = await put({late: true}, false);
    expect(late.status).toBe(200);
    expect(late.body).toEqual({scan_id: id, skyscan_result: RESULT, is_final: true});
    expect((await get('/result')).body).toEqual(late.body);
    expect((await get('/status')).body.scan_complete).toBe(true);
    expect((await put({better: true}, true)).body).toEqual({scan_id: id, skyscan_result: {better: true}, is_final: true});
    const unknown = await api.ask('PUT', '/scan/0123/result', {body: {skyscan_result: RESULT, is_final: true}});
    expect(refusal(unknown)).toBe('404 Not Found');
  });

  test('case 19: reports that say nothing are accepted, wrong ones are named', async () => {
    const before = await manifest();
    for (const body of [{}, {progress: null, event_metadata: null}, {scan_metadata: {}}]) expect((await patch(body)).body).toEqual(before);
    expect(refusal(await patch({scan_metadata: null}))).toBe("400 'scan_metadata': must be type 'object' (dict)");
    expect(refusal(await patch({progress: {}}))).toBe("400 'progress': must match one of the accepted types");
    expect(refusal(await patch({foo: 1}))).toBe("400 Additional properties are not allowed ('foo' was unexpected)");
    expect(refusal(await api.ask('PATCH', `/scan/${id}/manifest`))).toBe('400 Missing required request body');
  });

  test('case 20: unknown members of a report are dropped; start and end may be absent; an event needs a type', async () => {
    const {start: _s, end: _e, ...short} = PROGRESS;
    const {body} = await patch({progress: {...short, extra: 1}, event_metadata: {...EVENT_METADATA, version: 1}});
    expect(body.progress).toMatchObject({start: null, end: null});
    expect(body.progress).not.toHaveProperty('extra');
    expect(body.event_metadata).toEqual(EVENT_METADATA);
    expect((await patch({event_metadata: {...EVENT_METADATA, version: 2}})).status).toBe(200);
    expect(refusal(await patch({event_metadata: {...EVENT_METADATA, event_type: null}}))).toBe(
      "400 'event_metadata': must match one of the accepted types",
    );
  });

  test('case 21: a scanner gets the event with its manifest, a user never', async () => {
    await api.putServerJob(id, ['t1']);
    const asScanner = async (path: string): Promise<Answer['body']> => (await api.ask('GET', `/scan/${id}${path}`, {token: 't1'})).body;
    const plain = await manifest();
    expect(plain.event_i3live_json_dict).toBe("use 'i3_event_id'");
    expect(await asScanner('/manifest')).toEqual({...plain, event_i3live_json_dict: SCAN_BODY.event_i3live_json});
    expect(await asScanner('/manifest?projection=event_i3live_json_dict|i3_event_id')).toEqual({
      i3_event_id: plain.i3_event_id,
      event_i3live_json_dict: SCAN_BODY.event_i3live_json,
    });
    expect(await asScanner('/manifest?projection=scan_id')).toEqual({scan_id: id});
    expect((await asScanner('')).manifest).toEqual(plain);
  });

  test('case 44: metadata is written once, and a change stores nothing of its request', async () => {
    await patch({event_metadata: EVENT_METADATA, scan_metadata: {a: 1}});
    const before = await manifest();
    expect(refusal(await patch({progress: PROGRESS, event_metadata: {...EVENT_METADATA, run_id: 1}}))).toBe(
      '400 Cannot change an existing event_metadata',
    );
    expect(refusal(await patch({progress: PROGRESS, scan_metadata: {a: 2}}))).toBe('400 Cannot change an existing scan_metadata');
    expect(await manifest()).toEqual(before);
    expect((await patch({event_metadata: EVENT_METADATA, scan_metadata: {a: 1}})).status).toBe(200);
  });

  test('case 45: progress must have its form', async () => {
    for (const progress of ['Done', ['a', 'b', 'c']]) {
      expect(refusal(await patch({progress}))).toBe("400 'progress': must match one of the accepted types");
    }
  });

  test('case 46: a result must have its form', async () => {
    const send = async (body: unknown): Promise<string> => refusal(await api.ask('PUT', `/scan/${id}/result`, {body}));
    expect(await send({})).toBe("400 'skyscan_result' is a required property; 'is_final' is a required property");
    for (const bad of ['Done', ['a']]) expect(refusal(await put(bad, true))).toBe("400 'skyscan_result': must be type 'object' (dict)");
    for (const bad of [1, 'true', null]) expect(refusal(await put(RESULT, bad))).toBe("400 'is_final': must be type 'boolean' (bool)");
    expect(await send({skyscan_result: RESULT, is_final: true, x: 1})).toBe("400 Additional properties are not allowed ('x' was unexpected)");
    expect(await send('[]')).toBe("400 must be type 'object' (dict)");
    expect(await send('{"skyscan_result": {"a": 1}, "is_final": NaN}')).toContain('400 Request body validation error: Failed to deserialize');
    expect((await get('/result')).body).toEqual({});
  });

  test('a result comes back as it was sent, digit by digit', async () => {
    const result = '{"nside-8": {"data": [[1.0, 1e-300, 12345678901234567890]], "10": 1, "2": "<skyreader.nan>"}}';
    await api.ask('PUT', `/scan/${id}/result`, {
      body: `{"is_final": true, "skyscan_result": ${result}}`,
      headers: {'content-type': 'application/json'},
    });
    const raw = await fetch(`${api.url}/scan/${id}/result`);
    expect(await raw.text()).toBe(`{"scan_id":"${id}","skyscan_result":${result},"is_final":true}`);
  });
});

describe('D. deleting', () => {
  const finish = async (): Promise<void> => {
    await patch({progress: PROGRESS, event_metadata: {...EVENT_METADATA, run_id: Number.parseInt(id.slice(-6), 16)}});
    await put(RESULT, true);
  };

  test('case 22 to 26: a finished scan is hidden, not erased; deleting it again is allowed', async () => {
    await finish();
    const before = await manifest();
    const filter = {'event_metadata.run_id': before.event_metadata.run_id};
    let last = before;
    for (let round = 0; round < 2; round++) {
      const deleted = await remove({delete_completed_scan: true});
      expect(deleted.body).toEqual({
        manifest: {...before, is_deleted: true, last_updated: expect.any(Number)},
        result: {scan_id: id, is_final: true, skyscan_result: RESULT},
      });
      expect(deleted.body.manifest.last_updated).toBeGreaterThan(last.last_updated);
      last = deleted.body.manifest;
      for (const path of ['', '/manifest', '/result']) {
        expect(refusal(await get(path))).toBe('404 Not Found');
        expect(refusal(await get(`${path}?include_deleted=False`))).toBe('404 Not Found');
      }
      expect((await get('?include_deleted=True')).body).toEqual(deleted.body);
      expect((await get('/manifest?include_deleted=True')).body).toEqual(deleted.body.manifest);
      expect((await get('/result?include_deleted=True')).body).toEqual(deleted.body.result);
      expect(await find(filter)).toEqual([]);
      expect(await find(filter, {include_deleted: false})).toEqual([]);
      expect(await find({...filter, is_deleted: false})).toEqual([]);
      expect(await find(filter, {include_deleted: true})).toEqual([id]);
      expect(await find({...filter, is_deleted: true})).toEqual([id]);
    }
  });

  test('case 27: a finished scan is only deleted by those who say that they mean it', async () => {
    await finish();
    const text = '400 Attempted to delete a completed scan (must use `delete_completed_scan=True`)';
    expect(refusal(await remove({delete_completed_scan: false}))).toBe(text);
    expect(refusal(await remove({}))).toBe(text);
    expect(refusal(await remove())).toBe(text);
    expect((await manifest()).is_deleted).toBe(false);
  });

  test('case 28: an unfinished scan is deleted without a word, wanted stopped, and still takes reports', async () => {
    await api.store.commit({compares: [], ops: [{put: admissionKey(id), value: '{"slots":{"foobar":1}}'}]});
    expect((await remove()).body).toEqual({manifest: expect.objectContaining({is_deleted: true}), result: {}});
    expect((await get('/status')).body).toMatchObject({
      is_deleted: true,
      ewms_deactivated: 'ABORTED',
      scan_state: 'ABORTED__WAITING_ON_SCANNER_SERVER_STARTUP',
    });
    expect(api.cache.scans.get(id)?.control?.value).toMatchObject({desired: 'stop', is_deleted: true, generation: 1});
    expect((await patch({progress: PROGRESS})).status).toBe(200);
    expect((await put(RESULT, false)).status).toBe(200);
  });

  test('case 37: an unfinished scan may be deleted with either word', async () => {
    expect((await remove({delete_completed_scan: true})).status).toBe(200);
  });

  test('an answer to DELETE can be projected, and wrong words are named', async () => {
    expect((await remove({manifest_projection: ['is_deleted']})).body).toEqual({manifest: {is_deleted: true}, result: {}});
    expect(refusal(await remove({delete_completed_scan: 'yes'}))).toBe("400 'delete_completed_scan': must be type 'boolean' (bool)");
    expect(refusal(await api.ask('DELETE', '/scan/0123'))).toBe('404 Not Found');
  });
});

describe('K. more cases', () => {
  test('case 62: a manifest can be projected by the query', async () => {
    expect((await get('/manifest?projection=scan_id|priority')).body).toEqual({scan_id: id, priority: 0});
    expect((await get('/manifest?projection=nope')).body).toEqual({});
    expect(refusal(await get('/manifest?projection=%20'))).toBe("400 must match the pattern '\\\\S'");
    for (const all of ['*', '', 'scan_id|*']) expect(Object.keys((await get(`/manifest?projection=${all}`)).body)).toHaveLength(17);
  });

  test('case 63: found manifests leave out what was large once', async () => {
    const ask = (body: unknown): Promise<Answer> => api.ask('POST', '/scans/find', {body});
    const filter = {scan_id: id};
    for (const projection of [undefined, '*']) {
      const {body} = await ask({filter, manifest_projection: projection});
      expect(Object.keys(body.manifests[0])).toHaveLength(14);
      expect(body.manifests[0]).not.toHaveProperty('ewms_task');
    }
    expect((await ask({filter, manifest_projection: ['scan_id']})).body).toEqual({manifests: [{scan_id: id}]});
    expect(Object.keys((await ask({filter, manifest_projection: ['*']})).body.manifests[0])).toHaveLength(17);
    expect(refusal(await ask({filter, manifest_projection: ['ewms_task']}))).toBe('400 Bad Request');
    expect(refusal(await ask({}))).toBe("400 'filter' is a required property");
    expect(refusal(await ask({filter: []}))).toBe("400 'filter': must be type 'object' (dict)");
    expect(refusal(await ask({filter, include_deleted: 'no'}))).toBe("400 'include_deleted': must be type 'boolean' (bool)");
    expect(refusal(await ask({filter: {$where: '1'}}))).toBe('400 filter operator $where is not supported');
    expect((await ask({filter: {scan_id: 'none'}})).body).toEqual({manifests: []});
  });

  test('case 70: a GET takes its arguments from a JSON body too, and the query wins', async () => {
    await remove();
    const ask = (path: string, body: string): Promise<Answer> => api.ask('GET', `/scan/${id}${path}`, {body});
    expect((await ask('/manifest', '{"include_deleted": true}')).status).toBe(200);
    expect((await ask('/manifest?include_deleted=false', '{"include_deleted": true}')).status).toBe(404);
    expect(refusal(await ask('/manifest', 'nonsense'))).toBe('400 requests body is not JSON-encoded');
    expect(refusal(await ask('/manifest', '[]'))).toBe("400 JSON-encoded requests body must be a 'dict'");
    expect(refusal(await get('/manifest?include_deleted=perhaps'))).toBe('400 Query parameter error: include_deleted');
  });

  test('case 73: status, event and workforce of a deleted scan can still be asked for', async () => {
    await remove();
    for (const path of ['/status', '/logs', '/i3-event', '/ewms/workflow-id', '/ewms/workforce', '/ewms/taskforces']) {
      expect([path, (await get(path)).status]).toEqual([path, 200]);
    }
  });

  test('an unknown scan is not found, whatever is asked', async () => {
    id = '0123';
    for (const path of ['', '/manifest', '/result', '/status', '/logs', '/i3-event', '/ewms/workflow-id', '/ewms/workforce', '/ewms/taskforces']) {
      expect([path, refusal(await get(path))]).toEqual([path, '404 Not Found']);
    }
    expect(refusal(await patch({scan_metadata: {a: 1}}))).toBe('404 Not Found');
    expect(refusal(await api.ask('GET', '/scan-request/0123'))).toBe('404 Scan request not found');
    expect((await api.store.range('/scan/0123')).entries).toEqual([]);
  });
});
