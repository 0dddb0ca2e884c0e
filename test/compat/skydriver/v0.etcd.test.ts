import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {clusterKey, scanKey, stateKey} from '../../../src/schema/keys.ts';
import {startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';

let etcd: TestEtcd;
let api: TestApi;
let id: string;

const EVENT = {a: 22};
const V0_BODY = {
  docker_tag: '3.8.2',
  cluster: {collector: 'a-collector', schedd: 'a-schedd', njobs: 3},
  reco_algo: 'anything',
  event_i3live_json: EVENT,
  nsides: {'1': 2, '3': 4},
  real_or_simulated_event: 'real',
};
const RESULT = {alpha: 1, beta: -2};
const EVENT_METADATA = {run_id: 456, event_id: 123, event_type: 'groovy', mjd: 9876543.21, is_real_event: true};
/** As the first scanners send it. */
const PROGRESS = {
  summary: 's',
  epilogue: 'e',
  tallies: {edgar: 1},
  processing_stats: {start: {the_beginning: 0.01}, runtime: {from_the_beginning: 12}},
};
const CONDOR = {collector: 'c', schedd: 's', cluster_id: 17, jobs: 4};

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
  const named = canonicalJson({engine: 'process', capacity: 8, settings: {collector: 'the-collector', schedd: 'the-schedd'}});
  await api.store.commit({compares: [], ops: [{put: clusterKey('named'), value: named}]});
  await api.cache.catchUp();
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
});

const post = (more: Record<string, unknown> = {}, without: readonly string[] = []): Promise<Answer> => {
  const body: Record<string, unknown> = {...V0_BODY, ...more};
  for (const name of without) delete body[name];
  return api.ask('POST', '/v0/scan', {body});
};
const on = (method: string, what: 'manifest' | 'result', query = '', body?: unknown): Promise<Answer> =>
  api.ask(method, `/scan/${what}/${id}${query}`, body === undefined ? {} : {body});
const put = (body: unknown): Promise<Answer> => on('PUT', 'result', '', body);
const patch = (body: unknown): Promise<Answer> => on('PATCH', 'manifest', '', body);
/** What a scan's owner writes when its workers are gone. */
const complete = (): Promise<unknown> =>
  api.store.commit({compares: [], ops: [{put: stateKey(id), value: '{"name": "COMPLETE"}'}]}).then(() => api.cache.catchUp());

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

beforeEach(async () => {
  id = (await post()).body.scan_id;
});

describe('case 78: the life of a scan', () => {
  test('it is shown with its event, with what it was asked, and with the address of its scanner', async () => {
    const {body} = await post({predictive_scanning_threshold: 0.5, unknown: 'ignored', max_reco_time: null});
    expect(body).toEqual({
      scan_id: expect.any(String),
      is_deleted: false,
      event_i3live_json_dict: EVENT,
      scanner_server_args: expect.stringContaining('--nsides 1:2 3:4 --real-event --predictive-scanning-threshold 0.5'),
      tms_args: [expect.stringContaining(' start --n-workers 3 ')],
      env_vars: expect.any(Object),
      condor_clusters: [],
      event_metadata: null,
      scan_metadata: null,
      progress: null,
      complete: false,
    });
    id = body.scan_id;
    expect((await on('GET', 'manifest')).body).toEqual(body);
    expect((await api.ask('GET', `/v0/scan/manifest/${id}`)).body).toEqual(body);
  });

  test('case 80: each variable of its scanner has a value or says where it is from, and no token is shown', async () => {
    const {env_vars: variables} = (await on('GET', 'manifest')).body;
    for (const [name, {value, value_from: from}] of Object.entries<{value: unknown; value_from: unknown}>(variables)) {
      expect([name, value === null]).not.toEqual([name, from === null]);
    }
    expect(variables.SKYSCAN_SKYDRIVER_ADDRESS.value).toBe('http://api.example/v0');
    expect(variables.SKYSCAN_SKYDRIVER_AUTH.value).toBe('***');
  });

  test('its scanner reports, as early as the first ones did, and its starters too', async () => {
    const {status, body} = await patch({event_metadata: EVENT_METADATA, scan_metadata: {a: 1}, progress: PROGRESS});
    expect(status).toBe(200);
    expect(body).toMatchObject({event_metadata: EVENT_METADATA, scan_metadata: {a: 1}});
    expect(body.progress).toMatchObject({...PROGRESS, predictive_scanning_threshold: 1, last_updated: ''});
    expect((await on('GET', 'manifest')).body).toEqual(body);
    expect(refusal(await patch({event_metadata: {...EVENT_METADATA, run_id: 1}}))).toBe('400 Cannot change an existing event_metadata');
    expect((await patch({condor_cluster: CONDOR})).body.condor_clusters).toEqual([CONDOR]);
    const second = {...CONDOR, cluster_id: 18};
    expect((await patch({condor_cluster: second, progress: PROGRESS})).body.condor_clusters).toEqual([CONDOR, second]);
    // A report whose answer was lost is sent again.
    expect((await patch({condor_cluster: second})).body.condor_clusters).toEqual([CONDOR, second]);
    expect((await patch({})).body.condor_clusters).toEqual([CONDOR, second]);
  });

  test('it is found by its event', async () => {
    const run = Number.parseInt(id.slice(-6), 16);
    const find = (query: string): Promise<Answer> => api.ask('GET', `/scans?${query}`);
    await patch({event_metadata: {...EVENT_METADATA, run_id: run}});
    expect((await find(`run_id=${run}&event_id=123&is_real_event=True`)).body).toEqual({event_id: 123, scan_ids: [id]});
    expect((await find(`run_id=${run}&event_id=123&is_real_event=False`)).body).toEqual({event_id: 123, scan_ids: []});
    expect((await find(`run_id=${run + 1}&event_id=123&is_real_event=True`)).body).toEqual({event_id: 123, scan_ids: []});
    expect((await api.ask('GET', `/v0/scans?run_id=${run}&event_id=123&is_real_event=1`)).body.scan_ids).toEqual([id]);
    await on('DELETE', 'manifest');
    expect((await find(`run_id=${run}&event_id=123&is_real_event=True`)).body.scan_ids).toEqual([]);
    expect((await find(`run_id=${run}&event_id=123&is_real_event=True&include_deleted=True`)).body.scan_ids).toEqual([id]);
    expect(refusal(await find('event_id=123&is_real_event=True'))).toBe('400 `run_id`: (MissingArgumentError) required argument is missing');
    expect(refusal(await find('run_id=x&event_id=123&is_real_event=True'))).toBe(
      "400 `run_id`: (ValueError) invalid literal for int() with base 10: 'x'",
    );
  });

  test('its result is there once a scanner has sent one, under either name', async () => {
    expect(refusal(await on('GET', 'result'))).toBe('404 Not Found');
    expect((await put({skyscan_result: {}, is_final: false})).body).toEqual({});
    expect(refusal(await on('GET', 'result'))).toBe('404 Not Found');
    const partial = {scan_id: id, is_deleted: false, skyscan_result: {early: 1}, is_final: false};
    expect((await put({json_dict: {early: 1}, is_final: false})).body).toEqual(partial);
    expect((await on('GET', 'result')).body).toEqual(partial);
    const final = {scan_id: id, is_deleted: false, skyscan_result: RESULT, is_final: true};
    expect((await put({skyscan_result: RESULT, is_final: true})).body).toEqual(final);
    expect((await put({json_dict: {late: 1}, is_final: false})).body).toEqual(final);
    expect((await on('GET', 'result')).body).toEqual(final);
    expect((await on('GET', 'manifest')).body.complete).toBe(false);
    await complete();
    expect((await on('GET', 'manifest')).body.complete).toBe(true);
  });

  test('its manifest is deleted alone: the result stays readable, and deleting again is allowed', async () => {
    await put({skyscan_result: RESULT, is_final: true});
    const before = (await on('GET', 'manifest')).body;
    for (let round = 0; round < 2; round++) {
      expect((await on('DELETE', 'manifest')).body).toEqual({...before, is_deleted: true, complete: true});
      expect(refusal(await on('GET', 'manifest'))).toBe('404 Not Found');
      expect((await on('GET', 'manifest', '?include_deleted=True')).body).toEqual({...before, is_deleted: true, complete: true});
      expect((await on('GET', 'result')).body).toMatchObject({is_deleted: false, skyscan_result: RESULT});
    }
  });

  test('its result is deleted alone, and deleting again is allowed; one that comes later is not deleted', async () => {
    expect(refusal(await on('DELETE', 'result'))).toBe('404 Not Found');
    await put({skyscan_result: {early: 1}, is_final: false});
    const deleted = {scan_id: id, is_deleted: true, skyscan_result: {early: 1}, is_final: false};
    for (let round = 0; round < 2; round++) {
      expect((await on('DELETE', 'result')).body).toEqual(deleted);
      expect(refusal(await on('GET', 'result'))).toBe('404 Not Found');
      expect(refusal(await on('GET', 'result', '?include_deleted=False'))).toBe('404 Not Found');
      expect((await on('GET', 'result', '?include_deleted=True')).body).toEqual(deleted);
      expect((await on('GET', 'manifest')).status).toBe(200);
    }
    expect((await put({skyscan_result: RESULT, is_final: true})).body).toMatchObject({is_deleted: false});
    expect((await on('GET', 'result')).body).toMatchObject({is_deleted: false, skyscan_result: RESULT});
  });
});

describe('case 79: errors', () => {
  test('an empty request is told the first thing that is missing', async () => {
    expect(refusal(await api.ask('POST', '/v0/scan', {body: {}}))).toBe('400 `docker_tag`: (MissingArgumentError) required argument is missing');
    expect(refusal(await post({}, ['nsides']))).toBe('400 `nsides`: (MissingArgumentError) required argument is missing');
    expect(refusal(await put({}))).toBe('400 `skyscan_result`: (MissingArgumentError) required argument is missing');
    expect(refusal(await put({skyscan_result: RESULT}))).toBe('400 `is_final`: (MissingArgumentError) required argument is missing');
    expect(refusal(await on('PUT', 'result'))).toBe('400 `skyscan_result`: (MissingArgumentError) required argument is missing');
  });

  test('a bad value is named', async () => {
    for (const [field, good] of Object.entries(V0_BODY)) {
      for (const bad of ['', '  ', '\t', ...(typeof good === 'string' ? [] : ['string'])]) {
        const reason = refusal(await post({[field]: bad}));
        expect(reason.startsWith(`400 \`${field}\`: (ValueError) `), `${field} ${JSON.stringify(bad)}: ${reason}`).toBe(true);
      }
    }
    for (const cluster of [{}, [], {collector: 'a', schedd: 'a-schedd'}, {collector: 'a', schedd: 'a-schedd', njobs: 'x'}]) {
      expect(refusal(await post({cluster}))).toMatch(/^400 `cluster`: \(ValueError\) /);
    }
    expect(refusal(await put({skyscan_result: 'Done', is_final: true}))).toBe(
      "400 `skyscan_result`: (ValueError) type mismatch: 'dict' (value is '<class 'str'>')",
    );
    expect(refusal(await patch({progress: 'Done'}))).toMatch(/^400 `progress`: \(ValueError\) /);
    expect(refusal(await patch({condor_cluster: {collector: 'c'}}))).toMatch(
      /^400 `condor_cluster`: \(ValueError\) missing value for field "schedd"$/,
    );
    expect(refusal(await post({memory: '4 florps'}))).toBe('400 `memory`: (ValueError) invalid size: 4 florps');
  });

  test('without an id nothing is found, whatever the method', async () => {
    for (const path of ['/scan/manifest', '/scan/result', '/v0/scan/manifest', '/v0/scan/result', '/scan/manifest/', '/scan/result/']) {
      for (const method of ['GET', 'PATCH', 'PUT', 'DELETE', 'POST']) {
        expect([method, path, refusal(await api.ask(method, path))]).toEqual([method, path, '404 Not Found']);
      }
    }
  });

  test('an unknown scan is not found, and nothing is written for it', async () => {
    id = '0123';
    const answers = [
      ...[await on('GET', 'manifest'), await on('DELETE', 'manifest'), await patch({progress: PROGRESS}), await patch({condor_cluster: CONDOR})],
      ...[await on('GET', 'result'), await on('DELETE', 'result'), await put({skyscan_result: RESULT, is_final: true})],
    ];
    for (const answer of answers) expect(refusal(answer)).toBe('404 Not Found');
    expect((await api.store.range('/scan/0123')).entries).toEqual([]);
  });

  test('a refused request leaves nothing behind', async () => {
    const before = (await api.store.range('')).entries.length;
    for (const more of [{cluster: {collector: 'x', schedd: 'y', njobs: 1}}, {memory: '4 florps'}, {nsides: 1}])
      expect((await post(more)).status).toBe(400);
    expect((await api.store.range('')).entries.length).toBe(before);
  });
});

describe('arguments', () => {
  const stored = async (more: Record<string, unknown>): Promise<Answer['body']> => {
    const {body} = await post(more);
    return JSON.parse(String((await api.store.get(scanKey(body.scan_id)))?.value));
  };

  test('all that was asked is kept, in its own terms and in ours', async () => {
    const cluster = [
      {collector: 'the-collector', schedd: 'the-schedd', njobs: '5'},
      {collector: 'cloud', schedd: 'unknown', njobs: 2},
    ];
    const casted = [{...cluster[0], njobs: 5}, cluster[1]];
    const {generation, request} = await stored({cluster: casted, memory: '6GB', max_reco_time: '300', debug_mode: true});
    expect(generation).toBe('v0');
    expect(request).toMatchObject({
      request_clusters: [
        ['named', 5],
        ['cloud', 2],
      ],
      worker_memory_bytes: 6_000_000_000,
      max_pixel_reco_time: 300,
      debug_mode: ['client-logs'],
      older: {memory: '6GB', max_reco_time: 300, condor_clusters: casted},
    });
    expect((await stored({})).request).toMatchObject({older: {memory: '8GB'}, worker_memory_bytes: 8_000_000_000});
    expect((await stored({event_i3live_json: '{"a": 1}'})).request.i3_event_id).toMatch(/^[0-9a-f]{32}$/);
  });

  test('a cluster that is not known is refused with those that are', async () => {
    expect(refusal(await post({cluster: {collector: 'x', schedd: 'y', njobs: 1}}))).toBe(
      "400 `cluster`: (ValueError) no cluster has collector 'x' and schedd 'y' (available: a-schedd, cloud, foobar, named)",
    );
  });
});

describe('across versions', () => {
  test('a scan of version 0 is a scan of version 2, reported to and deleted there', async () => {
    const newest = (await api.ask('GET', `/scan/${id}/manifest`)).body;
    expect(Object.keys(newest)).toHaveLength(17);
    expect(
      (await api.ask('PATCH', `/v1/scan/${id}/manifest`, {body: {progress: {...PROGRESS, predictive_scanning_threshold: 1, last_updated: 'x'}}}))
        .status,
    ).toBe(200);
    expect((await on('GET', 'manifest')).body.progress.last_updated).toBe('x');
    expect((await api.ask('DELETE', `/scan/${id}`)).status).toBe(200);
    expect((await on('GET', 'manifest')).status).toBe(404);
    expect((await on('GET', 'manifest', '?include_deleted=1')).body).toMatchObject({is_deleted: true, complete: true});
  });

  test('a scan of version 2 is deleted through version 0, and keeps its result there only', async () => {
    id = await api.newScan();
    await api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: RESULT, is_final: true}});
    expect((await on('DELETE', 'manifest')).body.is_deleted).toBe(true);
    expect((await api.ask('GET', `/scan/${id}/result`)).status).toBe(404);
    expect((await on('GET', 'result')).body.skyscan_result).toEqual(RESULT);
  });
});
