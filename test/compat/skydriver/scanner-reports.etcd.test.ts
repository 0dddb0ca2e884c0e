import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {SCAN_BODY, startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {must} from '../../../src/lib/assert.ts';
import {progressKey} from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {rawRequest} from '../../support/raw-http.ts';

let etcd: TestEtcd;
let api: TestApi;
/** A second replica over the same etcd: what it shows has been through the database. */
let other: TestApi;
let id: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
  other = await startApi(etcd.endpoint);
});
afterAll(async () => {
  await api.stop();
  await other.stop();
  await etcd.stop();
});
beforeEach(async () => {
  id = await api.newScan();
});

const METADATA = {run_id: 456, event_id: 123, event_type: 'groovy', mjd: 9876543.21, is_real_event: true};
const PROGRESS = {
  summary: 's',
  epilogue: 'e',
  tallies: {a: 1},
  processing_stats: {start: {}, runtime: {}, rate: {}, end: '', finished: false, predictions: {}},
  predictive_scanning_threshold: 1,
  last_updated: 'now',
  start: 1,
  end: null,
};

interface TextAnswer {
  readonly status: number;
  readonly text: string;
}

/** An answer as text: with a bare `NaN` in it, it is JSON to Python only. */
async function ask(method: string, path: string, body?: string, target = api, token?: string): Promise<TextAnswer> {
  const {status, bytes} = await rawRequest(method, target.url + path, {
    ...(body === undefined ? {} : {body}),
    ...(token === undefined ? {} : {token}),
  });
  return {status, text: bytes.toString()};
}

const patch = (body: unknown): Promise<Answer> => api.ask('PATCH', `/scan/${id}/manifest`, {body});
const manifest = async (): Promise<Answer['body']> => (await api.ask('GET', `/scan/${id}/manifest`)).body;
const put = (result: unknown, isFinal: boolean): Promise<Answer> =>
  api.ask('PUT', `/scan/${id}/result`, {body: {skyscan_result: result, is_final: isFinal}});

describe('bare NaN and Infinity, as Python writes them', () => {
  const RESULT = '{"nside-8": {"data": [[0, 12.5, NaN, -Infinity], [1, NaN,NaN , Infinity]], "metadata": {"note": "NaN, -Infinity"}}}';

  test('in a result: given back byte for byte, by every route and replica', async () => {
    const expected = `{"scan_id":"${id}","skyscan_result":${RESULT},"is_final":true}`;
    const sent = await ask('PUT', `/scan/${id}/result`, `{"skyscan_result": ${RESULT}, "is_final": true}`);
    expect(sent).toEqual({status: 200, text: expected});
    expect((await ask('GET', `/scan/${id}/result`, undefined, other)).text).toBe(expected);
    expect((await ask('GET', `/scan/${id}`, undefined, other)).text).toContain(`"result":${expected}`);
    const late = await ask('PUT', `/scan/${id}/result`, '{"skyscan_result": {"late": NaN}, "is_final": false}');
    expect(late).toEqual({status: 200, text: expected});
    expect((await ask('DELETE', `/scan/${id}`, '{"delete_completed_scan": true}')).text).toContain(`"result":${expected}`);
  });

  test.each([
    '{"skyscan_result": {"a": 1}, "is_final": NaN}',
    '{"skyscan_result": {"a": nan}, "is_final": true}',
    '{"skyscan_result": {"a": +Infinity}, "is_final": true}',
    '{"skyscan_result": {"a": NaN}, "is_final": true, "x": NaN}',
    '{"skyscan_result": {NaN: 1}, "is_final": true}',
  ])('elsewhere, or otherwise written, it is not JSON: %s', async (body) => {
    const answer = await api.ask('PUT', `/scan/${id}/result`, {body});
    expect(answer.status).toBe(400);
    expect(answer.body.error).toBe(`Request body validation error: Failed to deserialize value with application/json mimetype: ${body}`);
    expect((await api.ask('GET', `/scan/${id}/result`)).body).toEqual({});
  });

  test('a result that is nothing but NaN is no object', async () => {
    for (const value of ['NaN', '-Infinity']) {
      const answer = await api.ask('PUT', `/scan/${id}/result`, {body: `{"skyscan_result": ${value}, "is_final": true}`});
      expect(answer).toMatchObject({status: 400, reason: "'skyscan_result': must be type 'object' (dict)"});
    }
  });

  test('bytes that are no text are refused', async () => {
    const body = Buffer.concat([Buffer.from('{"skyscan_result": {"a": "'), Buffer.from([0xff, 0xfe]), Buffer.from('"}, "is_final": true}')]);
    expect(await api.ask('PUT', `/scan/${id}/result`, {body})).toMatchObject({status: 400, reason: 'Bad Request'});
    expect((await api.ask('GET', `/scan/${id}/result`)).body).toEqual({});
  });

  test.each([
    ['an object', '{"value": NaN, "frames": [Infinity, -Infinity], "id": 1.0}'],
    ['a text', JSON.stringify('{"value": NaN, "frames": [Infinity, -Infinity], "id": 1.0}')],
  ])('in an event, given as %s: the scanner gets it as it was', async (_, given) => {
    const {event_i3live_json: _event, ...rest} = SCAN_BODY;
    const created = await ask('POST', '/scan', `{"event_i3live_json": ${given}, ${JSON.stringify(rest).slice(1)}`);
    expect(created.status).toBe(200);
    const {scan_id: scanId} = JSON.parse(created.text) as {scan_id: string};
    const event = '{"value": NaN, "frames": [Infinity, -Infinity], "id": 1.0}';
    expect((await ask('GET', `/scan/${scanId}/i3-event`, undefined, other)).text).toBe(`{"i3_event":${event}}`);
    await api.putServerJob(scanId, ['t']);
    expect((await ask('GET', `/scan/${scanId}/manifest`, undefined, other, 't')).text).toContain(`"event_i3live_json_dict":${event},`);
    expect((await ask('GET', `/scan/${scanId}/manifest?projection=event_i3live_json_dict`, undefined, api, 't')).text).toBe(
      `{"event_i3live_json_dict":${event}}`,
    );
  });

  test('in the rest of a request it is not JSON', async () => {
    const before = (await api.store.range('/', {keysOnly: true})).entries.length;
    const body = JSON.stringify({...SCAN_BODY, predictive_scanning_threshold: 7}).replace(':7', ': NaN');
    const answer = await api.ask('POST', '/scan', {body});
    expect(answer.status).toBe(400);
    expect(answer.reason).toContain('Request body validation error: Failed to deserialize');
    expect((await api.store.range('/', {keysOnly: true})).entries.length).toBe(before);
  });

  test('in a report: every answer with it says what was reported, and what is stored stays JSON', async () => {
    const progress =
      '{"summary":"s","epilogue":"NaN","tallies":{"a/b":[1,NaN,{"~":Infinity}]},"processing_stats":{"start":{},"runtime":{"x":-Infinity},"rate":{"r":NaN}},"predictive_scanning_threshold":1.0,"last_updated":"u"}';
    const metadata = '{"chi2":NaN,"big":1e999}';
    const sent = await ask('PATCH', `/scan/${id}/manifest`, `{"progress": ${progress}, "scan_metadata": ${metadata}}`);
    expect(sent.status).toBe(200);
    const shown = [
      '"scan_metadata":{"chi2":NaN,"big":Infinity}',
      '"tallies":{"a/b":[1,NaN,{"~":Infinity}]}',
      '"runtime":{"x":-Infinity},"rate":{"r":NaN}',
      '"epilogue":"NaN"',
    ];
    const stored = must(await api.store.get(progressKey(id)), 'the report was stored');
    expect(JSON.parse(stored.value.toString())).toMatchObject({
      progress: {tallies: {'a/b': [1, null, {'~': null}]}},
      scan_metadata: {big: null, chi2: null},
      non_finite: expect.arrayContaining([
        ['/progress/tallies/a~1b/1', 'NaN'],
        ['/progress/tallies/a~1b/2/~0', 'Infinity'],
        ['/progress/processing_stats/runtime/x', '-Infinity'],
        ['/scan_metadata/chi2', 'NaN'],
      ]) as unknown,
    });
    const fetched = await ask('GET', `/scan/${id}/manifest`, undefined, other);
    const found = await ask('POST', '/scans/find', JSON.stringify({filter: {scan_id: id}}), other);
    const deleted = await ask('DELETE', `/scan/${id}`, '{}', other);
    for (const {text} of [sent, fetched, found, deleted]) {
      // In etcd the members of an object are in the order of their names.
      const parts = text === sent.text ? shown : ['"big":Infinity,"chi2":NaN', ...shown.slice(1)];
      for (const part of parts)
        expect(text.replace('"rate":{"r":NaN},"runtime":{"x":-Infinity}', '"runtime":{"x":-Infinity},"rate":{"r":NaN}')).toContain(part);
    }
    // Equal metadata is no change, and what follows without any leaves nothing behind.
    expect((await ask('PATCH', `/scan/${id}/manifest`, `{"scan_metadata": ${metadata}}`)).status).toBe(200);
    const changed = await ask('PATCH', `/scan/${id}/manifest`, '{"scan_metadata": {"chi2": Infinity, "big": 1e999}}');
    expect(changed).toEqual({status: 400, text: '{"code":400,"error":"Cannot change an existing scan_metadata"}'});
    expect((await ask('PATCH', `/scan/${id}/manifest`, JSON.stringify({progress: PROGRESS}))).text).not.toContain('"rate":{"r":NaN}');
  });

  test('where a report must have a number, NaN is none', async () => {
    const body = JSON.stringify({progress: {...PROGRESS, predictive_scanning_threshold: 7}}).replace(':7', ':NaN');
    expect(await api.ask('PATCH', `/scan/${id}/manifest`, {body})).toMatchObject({
      status: 400,
      reason: "'progress': must match one of the accepted types",
    });
    const metadata = JSON.stringify({event_metadata: {...METADATA, mjd: 7}}).replace(':7', ':NaN');
    expect((await api.ask('PATCH', `/scan/${id}/manifest`, {body: metadata})).status).toBe(400);
    expect((await api.ask('PATCH', `/scan/${id}/manifest`, {body: '{"foo": NaN}'})).reason).toContain('Failed to deserialize');
  });
});

describe('an event of a kind that the scanner has no name for', () => {
  const nameless = {...METADATA, event_type: null};

  test('case 20: metadata that comes alone is refused for it', async () => {
    expect(await patch({event_metadata: nameless})).toMatchObject({status: 400, reason: "'event_metadata': must match one of the accepted types"});
    expect((await manifest()).event_metadata).toBeNull();
  });

  test('a report with progress is taken, again and again, and the scan is found by its event', async () => {
    const metadata = {...nameless, run_id: Number.parseInt(id.slice(-6), 16)};
    for (let round = 1; round <= 3; round++) {
      const answer = await patch({progress: {...PROGRESS, tallies: {round}}, event_metadata: {...metadata, version: 1}, scan_metadata: {a: 1}});
      expect(answer.status).toBe(200);
      expect(answer.body).toMatchObject({event_metadata: metadata, scan_metadata: {a: 1}, progress: {tallies: {round}}});
    }
    const filter = {'event_metadata.run_id': metadata.run_id, 'event_metadata.event_id': 123, 'event_metadata.is_real_event': true};
    expect((await other.ask('POST', '/scans/find', {body: {filter}})).body.manifests).toHaveLength(1);
  });

  test('the name may come later, once, and a report without it does not take it away', async () => {
    expect((await patch({progress: PROGRESS, event_metadata: nameless})).status).toBe(200);
    expect((await patch({event_metadata: METADATA})).body.event_metadata).toEqual(METADATA);
    expect((await patch({progress: PROGRESS, event_metadata: nameless})).body.event_metadata).toEqual(METADATA);
    const renamed = await patch({progress: PROGRESS, event_metadata: {...METADATA, event_type: 'other'}});
    expect(renamed).toMatchObject({status: 400, reason: 'Cannot change an existing event_metadata'});
    expect((await patch({progress: PROGRESS, event_metadata: {...nameless, run_id: 1}})).status).toBe(400);
    expect((await manifest()).event_metadata).toEqual(METADATA);
  });
});

describe('case 18, mended: results that come late', () => {
  test('of a deleted scan they are kept, for who asks with include_deleted; deleting is not undone', async () => {
    await put({a: 1}, false);
    await api.ask('DELETE', `/scan/${id}`);
    expect((await put({a: 2}, false)).body).toEqual({scan_id: id, skyscan_result: {a: 2}, is_final: false});
    expect((await put({a: 3}, true)).status).toBe(200);
    expect((await put({a: 4}, false)).body).toEqual({scan_id: id, skyscan_result: {a: 3}, is_final: true});
    expect((await api.ask('GET', `/scan/${id}/result`)).status).toBe(404);
    expect((await api.ask('GET', `/scan/${id}/result?include_deleted=true`)).body).toEqual({scan_id: id, skyscan_result: {a: 3}, is_final: true});
    expect((await manifest()).error).toBe('Not Found');
  });

  test('of two partial ones the last to arrive stands, since nothing in them tells which is newer', async () => {
    for (const a of [2, 1]) await put({a}, false);
    expect((await api.ask('GET', `/scan/${id}/result`)).body.skyscan_result).toEqual({a: 1});
  });

  test('a second final result replaces the first: a scanner that was started again has the last word', async () => {
    await put({a: 1}, true);
    expect((await put({a: 2}, true)).body).toEqual({scan_id: id, skyscan_result: {a: 2}, is_final: true});
  });

  test('one sent again because its answer was lost changes nothing', async () => {
    await put({a: 1}, true);
    const before = must(await api.store.get(`/scan/${id}/result`), 'a result').value.toString();
    expect((await put({a: 1}, true)).status).toBe(200);
    const after = must(await api.store.get(`/scan/${id}/result`), 'a result').value.toString();
    const headerOf = (text: string): unknown => ({...(JSON.parse(text) as object), updated_at: 0});
    expect(headerOf(after)).toEqual(headerOf(before));
    expect((await api.store.range(`~blob/result/${id}/`)).entries).toHaveLength(1);
  });
});
