import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {knowing, startRequestApi} from '../../support/request-api.ts';
import type {RequestApi} from '../../support/request-api.ts';

let etcd: TestEtcd;
let api: RequestApi;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startRequestApi(etcd.endpoint);
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
});

const create = (body: unknown, headers: Record<string, string> = {}): ReturnType<RequestApi['ask']> =>
  api.ask('POST', '/api/v1/requests', {body, headers});
const find = (query: string): ReturnType<RequestApi['ask']> => api.ask('GET', `/api/v1/requests?${query}`);
/** What a handled error says. */
const handled = (httpStatus: number, text: string): object => ({
  status: httpStatus,
  body: {message: expect.stringContaining(text) as unknown, requestId: '', httpStatus},
});

describe('4.23 requests that cannot be made', () => {
  afterAll(async () => {
    // Nothing of what is refused is stored.
    for (const prefix of ['/scan/', '/backlog/', '~blob/']) expect((await api.store.range(prefix)).entries).toEqual([]);
  });

  test('case 319: of an unknown type (mended)', async () => {
    expect(await create({type: 'nowhere'})).toMatchObject(handled(400, 'no request type is called "nowhere"'));
    expect(await create({type: '__proto__'})).toMatchObject(handled(400, '"__proto__"'));
    expect(await create({type: 'part'})).toMatchObject(handled(400, '"part" is not a request'));
  });

  test('case 320: without a required argument (mended)', async () => {
    expect(await create({type: 'calibrate', args: {}})).toMatchObject(handled(400, 'missing argument "field"'));
    expect(await create({type: 'calibrate', args: {field: 'x', feild: 'y'}})).toMatchObject(handled(400, '"feild"'));
    expect(await create({type: 'calibrate', args: {field: 'x', archive: 'hot'}})).toMatchObject(handled(400, '"archive"'));
  });

  test('of a type whose jobs cannot be created: the place is named (mended)', async () => {
    expect(await create({type: 'broken-at-creation'})).toMatchObject(handled(400, 'spec.yaml:'));
  });

  test('case 321: with nothing said', async () => {
    expect(await create({})).toMatchObject(handled(400, 'Type: is missing'));
    expect(await create(undefined)).toMatchObject(handled(400, 'Type: is missing'));
    expect(await create('')).toMatchObject(handled(400, 'Type: is missing'));
  });

  test('case 322: without the content type of JSON', async () => {
    for (const type of ['', 'text/plain', 'application/x-www-form-urlencoded']) {
      const answer = await create({type: 'calibrate', args: {field: 'x'}}, {'content-type': type});
      expect(answer).toMatchObject({status: 415, body: {message: 'Unsupported Media Type'}});
      expect(Object.keys(answer.body as object)).toEqual(['message']);
    }
  });

  test('case 323: with members of the wrong type', async () => {
    expect(await create({type: 1})).toMatchObject({status: 400, body: {message: 'Type: expected a text, got 1'}});
    expect(await create({type: 'calibrate', args: []})).toMatchObject({status: 400, body: {message: 'Args: expected an object, got a list'}});
    expect(await create([])).toMatchObject({status: 400});
    expect(await create('{"type": "calibrate", "args": {"field": {"__proto__": 1}}}')).toMatchObject({status: 400});
    expect(await create(`{"type": "calibrate", "args": {"field": ${'['.repeat(50_000)}${']'.repeat(50_000)}}}`)).toMatchObject({status: 400});
  });

  test('of which there is more than fits', async () => {
    expect(await create({type: 'calibrate', args: {field: 'x'.repeat(9 * 2 ** 20)}})).toMatchObject({status: 413});
    expect(await create({type: 'calibrate', args: {field: 'x'.repeat(600 * 1024)}})).toMatchObject(handled(413, "'field'"));
  });

  test('case 334: by who may not (mended)', async () => {
    const guarded = await startRequestApi(etcd.endpoint, {authenticator: knowing({eve: {requestRoles: ['guest']}})});
    expect(await guarded.ask('POST', '/api/v1/requests', {body: {type: 'guarded'}, token: 'eve'})).toMatchObject({status: 401});
    await guarded.stop();
  });
});

describe('4.23 searches that say nonsense', () => {
  test('case 324: a state in lower case', async () => {
    expect(await find('state=running')).toMatchObject(handled(400, 'state'));
  });
  test('case 325: an argument without its value', async () => {
    expect(await find('arg=x')).toMatchObject(handled(400, 'arg'));
  });
  test('case 326: a time that is none', async () => {
    expect(await find('since=yesterday')).toMatchObject(handled(400, 'since'));
    expect(await find('until=2021-02-30T00:00:00Z')).toMatchObject(handled(400, 'until'));
  });
  test('case 327: a limit below nothing', async () => {
    expect(await find('limit=-1')).toMatchObject(handled(400, 'limit'));
  });
  test('case 328: an offset is looked at beside a limit alone', async () => {
    expect(await find('offset=abc')).toMatchObject({status: 200});
    expect(await find('offset=abc&limit=1')).toMatchObject(handled(400, 'offset'));
  });
  test('case 329: where nothing matches the list is empty (mended)', async () => {
    expect(await find('type=nowhere')).toMatchObject({status: 200, body: []});
  });
  test('an order that there is not is refused (mended)', async () => {
    expect(await api.ask('GET', '/api/v1/status/running?orderBy=colour')).toMatchObject(handled(400, 'orderBy'));
    expect(await api.ask('GET', '/api/v1/status/running?orderBy=startTime')).toMatchObject({status: 200, body: {jobs: [], requests: {}}});
  });
});

describe('4.23 requests in the wrong state', () => {
  test('case 330: a stop before it has begun is a conflict (mended)', async () => {
    const id = await api.newRequest();
    expect(await api.ask('PUT', `/api/v1/requests/${id}/stop`)).toMatchObject(handled(409, 'it is PENDING'));
  });

  test('case 331: what is suspended can be stopped (mended)', async () => {
    const id = await api.newRequest();
    await api.putState(id, {name: 'SUSPENDED'});
    expect(await api.ask('PUT', `/api/v1/requests/${id}/stop`)).toMatchObject({status: 200});
    expect(await api.control(id)).toMatchObject({desired: 'stop'});
  });

  test('case 333: the log of an unknown request is not found (mended)', async () => {
    expect(await api.ask('GET', '/api/v1/requests/nobody/log')).toMatchObject(handled(404, 'request nobody not found'));
    expect(await api.ask('GET', '/api/v1/requests/nobody/log?follow=true')).toMatchObject(handled(404, 'request nobody not found'));
  });
});

describe('1.0 what the framework says', () => {
  test('an unknown path is not found', async () => {
    for (const path of ['/api/v1', '/api/v1/', '/api/v1/nowhere', '/api/v1/requests/', '/api/v1/job-chains']) {
      const {status, body, headers} = await api.ask('GET', path);
      expect({status, body}, `${path}`).toEqual({status: 404, body: {message: 'Not Found'}});
      expect(headers.get('x-spincycle-version')).not.toBeNull();
    }
    expect(await api.ask('GET', `/api/v1/requests/${'x'.repeat(200)}`)).toMatchObject({status: 404});
    expect(await api.ask('GET', '/api/v1/requests/a%2Fb')).toMatchObject({status: 404});
    expect(await api.ask('GET', '/api/v1/requests/%zz')).toMatchObject({status: 404});
  });

  test('a method that there is not for a path is refused', async () => {
    const answer = await api.ask('DELETE', '/api/v1/requests');
    expect(answer).toMatchObject({status: 405, body: {message: 'Method Not Allowed'}});
    expect(answer.headers.get('allow')).toBe('POST, GET');
  });

  test('the page of another site changes nothing where nobody is asked who they are', async () => {
    expect(await create({type: 'calibrate', args: {field: 'x'}}, {origin: 'https://elsewhere.example'})).toMatchObject({status: 401});
  });

  test('a process that is ending takes no more, and goes on telling (mended)', async () => {
    const ending = await startRequestApi(etcd.endpoint, {stopping: AbortSignal.abort()});
    expect(await ending.ask('POST', '/api/v1/requests', {body: {type: 'calibrate', args: {field: 'x'}}})).toMatchObject(handled(503, 'ending'));
    expect(await ending.ask('GET', '/api/v1/requests')).toMatchObject({status: 200});
    await ending.stop();
  });
});
