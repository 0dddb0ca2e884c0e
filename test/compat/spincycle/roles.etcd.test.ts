import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {RouteDeps} from '../../../src/api/deps.ts';
import {gateOf} from '../../../src/api/requests/gate.ts';
import type {RequestRoute} from '../../../src/api/requests/route.ts';
import {requestRoutes} from '../../../src/api/requests/table.ts';
import {newJobToken} from '../../../src/schema/job-token.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {knowing, startRequestApi} from '../../support/request-api.ts';
import type {RequestApi} from '../../support/request-api.ts';

/** Who may call what. What callers may do with which request, access lists say. */
const MATRIX: Readonly<Record<string, RequestRoute['who']>> = {
  'GET /version': 'caller',
  'GET /api/v1/version': 'caller',
  'POST /api/v1/requests': 'caller',
  'GET /api/v1/requests': 'caller',
  'GET /api/v1/requests/:id': 'caller',
  'GET /api/v1/requests/:id/job-chain': 'caller',
  'GET /api/v1/requests/:id/log': 'caller',
  'GET /api/v1/requests/:id/log/:job': 'caller',
  'PUT /api/v1/requests/:id/stop': 'caller',
  'PUT /api/v1/requests/:id/suspend': 'caller',
  'PUT /api/v1/requests/:id/resume': 'caller',
  'PUT /api/v1/requests/:id/retry': 'caller',
  'GET /api/v1/request-list': 'caller',
  'GET /api/v1/status/running': 'caller',
  'GET /api/v1/requests/:id/suspended': 'caller',
  'PUT /api/v1/requests/:id/start': 'executor',
  'PUT /api/v1/requests/:id/finish': 'executor',
  'PUT /api/v1/requests/:id/progress': 'executor',
  'POST /api/v1/requests/:id/log': 'executor',
  'POST /api/v1/requests/:id/jobs/:job/report': 'job',
  'PUT /api/v1/requests/:id/jobs/:job/report': 'job',
};

const PEOPLE = {
  ana: {requestRoles: ['observer']},
  op: {requestRoles: ['operator']},
  guest: {requestRoles: ['guest']},
  runner: {requestRoles: ['executor']},
  root: {requestRoles: ['root']},
  astronomer: {roles: ['user']},
  service: {roles: ['system']},
  nothing: {},
} as const;

let etcd: TestEtcd;
let api: RequestApi;
let guarded: string;
let scan: string;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  const policy = {adminRoles: ['root'], strict: true, executorRole: 'executor'};
  api = await startRequestApi(etcd.endpoint, {authenticator: knowing(PEOPLE), policy});
  guarded = (await api.ask('POST', '/api/v1/requests', {body: {type: 'guarded'}, token: 'ana'})).body.id as string;
  const body = {
    reco_algo: 'a',
    nsides: {'1': 2},
    real_or_simulated_event: 'real',
    docker_tag: 'latest',
    max_pixel_reco_time: 60,
    cluster: {foobar: 1},
    event_i3live_json: {a: 1},
  };
  scan = (await api.ask('POST', '/scan', {body, token: 'astronomer'})).body.scan_id as string;
});
afterAll(async () => {
  await api.stop();
  await etcd.stop();
});

const ask = (route: string, id: string, token: string | undefined): ReturnType<RequestApi['ask']> => {
  const [method, path] = route.split(' ') as [string, string];
  const options = {...(method === 'GET' ? {} : {body: {}}), ...(token === undefined ? {} : {token})};
  return api.ask(method, path.replace(':id', id).replace(':job', 'j1'), options);
};

test('every route stands in the table, and nothing else', () => {
  const deps = {config: {publicAddress: ''}} as unknown as RouteDeps;
  const table = requestRoutes(deps, gateOf(undefined)).map(({method, path, who}) => [`${method.toUpperCase()} ${path}`, who] as const);
  expect(Object.fromEntries(table)).toEqual(MATRIX);
});

describe.each(Object.entries(MATRIX))('%s', (route, who) => {
  test('answers nobody who cannot say who it is, and nobody without any role', async () => {
    const before = await api.cache.catchUp();
    for (const token of [undefined, 'nobody', 'nothing', newJobToken(guarded), newJobToken(scan)]) {
      const {status, body} = await ask(route, guarded, token);
      expect(status, `${token}`).toBe(401);
      expect(Object.keys(body as object)).toEqual(['message']);
    }
    expect(await api.cache.catchUp()).toBe(before);
  });

  test(who === 'executor' ? 'is for executors and admins' : 'lets in whoever is known', async () => {
    if (who === 'job') return;
    const names = Object.keys(PEOPLE).filter((name) => name !== 'nothing');
    for (const name of names) {
      const {status, body} = await ask(route, 'nobody', name);
      const mayCome = who === 'caller' || name === 'runner' || name === 'root';
      if (mayCome) expect(body, `${name}: ${status}`).not.toEqual({message: 'only the role executor may do this'});
      else expect({status, body}, `${name}`).toEqual({status: 401, body: {message: 'only the role executor may do this'}});
    }
  });
});

describe('access lists', () => {
  test('who may only start may not stop, an admin of the list may', async () => {
    await api.putState(guarded, {});
    for (const name of ['ana', 'guest', 'astronomer', 'runner'])
      expect((await ask('PUT /api/v1/requests/:id/stop', guarded, name)).status, `${name}`).toBe(401);
    expect(await api.control(guarded)).toBeUndefined();
    for (const name of ['op', 'root']) expect((await ask('PUT /api/v1/requests/:id/stop', guarded, name)).status, `${name}`).toBe(200);
  });

  test('a type without access list is the admins’ where access is strict', async () => {
    const create = (token: string): ReturnType<RequestApi['ask']> =>
      api.ask('POST', '/api/v1/requests', {body: {type: 'calibrate', args: {field: 'x'}}, token});
    expect((await create('ana')).status).toBe(401);
    expect((await create('root')).status).toBe(201);
  });

  test('sky scans are shown to those who may see them with SkyDriver, and to admins', async () => {
    for (const [name, status] of [
      ['astronomer', 200],
      ['service', 200],
      ['root', 200],
      ['ana', 404],
      ['runner', 404],
    ] as const) {
      for (const path of ['', '/job-chain', '/log'])
        expect((await api.ask('GET', `/api/v1/requests/${scan}${path}`, {token: name})).status, `${name} ${path}`).toBe(status);
      const found = (await api.ask('GET', '/api/v1/requests', {token: name})).body as {id: string}[];
      expect(
        found.some(({id}) => id === scan),
        `${name}`,
      ).toBe(status === 200);
    }
    expect((await ask('PUT /api/v1/requests/:id/stop', scan, 'ana')).status).toBe(404);
    expect((await ask('PUT /api/v1/requests/:id/stop', scan, 'service')).status).toBe(401);
    expect((await ask('PUT /api/v1/requests/:id/stop', scan, 'astronomer')).status).toBe(409);
  });

  test('an executor who may not see sky scans says nothing of them', async () => {
    await api.putState(scan, {jobs_total: 2});
    const before = await api.cache.catchUp();
    const log = {jobId: 'j1', try: 1, state: 3};
    const chain = {jobChain: {requestId: scan}};
    for (const [method, path, body, status] of [
      ['PUT', 'start', {}, 404],
      ['PUT', 'finish', {state: 4}, 404],
      ['PUT', 'suspend', chain, 404],
      ['POST', 'log', log, 404],
      ['PUT', 'progress', {requestId: scan, finishedJobs: 1}, 200], // As of any request that is not there.
    ] as const) {
      expect((await api.ask(method, `/api/v1/requests/${scan}/${path}`, {body, token: 'runner'})).status, `${path}`).toBe(status);
    }
    expect(await api.cache.catchUp()).toBe(before);
    expect((await api.ask('POST', `/api/v1/requests/${scan}/log`, {body: log, token: 'root'})).status).toBe(201);
  });

  test('to suspend with a chain is for executors', async () => {
    const body = {requestId: guarded, jobChain: {requestId: guarded}};
    expect((await api.ask('PUT', `/api/v1/requests/${guarded}/suspend`, {body, token: 'op'})).status).toBe(401);
    expect((await api.ask('PUT', `/api/v1/requests/${guarded}/suspend`, {body, token: 'runner'})).status).not.toBe(401);
  });
});
