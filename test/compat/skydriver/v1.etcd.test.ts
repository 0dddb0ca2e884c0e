import {mkdir, mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {controlKey, jobKey, legacyKey, scanKey, stateKey} from '../../../src/schema/keys.ts';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {aJob, aTry} from '../../support/builders.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

let etcd: TestEtcd;
let api: TestApi;
let images: string;
let id: string;

const {debug_mode, ...BODY} = SCAN_BODY;
const V1_BODY = {...BODY, docker_tag: '3.22.0', debug_mode: [debug_mode]};
const EVENT = SCAN_BODY.event_i3live_json;
const RESULT = {alpha: 1, beta: -2};
const EVENT_METADATA = {run_id: 456, event_id: 123, event_type: 'groovy', mjd: 9876543.21, is_real_event: true};
/** As a scanner of that time sends it: without `start` and `end`. */
const PROGRESS = {
  summary: 's',
  epilogue: 'e',
  tallies: {edgar: 1},
  processing_stats: {start: {the_beginning: 0.01}, runtime: {from_the_beginning: 12}, rate: {'hanks/hour': 1.5}},
  predictive_scanning_threshold: 1.0,
  last_updated: 'now!',
};
const CLUSTER = {orchestrator: 'condor', location: {collector: 'c', schedd: 's'}, n_workers: 4, uuid: 'u1', cluster_id: '17'};

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  images = await mkdtemp(join(tmpdir(), 'scanplane-images-'));
  for (const tag of ['3.22.0', '4.2.0']) await mkdir(join(images, `skymap_scanner:${tag}`));
  api = await startApi(etcd.endpoint, {imageDirectory: images});
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
  await rm(images, {recursive: true});
});

const post = (more: Record<string, unknown> = {}, without: readonly string[] = []): Promise<Answer> => {
  const body: Record<string, unknown> = {...V1_BODY, ...more};
  for (const name of without) delete body[name];
  return api.ask('POST', '/v1/scan', {body});
};
const get = (path: string): Promise<Answer> => api.ask('GET', `/v1/scan/${id}${path}`);
const status = async (): Promise<Answer['body']> => (await get('/status')).body;
const patch = (body: unknown): Promise<Answer> => api.ask('PATCH', `/v1/scan/${id}/manifest`, {body});
const put = (body: unknown): Promise<Answer> => api.ask('PUT', `/v1/scan/${id}/result`, {body});
const write = (key: string, value: unknown): Promise<unknown> =>
  api.store.commit({compares: [], ops: [{put: key, value: canonicalJson(value)}]}).then(() => api.cache.catchUp());

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

beforeEach(async () => {
  id = (await post()).body.scan_id;
});

describe('asking for a scan', () => {
  test('case 75: an empty request is told all that is missing, in one order', async () => {
    const text =
      '400 the following arguments are required: docker_tag, cluster, reco_algo, event_i3live_json, nsides, real_or_simulated_event, max_pixel_reco_time';
    expect(refusal(await api.ask('POST', '/v1/scan', {body: {}}))).toBe(text);
    expect(refusal(await api.ask('POST', '/v1/scan'))).toBe(text);
    expect(refusal(await post({}, ['cluster', 'nsides']))).toBe('400 the following arguments are required: cluster, nsides');
  });

  test('case 75: a bad value is named, before anything that is missing', async () => {
    for (const [field, good] of Object.entries(V1_BODY)) {
      for (const bad of ['', '  ', '\t', ...(typeof good === 'string' ? [] : ['string'])]) {
        const reason = refusal(await post({[field]: bad}));
        expect(reason.startsWith(`400 argument ${field}: `), `${field} ${JSON.stringify(bad)}: ${reason}`).toBe(true);
      }
    }
    expect(refusal(await post({max_pixel_reco_time: 'soon'}, ['cluster']))).toBe('400 argument max_pixel_reco_time: invalid type');
    expect(refusal(await post({real_or_simulated_event: 'maybe'}))).toBe(
      "400 argument real_or_simulated_event: invalid choice: 'maybe' (choose from 'real', 'real_event', 'sim', 'simulated', 'simulated_event')",
    );
    expect(refusal(await post({docker_tag: 'foo'}))).toBe('400 argument docker_tag: invalid type');
    expect(refusal(await post({cluster: {nope: 1}}))).toBe(
      '400 argument cluster: requested unknown cluster: nope (available: a-schedd, cloud, foobar)',
    );
    expect(refusal(await post({worker_memory: '4 florps'}))).toBe('400 argument worker_memory: invalid size: 4 florps');
    expect(refusal(await post({memory: '8GB'}))).toMatch(/^400 argument memory: /);
    expect(refusal(await post({foo: 1, bar: 2}))).toBe('400 unrecognized arguments: foo, bar');
  });

  test('case 75: a body that is no JSON object is refused in its words', async () => {
    const send = async (body: string): Promise<string> => refusal(await api.ask('POST', '/v1/scan', {body}));
    expect(await send('nonsense')).toBe('400 requests body is not JSON-encoded');
    expect(await send('[]')).toBe("400 JSON-encoded requests body must be a 'dict'");
  });

  test('a refused request leaves nothing behind', async () => {
    const before = (await api.store.range('')).entries.length;
    for (const more of [{docker_tag: 'foo'}, {cluster: {nope: 1}}, {worker_memory: 'x'}, {foo: 1}]) expect((await post(more)).status).toBe(400);
    expect((await api.store.range('')).entries.length).toBe(before);
  });

  test('every argument is kept, and numbers may be written as text', async () => {
    const {body} = await post({
      max_pixel_reco_time: '60',
      max_worker_runtime: 3600.9,
      skyscan_mq_client_timeout_wait_for_first_message: '30',
      predictive_scanning_threshold: '0.5',
      worker_memory: '4GB',
      worker_disk: '2GB',
      scanner_server_memory: '1GB',
      priority: '7',
    });
    const stored = JSON.parse(String((await api.store.get(scanKey(body.scan_id)))?.value));
    expect(stored.generation).toBe('v1');
    expect(stored.request).toMatchObject({
      docker_tag: '3.22.0',
      max_pixel_reco_time: 60,
      older: {max_worker_runtime: 3600, skyscan_mq_client_timeout_wait_for_first_message: 30},
      predictive_scanning_threshold: 0.5,
      worker_memory_bytes: 4_000_000_000,
      worker_disk_bytes: 2_000_000_000,
      scanner_server_memory_bytes: 1_000_000_000,
      priority: 7,
    });
    expect((await post({skyscan_mq_client_timeout_wait_for_first_message: -1})).status).toBe(200);
  });
});

describe('manifests', () => {
  test('case 76: tell of the workers, and hide the token', async () => {
    const {body} = await get('/manifest');
    expect(Object.keys(body)).toEqual([
      ...['scan_id', 'timestamp', 'is_deleted', 'scanner_server_args', 'ewms_task', 'priority', 'classifiers'],
      ...['event_i3live_json_dict__hash', 'i3_event_id', 'event_metadata', 'scan_metadata', 'progress', 'last_updated'],
    ]);
    expect(body.ewms_task).toEqual({
      tms_args: [expect.stringContaining(' start --n-workers 1 ')],
      env_vars: {scanner_server: expect.any(Array), tms_starters: [expect.any(Array)]},
      clusters: [],
      complete: false,
    });
    const variables = new Map(body.ewms_task.env_vars.scanner_server.map(({name, value}: {name: string; value: string}) => [name, value]));
    expect(variables.get('SKYSCAN_SKYDRIVER_AUTH')).toBe('***');
    expect(variables.get('SKYSCAN_SKYDRIVER_ADDRESS')).toBe('http://api.example/v1');
    expect(variables.get('MY_ENV_VAR')).toBe('True');
  });

  test('leave out the event, unless it is asked for or a scanner asks', async () => {
    const inlined = async (path: string, token?: string): Promise<unknown> =>
      (await api.ask('GET', `/v1/scan/${id}${path}`, token === undefined ? {} : {token})).body.event_i3live_json_dict;
    await api.putServerJob(id, ['t1']);
    expect(await inlined('/manifest')).toBeUndefined();
    expect(await inlined('/manifest?projection=*')).toEqual(EVENT);
    expect(await inlined('/manifest?projection=scan_id|event_i3live_json_dict')).toEqual(EVENT);
    expect(await inlined('/manifest', 't1')).toEqual(EVENT);
    expect(await inlined('/manifest?projection=scan_id', 't1')).toBeUndefined();
    expect((await get('/i3-event')).body).toEqual({i3_event: EVENT});
    expect((await post()).body).not.toHaveProperty('event_i3live_json_dict');
    expect((await post({manifest_projection: '*'})).body.event_i3live_json_dict).toEqual(EVENT);
    expect((await post({manifest_projection: ['priority', 'replaced_by_scan_id', 'nope']})).body).toEqual({priority: 0});
  });

  test('are found by a filter, without what is large', async () => {
    const find = async (body: unknown): Promise<Answer> => api.ask('POST', '/v1/scans/find', {body});
    const {body} = await find({filter: {scan_id: id}});
    expect(body.manifests).toHaveLength(1);
    expect(Object.keys(body.manifests[0])).not.toContain('ewms_task');
    expect((await find({filter: {scan_id: id}, manifest_projection: '*'})).body).toEqual(body);
    expect((await find({filter: {scan_id: id}, manifest_projection: ['scan_id', 'ewms_task']})).body.manifests[0]).toMatchObject({
      scan_id: id,
      ewms_task: {complete: false},
    });
    expect(refusal(await find({}))).toBe('400 the following arguments are required: filter');
    expect(refusal(await find({filter: 'x'}))).toBe('400 argument filter: arg must be a dict');
    expect((await api.ask('GET', '/v1/scans/backlog')).body.entries).toContainEqual({
      scan_id: id,
      timestamp: expect.any(Number),
      priority: 0,
      pending_timestamp: 0,
      next_attempt: 0,
    });
  });
});

describe('reports', () => {
  test('case 75: progress and results must have their forms', async () => {
    expect(refusal(await patch({progress: 'Done'}))).toBe('400 argument progress: missing value for field "summary"');
    expect(refusal(await patch({progress: ['a', 'b', 'c']}))).toBe('400 argument progress: missing value for field "summary"');
    expect(refusal(await patch({progress: {...PROGRESS, tallies: 'x'}}))).toBe(
      '400 argument progress: wrong value type for field "tallies" - should be "dict" instead of value "x" of type "str"',
    );
    const {summary: _, ...short} = PROGRESS;
    expect(refusal(await patch({progress: short}))).toBe('400 argument progress: missing value for field "summary"');
    expect(refusal(await patch({cluster: {...CLUSTER, orchestrator: 'slurm'}}))).toMatch(/^400 argument cluster: invalid choice: 'slurm'/);
    for (const bad of ['Done', ['a']]) {
      expect(refusal(await put({skyscan_result: bad, is_final: true}))).toBe('400 argument skyscan_result: arg must be a dict');
    }
    expect(refusal(await put({}))).toBe('400 the following arguments are required: skyscan_result, is_final');
    expect(refusal(await put({skyscan_result: RESULT, is_final: 'perhaps'}))).toBe('400 argument is_final: invalid type');
    expect((await get('/result')).body).toEqual({});
  });

  test('are taken in and shown, null as not given, truth values as text too', async () => {
    const {status: code, body} = await patch({progress: PROGRESS, event_metadata: EVENT_METADATA, scan_metadata: null, cluster: null});
    expect(code).toBe(200);
    expect(body.progress).toEqual({
      ...PROGRESS,
      processing_stats: {...PROGRESS.processing_stats, end: '', finished: false, predictions: {}},
      start: null,
      end: null,
    });
    expect((await get('/manifest')).body).toEqual(body);
    expect(refusal(await patch({event_metadata: {...EVENT_METADATA, run_id: 1}}))).toBe('400 Cannot change an existing event_metadata');
    expect((await put({skyscan_result: RESULT, is_final: 'False'})).body).toEqual({scan_id: id, skyscan_result: RESULT, is_final: false});
    expect((await put({skyscan_result: {}, is_final: true})).body).toEqual({});
    expect((await get('/result')).body.skyscan_result).toEqual(RESULT);
    expect((await get('')).body).toEqual({manifest: body, result: {scan_id: id, skyscan_result: RESULT, is_final: false}});
  });

  test('case 76: a starter’s report is added, or takes the place of its last one', async () => {
    const full = {...CLUSTER, starter_info: {}, statuses: {}, top_task_errors: {}};
    const before = (await get('/manifest')).body;
    const first = await patch({cluster: CLUSTER});
    expect(first.body.ewms_task.clusters).toEqual([full]);
    expect(first.body.last_updated).toBeGreaterThan(before.last_updated);
    const other = {...full, uuid: 'u2', orchestrator: 'k8s', location: {host: 'h', namespace: 'n'}};
    expect((await patch({cluster: other})).body.ewms_task.clusters).toEqual([full, other]);
    const renewed = {...full, statuses: {Running: {Tasking: 4}}, top_task_errors: {oops: 1}};
    const last = await patch({cluster: {...renewed, unknown: 1}, progress: PROGRESS});
    expect(last.body.ewms_task.clusters).toEqual([renewed, other]);
    expect((await status()).clusters).toEqual([renewed, other]);
    expect((await get('/manifest')).body).toEqual(last.body);
  });

  test('two starters that report at the same moment are both kept', async () => {
    await Promise.all(Array.from({length: 5}, (_, i) => patch({cluster: {...CLUSTER, uuid: `u${i}`}})));
    expect((await status()).clusters.map(({uuid}: {uuid: string}) => uuid).toSorted()).toEqual(['u0', 'u1', 'u2', 'u3', 'u4']);
  });

  test('case 76: a scan with a cluster whose workers are all held or failed is stopped', async () => {
    await patch({progress: PROGRESS, cluster: {...CLUSTER, statuses: {'Held: memory': {null: 2}, Running: {Tasking: 2}}}});
    expect(await status()).toMatchObject({scan_state: 'IN_PROGRESS__PARTIAL_RESULT_GENERATED', scan_complete: false});
    await patch({cluster: {...CLUSTER, statuses: {'Held: memory': {null: 3}, Completed: {FatalError: 1}}}});
    expect(await status()).toMatchObject({scan_state: 'STOPPED__PARTIAL_RESULT_GENERATED', scan_complete: true, is_deleted: false});
    expect(api.cache.scans.get(id)?.control?.value).toMatchObject({desired: 'stop', is_deleted: false, generation: 1});
    expect((await get('/manifest')).body.ewms_task.complete).toBe(true);
  });
});

describe('status', () => {
  test('case 77: goes through the states of version 1', async () => {
    expect(await status()).toEqual({scan_state: 'PENDING__PRESTARTUP', is_deleted: false, scan_complete: false, clusters: []});
    await patch({cluster: CLUSTER});
    expect((await status()).scan_state).toBe('PENDING__WAITING_ON_SCANNER_SERVER_STARTUP');
    const {rate: _, ...noRate} = PROGRESS.processing_stats;
    await patch({progress: {...PROGRESS, processing_stats: noRate}});
    expect((await status()).scan_state).toBe('IN_PROGRESS__WAITING_ON_FIRST_PIXEL_RECO');
    await patch({progress: PROGRESS});
    expect((await status()).scan_state).toBe('IN_PROGRESS__PARTIAL_RESULT_GENERATED');
    await put({skyscan_result: RESULT, is_final: true});
    await patch({progress: {...PROGRESS, processing_stats: {...PROGRESS.processing_stats, end: 'now', finished: true}}});
    expect(await status()).toMatchObject({scan_state: 'IN_PROGRESS__PARTIAL_RESULT_GENERATED', scan_complete: false});
    await write(stateKey(id), {name: 'COMPLETE', attempt: 1}); // As the scan's owner does after its workers are gone.
    expect(await status()).toMatchObject({scan_state: 'SCAN_FINISHED_SUCCESSFULLY', scan_complete: true});
  });

  test('shows our own workers, and pods to who asks for them', async () => {
    expect((await get('/status?include_pod_statuses=True')).body.pods).toEqual({
      pod_status: {},
      pod_message: 'in backlog',
      pod_status_message: 'in backlog',
    });
    await api.putServerJob(id, ['t1']);
    await write(jobKey(id, 'workers-1'), aJob({type: 'workers', cluster: 'foobar', count: 2, tries: [aTry({handle: 'h'})]}));
    const {body} = await get('/status?include_pod_statuses=1');
    expect(Object.keys(body.pods.pod_status)).toEqual([`skyscan-${id}-server-1`, `skyscan-${id}-workers-1-1`]);
    expect(body.pods.pod_message).toBe('retrieved');
    expect(body.clusters).toEqual([
      expect.objectContaining({
        orchestrator: 'condor',
        location: {collector: 'foobar', schedd: 'foobar'},
        n_workers: 2,
        statuses: {RUNNING: {Tasking: 2}},
      }),
    ]);
    expect((await get('/status')).body).not.toHaveProperty('pods');
    expect(refusal(await get('/status?include_pod_statuses=maybe'))).toBe('400 argument include_pod_statuses: invalid type');
    expect(refusal(await get('/status?foo=1&bar=2'))).toBe('400 unrecognized arguments: foo, bar');
  });

  test('the address of logs is given for any id', async () => {
    expect((await api.ask('GET', '/v1/scan/0123/logs')).body).toEqual({scanner_server: {url: expect.stringContaining('0123')}});
  });
});

describe('deleting', () => {
  const remove = (body?: unknown): Promise<Answer> => api.ask('DELETE', `/v1/scan/${id}`, body === undefined ? {} : {body});
  const text = '400 Attempted to delete a completed scan (must use `delete_completed_scan=True`)';

  test('a final result alone does not make a scan completed; that its workers are done does', async () => {
    await put({skyscan_result: RESULT, is_final: true});
    await write(stateKey(id), {name: 'COMPLETE', attempt: 1});
    expect(refusal(await remove())).toBe(text);
    expect(refusal(await remove({delete_completed_scan: false}))).toBe(text);
    const {body} = await remove({delete_completed_scan: 'true', manifest_projection: ['is_deleted']});
    expect(body).toEqual({manifest: {is_deleted: true}, result: {scan_id: id, skyscan_result: RESULT, is_final: true}});
    expect(refusal(await remove())).toBe(text);
    id = (await post()).body.scan_id;
    await put({skyscan_result: RESULT, is_final: true});
    expect((await remove()).status).toBe(200);
  });

  test('a deleted scan is shown to who asks for deleted ones, and its scanner is told to end', async () => {
    await patch({cluster: CLUSTER, progress: PROGRESS});
    expect((await remove({})).body.manifest).toMatchObject({is_deleted: true, ewms_task: {complete: true}});
    for (const path of ['', '/manifest', '/result']) {
      expect(refusal(await get(path))).toBe('404 Not Found');
      expect(refusal(await get(`${path}?include_deleted=False`))).toBe('404 Not Found');
      expect((await get(`${path}?include_deleted=True`)).status).toBe(200);
    }
    expect(await status()).toMatchObject({is_deleted: true, scan_state: 'STOPPED__PARTIAL_RESULT_GENERATED'});
    expect(refusal(await get('/manifest?include_deleted=2'))).toBe('400 argument include_deleted: invalid type');
  });
});

describe('who may report', () => {
  test('is the newest try of the scan’s server, as in version 2', async () => {
    await api.putServerJob(id, ['t1', 't2']);
    const report = (path: string, token: string): Promise<Answer> => api.ask('PATCH', path, {body: {scan_metadata: {a: 1}}, token});
    const other = (await post()).body.scan_id;
    for (const path of [`/v1/scan/${id}/manifest`, `/v0/scan/manifest/${id}`, `/scan/manifest/${id}`]) {
      expect(refusal(await report(path, 't1'))).toBe('403 authorization failed');
      expect(refusal(await report(path.replace(id, other), 't2'))).toBe('403 authentication failed');
      expect((await report(path, 't2')).status).toBe(200);
    }
    expect(refusal(await api.ask('PUT', `/v1/scan/${id}/result`, {body: {skyscan_result: {a: 1}, is_final: false}, token: 't1'}))).toBe(
      '403 authorization failed',
    );
  });
});

describe('across versions', () => {
  test('a rescan runs the same request again, as a scan of version 1', async () => {
    const answer = await api.ask('POST', `/v1/scan/${id}/actions/rescan`, {body: {manifest_projection: 'scan_id|classifiers|complete'}});
    const {scan_id: rescanId, classifiers} = answer.body;
    expect(classifiers).toEqual({...V1_BODY.classifiers, rescan: true, origin_scan_id: id});
    const {body} = await api.ask('GET', `/v1/scan/${rescanId}/manifest`);
    const original = (await get('/manifest')).body;
    expect(body.scanner_server_args).toBe(original.scanner_server_args);
    expect((await api.store.get(scanKey(rescanId)))?.value.toString()).toContain('"generation": "v1"');
    expect(refusal(await api.ask('POST', '/v1/scan/nope/actions/rescan', {body: {}}))).toBe('404 Not Found');
    expect(refusal(await api.ask('POST', `/v1/scan/${id}/actions/rescan`, {body: {replace_scan: true}}))).toBe(
      '400 unrecognized arguments: replace_scan',
    );
  });

  test('an event with a bare NaN, as Python writes it, is taken and given to the scanner', async () => {
    const body = JSON.stringify({...V1_BODY, event_i3live_json: '@'}).replace('"@"', '{"a": NaN, "b": 1.50}');
    const answer = await api.ask('POST', '/v1/scan', {body: Buffer.from(body)});
    expect(answer.status).toBe(200);
    const event = await api.ask('GET', `/v1/scan/${answer.body.scan_id}/i3-event`);
    expect(event.body).toEqual({i3_event: {a: Number.NaN, b: 1.5}});
    const deep = JSON.stringify({...V1_BODY, nsides: '@'}).replace('"@"', `${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}`);
    expect(refusal(await api.ask('POST', '/v1/scan', {body: deep}))).toBe("400 'nsides': nested too deeply");
  });

  test('a request that names itself creates one scan, however often it is sent', async () => {
    const headers = {'idempotency-key': 'of-v1'};
    const [first, second] = await Promise.all([1, 2].map(() => api.ask('POST', '/v1/scan', {body: V1_BODY, headers})));
    expect(second?.body.scan_id).toBe(first?.body.scan_id);
  });

  test('a scan of version 1 is a scan of version 2: shown, reported to, and deleted there', async () => {
    await patch({progress: PROGRESS, cluster: CLUSTER});
    const newest = (await api.ask('GET', `/scan/${id}/manifest`)).body;
    expect(Object.keys(newest)).toHaveLength(17);
    expect(newest).toMatchObject({scan_id: id, ewms_task: "use 'ewms_workflow_id'", event_i3live_json_dict: "use 'i3_event_id'"});
    expect((await api.ask('POST', '/v2/scans/find', {body: {filter: {scan_id: id}}})).body.manifests).toHaveLength(1);
    const {body: request} = await api.ask('GET', `/scan-request/${id}`);
    const {scan_id: _i, rescan_ids: _r, ...copy} = request;
    expect((await api.ask('POST', '/scan', {body: copy})).status).toBe(200);
    expect((await api.ask('DELETE', `/scan/${id}`)).status).toBe(200);
    expect((await get('/manifest')).status).toBe(404);
    expect((await status()).scan_state).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
    expect((await api.ask('GET', `/scan/${id}/status`)).body.scan_state).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
  });

  test('a scan of version 2 is a scan of version 1', async () => {
    id = await api.newScan();
    expect((await get('/manifest')).body).toMatchObject({scan_id: id, ewms_task: {complete: false, clusters: []}});
    expect((await patch({cluster: CLUSTER})).status).toBe(200);
    expect((await api.ask('DELETE', `/v1/scan/${id}`)).body.manifest.is_deleted).toBe(true);
    expect((await api.ask('GET', `/scan/${id}`)).status).toBe(404);
  });

  test('what only version 1 reports stands in one key, which nobody needs', async () => {
    await patch({cluster: CLUSTER});
    expect(String((await api.store.get(legacyKey(id)))?.value)).toContain('"u1"');
    await api.store.commit({compares: [], ops: [{put: legacyKey(id), value: 'nonsense'}]});
    await api.cache.catchUp();
    expect((await status()).clusters).toEqual([]);
    expect((await patch({cluster: CLUSTER})).body.ewms_task.clusters).toHaveLength(1);
    await api.store.commit({compares: [], ops: [{put: controlKey(id), value: '{"desired": "stop"}'}]});
    await api.cache.catchUp();
    expect((await status()).scan_complete).toBe(true);
  });

  test('version 1 has none of the later routes, and other methods are refused', async () => {
    for (const path of [`/v1/scan/${id}/ewms/workforce`, `/v1/scan-request/${id}`, '/v1/scans', '/v1/scan/manifest', '/v1/nope', '/v1/livez']) {
      expect([path, refusal(await api.ask('GET', path))]).toEqual([path, '404 Not Found']);
    }
    expect(refusal(await api.ask('PUT', `/v1/scan/${id}`))).toBe('405 Method Not Allowed');
    expect((await api.ask('GET', '/v1')).body).toEqual({});
    expect((await api.ask('GET', '/v1/')).body).toEqual({});
  });
});
