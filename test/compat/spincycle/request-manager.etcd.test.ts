import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {backlogKey, chainKey, scanKey} from '../../../src/schema/keys.ts';
import {requestList} from '../../../src/api/requests/request-list.ts';
import {skymapSpecs} from '../../../src/specs/skymap-chain.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {startRequestApi} from '../../support/request-api.ts';
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

const get = (path: string): ReturnType<RequestApi['ask']> => api.ask('GET', `/api/v1/requests/${path}`);
const put = (path: string): ReturnType<RequestApi['ask']> => api.ask('PUT', `/api/v1/requests/${path}`);

describe('4.4 Request manager', () => {
  test('case 46: a request without a type is refused', async () => {
    expect(await api.ask('POST', '/api/v1/requests', {body: {type: '', args: {}}})).toMatchObject({
      status: 400,
      body: {message: 'Type: is missing', requestId: '', httpStatus: 400},
    });
  });

  test('case 47: a request of three jobs has seven, and its arguments are kept as they were resolved', async () => {
    const id = await api.newRequest('calibrate', {field: 'x'});
    const {body} = await get(id);
    expect(body).toMatchObject({id, state: 1, user: '?', totalJobs: 7});
    expect(Date.parse(body.createdAt as string)).toBeGreaterThan(0);
    expect(body.args.slice(0, 2)).toEqual([
      {Pos: 0, Name: 'field', Desc: 'Field to calibrate', Type: 'required', Given: true, Default: null, Value: 'x'},
      {Pos: 0, Name: 'passes', Desc: 'Number of passes', Type: 'optional', Given: false, Default: '175', Value: '175'},
    ]);
    expect(JSON.parse((await api.store.get(chainKey(id)))?.value.toString() ?? '')).toMatchObject({request_args: body.args});
  });

  test('case 48: an unknown request is not found', async () => {
    expect(await get('nobody')).toMatchObject({status: 404, body: {message: 'request nobody not found', requestId: '', httpStatus: 404}});
  });

  test('case 49: in a list a request has neither chain nor arguments', async () => {
    const id = await api.newRequest();
    const {body} = await api.ask('GET', '/api/v1/requests');
    const found = (body as {id: string}[]).find((each) => each.id === id);
    expect(Object.keys(found ?? {})).toEqual(['id', 'type', 'state', 'user', 'createdAt', 'startedAt', 'finishedAt', 'totalJobs', 'finishedJobs']);
  });

  test('case 50: by its id a request is shown with its chain, as it is now (mended)', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    const tries = [{try: 1, intent_at: '', token_digest: '', place: '', exit: {code: 0, ended_at: '2026-01-01T00:01:00.000Z'}}];
    await api.putState(id, {jobs_total: 7, jobs_finished: 3});
    await api.putJob(id, load, {type: 'load', state: 'COMPLETE', tries, completed: 1, data: {depth: 3}});
    const {body} = await get(id);
    expect(body).toMatchObject({state: 2, startedAt: '2026-01-01T00:00:00Z', totalJobs: 7, finishedJobs: 3});
    expect(body.JobChain).toMatchObject({state: 2, finishedJobs: 3, jobs: {[load]: {state: 3, data: {depth: 3}}}});
    expect(body.JobChain.jobs[await api.jobOf(id, 'solve')]).toMatchObject({state: 1});
  });

  test('case 53: a request that has not begun is not stopped unless that is said', async () => {
    const id = await api.newRequest();
    expect(await put(`${id}/stop`)).toMatchObject({
      status: 409,
      body: {message: expect.stringContaining('it is PENDING') as unknown, httpStatus: 409},
    });
    expect(await api.control(id)).toBeUndefined();
    expect(await put(`${id}/stop?pending=true`)).toMatchObject({status: 200});
    expect(await api.control(id)).toMatchObject({desired: 'stop', generation: 1});
    expect(await put(`${id}/stop`)).toMatchObject({status: 200});
  });

  test('case 54: to stop what is complete is no error, and changes nothing', async () => {
    const id = await api.newRequest();
    await api.putState(id, {name: 'COMPLETE', ended_at: '2026-01-01T00:01:00.000Z'});
    expect(await put(`${id}/stop`)).toMatchObject({status: 200});
    expect(await api.control(id)).toBeUndefined();
  });

  test('case 55: to stop a request is to write down that it is wanted, for whoever leads it (mended)', async () => {
    const id = await api.newRequest();
    await api.putState(id, {});
    expect(await put(`${id}/stop`)).toMatchObject({status: 200});
    expect(await api.control(id)).toMatchObject({desired: 'stop', generation: 1});
    // Asked again, since the answer may have been lost.
    expect(await put(`${id}/stop`)).toMatchObject({status: 200});
    expect(await api.control(id)).toMatchObject({generation: 1});
  });

  test('case 60: the chain of an unknown request is not found', async () => {
    expect(await get('nobody/job-chain')).toMatchObject({status: 404});
  });

  test('case 61: a stored chain that is none is an error, and other requests are shown', async () => {
    const id = await api.newRequest();
    await api.store.commit({compares: [], ops: [{put: chainKey(id), value: '{"jobs": 7'}]});
    expect(await get(`${id}/job-chain`)).toMatchObject({status: 500, body: {message: 'Internal Server Error'}});
    expect(await get(await api.newRequest())).toMatchObject({status: 200});
    await api.store.commit({compares: [], ops: [{delete: scanKey(id)}, {delete: chainKey(id)}]});
  });

  test('case 62: the chain is shown as it was stored', async () => {
    const id = await api.newRequest();
    const stored = JSON.parse((await api.store.get(chainKey(id)))?.value.toString() ?? '') as {jobs: object; adjacency: object};
    const {body} = await get(`${id}/job-chain`);
    expect(body.adjacencyList).toEqual(stored.adjacency);
    expect(Object.keys(body.jobs as object).sort()).toEqual(Object.keys(stored.jobs).sort());
  });

  test('a chain too large for one value is stored, shown and counted like any other', async () => {
    const id = await api.newRequest('calibrate', {field: 'x'.repeat(80_000)});
    expect((await api.store.get(chainKey(id)))?.value.toString()).toContain('"blob"');
    expect((await get(id)).body).toMatchObject({totalJobs: 7, JobChain: {requestId: id}, args: [{Value: 'x'.repeat(80_000)}, {}, {}]});
    expect(((await api.ask('GET', '/api/v1/requests?limit=1')).body as unknown[])[0]).toMatchObject({id, totalJobs: 7});
  });
});

describe('4.4 Request manager: find', () => {
  const DAY = '2030-01-01T';
  const at = (time: string): number => Date.parse(`${DAY}${time}:00Z`) / 1000;
  const T = ['i1', 'i2', 'i3', 'i4', 'i5', 'i6'];
  beforeAll(async () => {
    await api.putSpec('A', {type: 'w', user: 'john', args: {some: 'param'}, created_at: at('00:00')});
    await api.putSpec('B', {type: 'w', user: 'finch', args: {some: 'param', more: '1'}, created_at: at('01:00')});
    await api.putState('B', {name: 'RUNNING'});
    await api.putSpec('C', {type: 'w', user: 'john', args: {some: 'other_param'}, created_at: at('02:00')});
    await api.putState('C', {name: 'COMPLETE', ended_at: `${DAY}04:00:00.000Z`});
    for (const id of [...T].reverse()) await api.putSpec(id, {type: 'T', created_at: at('03:00')});
    // What other tests have made is older.
  });
  const find = async (query: string): Promise<string[]> => {
    const {status, body} = await api.ask('GET', `/api/v1/requests?${query}`);
    expect(status).toBe(200);
    const found = body as {id: string; createdAt: string}[];
    expect(found.some((each) => 'args' in each || 'JobChain' in each)).toBe(false);
    return found.filter(({createdAt}) => createdAt.startsWith('2030')).map(({id}) => id);
  };

  test('case 63: by state', async () => {
    expect(await find('state=PENDING&state=COMPLETE&type=w')).toEqual(['C', 'A']);
  });
  test('case 64: by user', async () => {
    expect(await find('user=finch')).toEqual(['B']);
    expect(await find('user=%3F&limit=2')).toEqual(['i1', 'i2']); // Nobody said who called: as it is shown.
  });
  test('case 65: by type; what was made at the same time comes by its id', async () => {
    expect(await find('type=T')).toEqual(T);
  });
  test('case 66: in a time window: finished after its begin or not finished, made before its end', async () => {
    expect(await find(`since=${DAY}02:15:00Z&until=${DAY}02:45:00Z`)).toEqual(['C', 'B', 'A']);
    expect(await find(`since=${DAY}04:00:00Z&type=w`)).toEqual(['B', 'A']);
    expect(await find(`until=${DAY}02:00:00Z`)).toEqual(['B', 'A']);
  });
  test('case 67: by pages', async () => {
    expect(await find('type=T&limit=2&offset=2')).toEqual(['i3', 'i4']);
    expect(await find('type=T&limit=0&offset=2')).toEqual(T);
  });
  test('case 68: by arguments as they were given', async () => {
    expect(await find('arg=some%3Dparam')).toEqual(['B', 'A']);
    expect(await find('arg=some%3Dparam&arg=more%3D1')).toEqual(['B']);
    // No pattern: these stand for themselves.
    expect(await find('arg=some%3D%25param')).toEqual([]);
  });
  test('case 69: without conditions all are found, newest first', async () => {
    expect(await find('')).toEqual([...T, 'C', 'B', 'A']);
  });
  test('what is marked as deleted is not found', async () => {
    await api.putSpec('gone', {type: 'gone', created_at: at('05:00')});
    await api.store.commit({compares: [], ops: [{put: '/scan/gone/control', value: '{"desired":"stop","is_deleted":true}'}]});
    expect(await find('type=gone')).toEqual([]);
  });
});

describe('what users want of a request', () => {
  const cases: readonly [string, string, string, number, string?][] = [
    ['suspend', 'RUNNING', 'run', 200, 'suspend'],
    ['suspend', 'RUNNING', 'suspend', 200, 'suspend'],
    ['suspend', 'RUNNING', 'stop', 409, 'stop'],
    ['suspend', 'COMPLETE', 'run', 409],
    ['suspend', 'PENDING', 'run', 409],
    ['resume', 'SUSPENDED', 'suspend', 200, 'run'],
    ['resume', 'SUSPENDED', 'stop', 409, 'stop'],
    ['resume', 'RUNNING', 'run', 409],
    ['resume', 'FAIL', 'run', 409],
    ['stop', 'SUSPENDED', 'suspend', 200, 'stop'],
    ['stop', 'FAIL', 'run', 409],
    ['stop', 'STOPPED', 'stop', 409, 'stop'],
    ['retry', 'RUNNING', 'run', 409],
    ['retry', 'COMPLETE', 'run', 409],
    ['retry', 'FAIL', 'run', 200, 'run'],
    ['retry', 'STOPPED', 'stop', 200, 'run'],
  ];
  test.each(cases)('%s of one that is %s and wanted: %s, is answered with %i', async (wish, state, desired, status, after) => {
    const id = await api.newRequest();
    if (state !== 'PENDING')
      await api.putState(id, {name: state as 'RUNNING', ...(state === 'RUNNING' ? {} : {ended_at: '2026-01-01T00:01:00.000Z'})});
    if (desired !== 'run') await api.store.commit({compares: [], ops: [{put: `/scan/${id}/control`, value: JSON.stringify({desired})}]});
    expect(await put(`${id}/${wish}`)).toMatchObject({status});
    expect((await api.control(id))?.desired).toBe(after === 'run' || after === undefined ? (status === 200 ? after : undefined) : after);
  });

  test('a retry asks for a further attempt, and the request waits again', async () => {
    const id = await api.newRequest();
    await api.putState(id, {name: 'FAIL', attempt: 2, ended_at: '2026-01-01T00:01:00.000Z', reason: 'load failed'});
    expect((await get(id)).body).toMatchObject({state: 4, finishedAt: '2026-01-01T00:01:00Z'});
    for (let n = 0; n < 2; n++) expect(await put(`${id}/retry`)).toMatchObject({status: 200});
    expect(await api.control(id)).toMatchObject({desired: 'run', attempt: 3, generation: 1});
    expect((await get(id)).body).toMatchObject({state: 1, finishedAt: null});
  });

  test('a job that was tried shows as stopped in a request that does not go on', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    await api.putJob(id, load, {
      state: 'PENDING',
      tries: [{try: 1, intent_at: '', token_digest: '', place: '', exit: {code: null, reason: 'stopped', ended_at: ''}}],
    });
    for (const [name, shown] of [
      ['RUNNING', 1],
      ['SUSPENDED', 6],
      ['STOPPED', 6],
      ['FAIL', 6],
    ] as const) {
      await api.putState(id, {name});
      expect((await get(`${id}/job-chain`)).body.jobs[load].state, `${name}`).toBe(shown);
    }
  });

  test('a request that is to wait is made without a place in the backlog', async () => {
    const {status, body} = await api.ask('POST', '/api/v1/requests?start=false', {body: {type: 'calibrate', args: {field: 'x'}}});
    expect({status, state: body.state}).toEqual({status: 201, state: 1});
    await api.cache.catchUp();
    expect(api.cache.scans.get(body.id as string)).toMatchObject({control: {value: {desired: 'hold'}}});
    expect(api.cache.scans.get(body.id as string)?.backlog).toBeUndefined();
    expect(api.cache.scans.get(await api.newRequest())?.backlog).toBeDefined();
  });

  test('a creation that is repeated under its Idempotency-Key is the same request', async () => {
    const headers = {'idempotency-key': 'once'};
    const create = (body: unknown): ReturnType<RequestApi['ask']> => api.ask('POST', '/api/v1/requests', {body, headers});
    const first = await create({type: 'calibrate', args: {field: 'x'}});
    expect(await create({type: 'calibrate', args: {field: 'x'}})).toMatchObject({status: 201, body: {id: first.body.id as unknown}});
    expect(await create({type: 'calibrate', args: {field: 'y'}})).toMatchObject({status: 409});
  });
});

describe('sky scans as requests', () => {
  test('a sky scan is shown as a request, with its jobs, and other requests are none of SkyDriver’s', async () => {
    const id = await api.newScan({classifiers: {}});
    const {status, body} = await get(id);
    expect(status).toBe(200);
    expect(body).toMatchObject({id, type: 'skymap-scan', state: 1, totalJobs: 2, finishedJobs: 0});
    expect(Object.keys(body.JobChain.jobs as object)).toEqual(['server', 'workers-1']);
    expect(body.JobChain.adjacencyList).toEqual({});
    const args = body.args as {Name: string; Type: string; Desc: string; Pos: number}[];
    const argOf = (name: string): unknown => args.find(({Name}) => Name === name);
    expect(argOf('reco_algo')).toEqual({
      ...{Pos: 1, Name: 'reco_algo', Desc: 'Reconstruction algorithm', Type: 'required', Given: true, Default: null, Value: 'anything'},
    });
    expect(argOf('priority')).toMatchObject({Type: 'optional', Given: false, Default: '0', Value: '0'});
    expect(argOf('classifiers')).toMatchObject({Type: 'optional', Given: false, Value: ''});
    const declared = requestList(skymapSpecs()).flatMap((spec) => spec.Args.map(({Name, Type, Desc}) => [Name, Type, Desc]));
    expect(args.map(({Name, Type, Desc}) => [Name, Type, Desc])).toEqual(declared);
    const found = (await api.ask('GET', '/api/v1/requests?type=skymap-scan')).body as {id: string}[];
    expect(found.map((each) => each.id)).toEqual([id]);
    expect(await put(`${id}/retry`)).toMatchObject({status: 409});

    const urgent = await api.newScan({priority: 7, classifiers: {night: 1}});
    expect((await get(urgent)).body.args).toEqual(
      expect.arrayContaining([
        expect.objectContaining({Name: 'priority', Given: true, Default: '0', Value: 7}),
        expect.objectContaining({Name: 'classifiers', Given: true, Value: {night: 1}}),
      ]),
    );

    const other = await api.newRequest();
    for (const path of [
      `/scan/${other}`,
      `/scan/${other}/manifest`,
      `/scan/${other}/status`,
      `/scan/${other}/result`,
      `/v1/scan/${other}/manifest`,
    ]) {
      expect(await api.ask('GET', path), `${path}`).toMatchObject({status: 404});
    }
    expect(await api.ask('DELETE', `/scan/${other}`, {body: {}})).toMatchObject({status: 404});
  });

  test('a sky scan can be asked for in texts alone, as the command line does; what is no JSON is refused with its name', async () => {
    const texts = {
      ...{docker_tag: 'latest', reco_algo: 'anything', real_or_simulated_event: 'real', event_i3live_json: '{"a": 1}', max_pixel_reco_time: '60'},
      ...{nsides: '{"64": 12, "8": 0}', request_clusters: '{"foobar": 2}', classifiers: '{"night": 1}', priority: '7'},
    };
    const ask = (args: object): ReturnType<RequestApi['ask']> => api.ask('POST', '/api/v1/requests', {body: {type: 'skymap-scan', args}});
    const {status, body} = await ask(texts);
    expect(status).toBe(201);
    const {request} = JSON.parse((await api.store.get(scanKey(body.id as string)))?.value.toString() ?? '') as {request: unknown};
    const nsides = [
      ['64', 12],
      ['8', 0],
    ];
    expect(request).toMatchObject({nsides, request_clusters: [['foobar', 2]], classifiers: {night: 1}, priority: 7, max_pixel_reco_time: 60});
    for (const [name, text] of [
      ['nsides', '8:0'],
      ['nsides', '['.repeat(5000)],
      ['priority', '1e999'],
      ['classifiers', '{"__proto__": 1}'],
      ['max_pixel_reco_time', '"60"'],
    ] as const) {
      const refusal = await ask({...texts, [name]: text});
      expect([refusal.status, refusal.body.message], `${name}`).toEqual([400, expect.stringContaining(name)]);
    }
  });

  test('a request that was put by hand without a time was made when it was first seen', async () => {
    await api.putSpec('byhand1', {});
    await api.putState('byhand1', {started_at: '2026-01-01T00:00:00.000Z'});
    expect((await get('byhand1')).body).toMatchObject({createdAt: '2026-01-01T00:00:00Z'});
    await api.store.commit({compares: [], ops: [{put: backlogKey('7fffffff-0', 'byhand1'), value: '{"timestamp": 1735689600.5}'}]});
    await api.cache.catchUp();
    expect((await get('byhand1')).body).toMatchObject({createdAt: '2025-01-01T00:00:00.5Z'});
  });

  test('a time of creation that nobody can write keeps no other request from being listed', async () => {
    await api.putSpec('byhand2', {created_at: 1_767_225_600_000}); // Milliseconds, where seconds were meant.
    await api.putSpec('byhand3', {created_at: 1e300});
    const {status, body} = await api.ask('GET', '/api/v1/requests?type=other');
    expect(status).toBe(200);
    const made = new Map((body as {id: string; createdAt: string}[]).map(({id, createdAt}) => [id, createdAt]));
    expect(made.get('byhand2')).toBe('0001-01-01T00:00:00Z');
    expect(made.get('byhand3')).toBe('0001-01-01T00:00:00Z');
  });
});
