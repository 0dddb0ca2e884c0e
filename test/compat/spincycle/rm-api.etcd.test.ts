import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {scanKey} from '../../../src/schema/keys.ts';
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

const CREATE = {type: 'calibrate', args: {field: 'x', passes: '3'}};

describe('4.2 RM API', () => {
  test('case 6: a body that is not JSON is refused', async () => {
    expect(await api.ask('POST', '/api/v1/requests', {body: '"x":1}'})).toMatchObject({status: 400, body: {message: 'the body is not JSON'}});
  });

  test('case 7: the user is who calls, whatever the body says; what goes wrong inside is a 500 that tells nothing', async () => {
    const authenticator = knowing({ana: {roles: ['user']}});
    const own = await startRequestApi(etcd.endpoint, {authenticator});
    const made = await own.ask('POST', '/api/v1/requests', {body: {...CREATE, user: 'mallory', User: 'eve'}, token: 'ana'});
    expect(made).toMatchObject({status: 201, body: {user: 'ana', type: 'calibrate'}});
    const stored = JSON.parse((await own.store.get(scanKey(made.body.id as string)))?.value.toString() ?? '') as unknown;
    expect(stored).toMatchObject({type: 'calibrate', args: CREATE.args, user: 'ana'});
    await own.stop();

    const failing = await startRequestApi(etcd.endpoint, {maker: {make: () => Promise.reject(new TypeError('secret'))}});
    expect(await failing.ask('POST', '/api/v1/requests', {body: CREATE})).toMatchObject({status: 500, body: {message: 'Internal Server Error'}});
    await failing.stop();
  });

  test('case 9: a request is made, and the answer shows it as it was made, with its address', async () => {
    const {status, headers, body} = await api.ask('POST', '/api/v1/requests', {body: CREATE});
    expect(status).toBe(201);
    expect(headers.get('location')).toBe(`/api/v1/requests/${body.id}`);
    expect(headers.get('x-spincycle-version')).toMatch(/^\d+\.\d+\.\d+(\+[\w.]+)?$/);
    expect(body).toEqual({
      id: expect.stringMatching(/^[0-9a-v]{20}$/) as unknown,
      type: 'calibrate',
      state: 1,
      user: '?',
      args: [
        {Pos: 0, Name: 'field', Desc: 'Field to calibrate', Type: 'required', Given: true, Default: null, Value: 'x'},
        {Pos: 0, Name: 'passes', Desc: 'Number of passes', Type: 'optional', Given: true, Default: '175', Value: '3'},
        {Pos: 0, Name: 'archive', Desc: '', Type: 'static', Given: false, Default: null, Value: 'cold'},
      ],
      createdAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/) as unknown,
      startedAt: null,
      finishedAt: null,
      totalJobs: 7,
      finishedJobs: 0,
    });
  });

  test('case 10: a request is shown by its id, with its chain', async () => {
    const made = (await api.ask('POST', '/api/v1/requests', {body: CREATE})).body as {id: string};
    const {status, body} = await api.ask('GET', `/api/v1/requests/${made.id}`);
    expect(status).toBe(200);
    const {JobChain, ...rest} = body as {JobChain: unknown};
    expect(rest).toEqual(made);
    expect(JobChain).toMatchObject({requestId: made.id, state: 1, finishedJobs: 0});
  });

  test('case 11: what is looked for in the query is what is found', async () => {
    await api.putSpec('found1', {type: 'scan', args: {k1: 'v1', k2: 'v2'}, user: 'ana', created_at: Date.parse('2021-03-04T06:00:00Z') / 1000});
    await api.putSpec('other1', {type: 'scan', args: {k1: 'v1', k2: 'v3'}, user: 'ana', created_at: Date.parse('2021-03-04T06:00:00Z') / 1000});
    const query =
      'arg=k1%3Dv1&arg=k2%3Dv2&limit=5&offset=0&since=2021-03-04T05%3A06%3A07.891234Z&state=PENDING&state=RUNNING&state=SUSPENDED&type=scan&until=2021-03-05T05%3A06%3A07.891Z&user=ana';
    const {status, body} = await api.ask('GET', `/api/v1/requests?${query}`);
    expect(status).toBe(200);
    expect((body as {id: string}[]).map(({id}) => id)).toEqual(['found1']);
    expect((await api.ask('GET', `/api/v1/requests?${query.replace('offset=0', 'offset=10')}`)).body).toEqual([]);
  });

  test('case 14: a request that runs is stopped', async () => {
    const id = await api.newRequest();
    await api.putState(id, {});
    expect(await api.ask('PUT', `/api/v1/requests/${id}/stop`)).toMatchObject({status: 200, body: ''});
    expect(await api.control(id)).toMatchObject({desired: 'stop'});
  });

  test('case 18: the chain of a request is shown alone', async () => {
    const id = await api.newRequest();
    const {status, body} = await api.ask('GET', `/api/v1/requests/${id}/job-chain`);
    expect(status).toBe(200);
    expect(body).toEqual((await api.ask('GET', `/api/v1/requests/${id}`)).body.JobChain);
    const load = await api.jobOf(id, 'load');
    expect(body.jobs[load]).toEqual({
      ...{id: load, name: 'load', type: 'load', bytes: 'e30=', state: 1, args: {field: 'x'}, retry: 1, retryWait: '500ms'},
      ...{sequenceId: expect.stringMatching(/^\w{4}$/) as unknown, sequenceRetry: 0},
    });
    expect(body.jobs[body.jobs[load].sequenceId]).toMatchObject({
      name: 'request_calibrate_begin',
      type: 'noop',
      sequenceRetry: 0,
      sequenceRetryWait: '0s',
    });
  });

  test('case 19: the latest try of a job is shown', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    for (const number of [9, 10]) await api.putLog(id, load, {try: number, state: 'FAIL', exit: number, error: 'no such field'});
    expect(await api.ask('GET', `/api/v1/requests/${id}/log/${load}`)).toMatchObject({
      status: 200,
      body: {requestId: id, jobId: load, try: 10, state: 4, exit: 10, error: 'no such field'},
    });
  });

  test('case 20: all tries of all jobs are shown', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    await api.putLog(id, load, {try: 1, state: 'FAIL'});
    await api.putLog(id, load, {try: 2});
    const {status, body} = await api.ask('GET', `/api/v1/requests/${id}/log`);
    expect(status).toBe(200);
    expect((body as {jobId: string; try: number}[]).filter(({jobId}) => jobId === load).map((entry) => entry.try)).toEqual([1, 2]);
  });

  describe('who calls', () => {
    const people = {ana: {requestRoles: ['observer']}, eve: {requestRoles: ['guest']}};
    let guarded: RequestApi;
    const asked: string[] = [];
    beforeAll(async () => {
      const authorize = (caller: {readonly name?: string}, {op, type}: {readonly op: string; readonly type: string}): Promise<void> => {
        asked.push(`${caller.name} ${op} ${type}`);
        return Promise.resolve();
      };
      guarded = await startRequestApi(etcd.endpoint, {authenticator: knowing(people), authorize});
    });
    afterAll(() => guarded.stop());
    const create = (token: string): ReturnType<RequestApi['ask']> => guarded.ask('POST', '/api/v1/requests', {body: {type: 'guarded'}, token});

    test('case 23: who cannot say who they are is told so, and nothing is made', async () => {
      const before = await guarded.cache.catchUp();
      expect(await create('nobody')).toMatchObject({status: 401, body: {message: 'authentication failed'}});
      expect(asked).toEqual([]);
      expect(await guarded.cache.catchUp()).toBe(before);
    });

    test('case 24: who may not start is told so, and nothing is made (mended)', async () => {
      const before = await guarded.cache.catchUp();
      const answer = await create('eve');
      expect(answer).toMatchObject({status: 401, body: {message: expect.stringContaining('not allowed to start guarded') as unknown}});
      expect(Object.keys(answer.body as object)).toEqual(['message']);
      expect(await guarded.cache.catchUp()).toBe(before);
    });

    test('case 25: who may start does, and was asked for once', async () => {
      asked.length = 0;
      expect(await create('ana')).toMatchObject({status: 201, body: {user: 'ana'}});
      expect(asked).toEqual(['ana start guarded']);
    });
  });

  test('case 26: the version is told, inside and outside of the API’s base path', async () => {
    for (const path of ['/version', '/api/v1/version']) {
      const {status, body, headers} = await api.ask('GET', path);
      expect({status, body}).toEqual({status: 200, body: expect.stringMatching(/^\d+\.\d+\.\d+(\+[\w.]+)?$/) as unknown});
      expect(headers.get('content-type')).toBe('text/plain; charset=UTF-8');
      expect(headers.get('x-spincycle-version')).toBe(body);
    }
  });
});
