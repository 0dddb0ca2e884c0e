import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {runnerRoutes} from '../../../src/api/runner/routes.ts';
import type {RunnerDeps} from '../../../src/api/runner/routes.ts';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import {JobRunnerClient} from '../../../src/proto/job-runner-client.ts';
import type {JobChain, SuspendedJobChain} from '../../../src/proto/types.ts';
import * as keys from '../../../src/schema/keys.ts';
import {programVersion} from '../../../src/lib/version.ts';
import {aJob, aSpec, aTry} from '../../support/builders.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {GATE, aWireChain, aWireJob, byRoles, startRunner} from '../../support/runner.ts';
import type {TestRunner} from '../../support/runner.ts';

let etcd: TestEtcd;
let runner: TestRunner;
let stopping: TestRunner;

const LINE = {a: ['b']};
let serial = 0;
const newId = (): string => `jr${++serial}`;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  runner = await startRunner(etcd.endpoint);
  stopping = await startRunner(etcd.endpoint);
  stopping.beginStopping();
});
afterAll(async () => {
  await runner?.stop();
  await stopping?.stop();
  await etcd?.stop();
});

interface Answer {
  readonly status: number;
  readonly location: string | null;
  readonly text: string;
}

async function send(url: string, method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<Answer> {
  const answer = await fetch(url + path, {
    method,
    headers: {...(body === undefined ? {} : {'content-type': 'application/json'}), ...headers},
    ...(body === undefined ? {} : {body: typeof body === 'string' ? body : JSON.stringify(body)}),
  });
  expect(answer.headers.get('x-spincycle-version')).toBe(`2.1.1+scanplane.${programVersion()}`);
  return {status: answer.status, location: answer.headers.get('location'), text: await answer.text()};
}
const post = (path: string, body: unknown, on: TestRunner = runner): Promise<Answer> => send(on.url, 'POST', path, body);

async function stored(key: string): Promise<unknown> {
  const entry = await runner.database.store.get(key);
  return entry === undefined ? undefined : JSON.parse(entry.value.toString());
}
async function keysBelow(prefix: string): Promise<string[]> {
  return (await runner.database.store.range(prefix)).entries.map(({key}) => key);
}

function suspendedChain(
  id: string,
  chain: JobChain = aWireChain(id, LINE, {a: {state: 3, data: {k: 1}}, b: {state: 6, data: {k: 1, own: 2}}}),
): SuspendedJobChain {
  return {requestId: id, jobChain: {...chain, state: 7}, totalJobTries: {a: 1, b: 3}, latestRunJobTries: {a: 1, b: 2}, sequenceTries: {}};
}

/** More jobs that have been tried than one transaction takes. */
function manyStopped(id: string): SuspendedJobChain {
  const jobs = Object.fromEntries(Array.from({length: 150}, (_, n) => [`j${n}`, {state: 6 as const}]));
  const edges = {first: Object.keys(jobs), ...Object.fromEntries(Object.keys(jobs).map((job) => [job, ['last']]))};
  const chain = aWireChain(id, edges, {...jobs, first: {state: 3}});
  const tries = Object.fromEntries(Object.keys(chain.jobs).map((job) => [job, 2]));
  return {requestId: id, jobChain: chain, totalJobTries: tries, latestRunJobTries: tries, sequenceTries: {}};
}

/** What a chain is sent to, and how it is sent. */
const WAYS = {
  new: {path: '/api/v1/job-chains', body: (id: string): unknown => aWireChain(id, LINE)},
  resumed: {path: '/api/v1/job-chains/resume', body: suspendedChain as (id: string) => unknown},
} as const;

/** A runner whose transactions fail. */
async function withFailingStore(code: 'internal' | 'unavailable', use: (failing: TestRunner) => Promise<void>): Promise<void> {
  const failing = await startRunner(etcd.endpoint, {
    groupCommit: {sent: {transactions: 0, commits: 0}, commit: () => Promise.reject(new ControlPlaneError(code, 'on purpose'))},
  });
  try {
    await use(failing);
  } finally {
    await failing.stop();
  }
}

async function refusesWhenNothingCanBeStored(way: keyof typeof WAYS): Promise<void> {
  await withFailingStore('internal', async (failing) => {
    const id = newId();
    const {path, body} = WAYS[way];
    expect(await post(path, body(id), failing)).toMatchObject({status: 500, text: '{"message":"Internal Server Error"}'});
    expect(await keysBelow(`/scan/${id}`)).toEqual([]);
  });
}

async function refusesTakenId(way: keyof typeof WAYS): Promise<void> {
  const id = newId();
  expect((await post('/api/v1/job-chains', aWireChain(id, {other: ['one', 'two'], one: ['end'], two: ['end']}))).status).toBe(200);
  const before = await runner.database.store.currentRevision();
  const {path, body} = WAYS[way];
  const {status, text} = await post(path, body(id));
  expect([status, JSON.parse(text)]).toEqual([400, {message: expect.stringContaining(`request ${id} exists already`) as string}]);
  expect(await runner.database.store.currentRevision()).toBe(before);
}

async function refusesWhileStopping(way: keyof typeof WAYS): Promise<void> {
  const id = newId();
  const {path, body} = WAYS[way];
  expect(await post(path, body(id), stopping)).toMatchObject({status: 503, text: '{"message":"shutting down"}'});
  expect(await keysBelow(`/scan/${id}`)).toEqual([]);
}

async function acceptsChain(way: keyof typeof WAYS): Promise<void> {
  const id = newId();
  const {path, body} = WAYS[way];
  expect(await post(path, body(id))).toEqual({status: 200, location: `${runner.url}/api/v1/job-chains/${id}`, text: ''});
  expect(await stored(keys.scanKey(id))).toMatchObject({type: 'job-chain', args: {}});
  expect(Object.keys(((await stored(keys.chainKey(id))) as {jobs: object}).jobs)).toEqual(['a', 'b']);
  const waiting = (await keysBelow('/backlog/')).filter((key) => key.endsWith(`/scan/${id}`));
  expect(waiting).toHaveLength(1);
}

describe('4.17 JR API', () => {
  test('case 195: a new chain that cannot be stored is a 500, and leaves nothing behind', () => refusesWhenNothingCanBeStored('new'));
  test('case 196: a chain to be resumed that cannot be stored is a 500, and leaves nothing behind', () => refusesWhenNothingCanBeStored('resumed'));
  test('case 197: a new chain with the id of another is refused', () => refusesTakenId('new'));
  test('case 198: a chain to be resumed with the id of another is refused', () => refusesTakenId('resumed'));
  test('case 199: while it is shutting down a runner takes no new chain', () => refusesWhileStopping('new'));
  test('case 200: while it is shutting down a runner resumes no chain', () => refusesWhileStopping('resumed'));
  test('case 201: a new chain becomes a request that waits to run, and the answer says where', () => acceptsChain('new'));
  test('case 202: so does one to be resumed', () => acceptsChain('resumed'));

  test('case 203: to stop a request whose key is damaged is a 404: nothing is known of it (mended)', async () => {
    const id = newId();
    await etcd.etcdctl(['put', keys.scanKey(id), 'junk']);
    expect((await send(runner.url, 'PUT', `/api/v1/job-chains/${id}/stop`)).status).toBe(404);
    expect(await stored(keys.controlKey(id))).toBeUndefined();
  });

  test('case 204: a stop that cannot be stored is a 500', async () => {
    const id = newId();
    await post('/api/v1/job-chains', aWireChain(id, LINE));
    await withFailingStore('internal', async (failing) => {
      expect(await send(failing.url, 'PUT', `/api/v1/job-chains/${id}/stop`)).toMatchObject({
        status: 500,
        text: '{"message":"Internal Server Error"}',
      });
    });
    expect(await stored(keys.controlKey(id))).toBeUndefined();
  });

  test('case 205: a stop is written down and answered at once; another one changes nothing', async () => {
    const id = newId();
    await post('/api/v1/job-chains', aWireChain(id, LINE));
    expect(await send(runner.url, 'PUT', `/api/v1/job-chains/${id}/stop`)).toMatchObject({status: 200, text: ''});
    expect(await stored(keys.controlKey(id))).toMatchObject({desired: 'stop', generation: 1});
    expect((await send(runner.url, 'PUT', `/api/v1/job-chains/${id}/stop`)).status).toBe(200);
    expect(await stored(keys.controlKey(id))).toMatchObject({generation: 1});
  });

  test('a stop of a request that is over is no error, and of one that is not there it is a 404', async () => {
    const id = newId();
    await post('/api/v1/job-chains', aWireChain(id, LINE));
    await etcd.etcdctl(['put', keys.stateKey(id), '{"name":"FAIL","attempt":1}']);
    expect((await send(runner.url, 'PUT', `/api/v1/job-chains/${id}/stop`)).status).toBe(200);
    expect(await stored(keys.controlKey(id))).toBeUndefined();
    expect(await send(runner.url, 'PUT', '/api/v1/job-chains/nobody/stop')).toMatchObject({
      status: 404,
      text: '{"message":"request nobody not found"}',
    });
  });

  test('case 206: a runner tells its version', async () => {
    expect(await send(runner.url, 'GET', '/version')).toMatchObject({status: 200, text: `2.1.1+scanplane.${programVersion()}`});
    expect((await send(runner.url, 'GET', '/api/v1/version')).text).toBe(`2.1.1+scanplane.${programVersion()}`);
  });
});

describe('4.22 JR status', () => {
  test('case 285: a runner lists the jobs of all chains that it leads, or those of one', async () => {
    const [one, two, other] = [newId(), newId(), newId()];
    const {store, cache} = runner.database;
    for (const [id, replica] of [
      [one, 'r1'],
      [two, 'r1'],
      [other, 'r2'],
    ] as const) {
      await post('/api/v1/job-chains', aWireChain(id, LINE));
      const owner = {hostname: 'h', pid: 1, replica};
      const job = aJob({
        type: 'sh',
        name: `job of ${id}`,
        tries_total: 3,
        tries: [aTry({try: 3, started_at: `2026-01-01T00:00:0${serial % 10}.001Z`})],
      });
      const report = {status: `at ${id}`, updated_at: 1};
      const ops = Object.entries({[keys.ownerKey(id)]: owner, [keys.jobKey(id, 'a')]: job, [keys.reportKey(id, 'a', 3)]: report});
      await store.commit({compares: [], ops: ops.map(([key, value]) => ({put: key, value: canonicalJson(value)}))});
    }
    await cache.catchUp();
    const all = await runner.client.getRunning();
    expect(all.map(({requestId}) => requestId).toSorted()).toEqual([one, two].toSorted());
    expect(await runner.client.getRunning({requestId: two})).toEqual([
      {
        ...{requestId: two, jobId: 'a', type: 'sh', name: `job of ${two}`, state: 2, status: `at ${two}`, try: 3},
        startedAt: expect.any(BigInt) as bigint,
      },
    ]);
    await expect(runner.client.getRunning({requestId: other})).rejects.toMatchObject({httpStatus: 404});
    expect((await send(runner.url, 'GET', '/api/v1/status/running?orderBy=color')).status).toBe(400);
  });
});

describe('4.23 starting a chain', () => {
  test('case 346: a chain that is handed over again, since the answer was lost, is the same request (mended)', async () => {
    for (const way of ['new', 'resumed'] as const) {
      const id = newId();
      const {path, body} = WAYS[way];
      expect((await post(path, body(id))).status).toBe(200);
      const before = await runner.database.store.currentRevision();
      const other = await startRunner(etcd.endpoint, {replica: 'r9'});
      expect(await post(path, body(id), other)).toMatchObject({status: 200, location: `${other.url}/api/v1/job-chains/${id}`});
      await other.stop();
      expect(await runner.database.store.currentRevision()).toBe(before);
    }
  });

  test('case 346: one whose runner dies in the middle of storing it is no request yet, and is one when it is handed over again (mended)', async () => {
    const id = newId();
    const {store} = runner.database;
    let left = 2;
    const dying = await startRunner(etcd.endpoint, {
      groupCommit: {
        sent: {transactions: 0, commits: 0},
        commit: (commit) => (left-- > 0 ? store.commit(commit) : Promise.reject(new ControlPlaneError('unavailable', 'on purpose'))),
      },
    });
    const chain = manyStopped(id);
    expect((await post('/api/v1/job-chains/resume', chain, dying)).status).toBe(503);
    await dying.stop();
    expect(await stored(keys.scanKey(id))).toBeUndefined();
    expect(await keysBelow(`/scan/${id}/job/`)).toHaveLength(64);
    expect((await post('/api/v1/job-chains/resume', chain)).status).toBe(200);
    expect(await keysBelow(`/scan/${id}/job/`)).toHaveLength(152);
    expect(await stored(keys.jobKey(id, 'j7'))).toMatchObject({state: 'PENDING', tries_total: 2, failures: 1});
  });

  test('case 346: a chain that is handed over to many at once becomes one request (mended)', async () => {
    const id = newId();
    const suspended = manyStopped(id);
    const runners = await Promise.all(Array.from({length: 3}, () => startRunner(etcd.endpoint)));
    const answers = await Promise.all(runners.map((each) => post('/api/v1/job-chains/resume', suspended, each)));
    await Promise.all(runners.map((each) => each.stop()));
    expect(answers.filter(({status}) => status === 200).length).toBeGreaterThan(0);
    for (const {status} of answers) expect([200, 503]).toContain(status);
    expect(await keysBelow(`/scan/${id}/job/`)).toHaveLength(152);
    expect((await keysBelow('/backlog/')).filter((key) => key.endsWith(`/scan/${id}`))).toHaveLength(1);
  });
});

describe('a chain from outside', () => {
  test('is refused when it cannot be run, with the job at fault, and nothing is stored', async () => {
    const bad: Readonly<Record<string, (chain: JobChain) => unknown>> = {
      'more than one first job': (chain) => ({...chain, adjacencyList: {}}),
      'no such job': (chain) => ({...chain, adjacencyList: {a: ['b', 'c']}}),
      'in a circle': (chain) => ({...chain, adjacencyList: {a: ['b'], b: ['a']}}),
      'job "b" has no type': (chain) => ({...chain, jobs: {...chain.jobs, b: aWireJob('b', {type: ''})}}),
      'unknown job type "no-such-type"': (chain) => ({...chain, jobs: {...chain.jobs, b: aWireJob('b', {type: 'no-such-type'})}}),
      '"b (COMPLETE)"': (chain) => ({...chain, jobs: {...chain.jobs, b: aWireJob('b', {state: 3})}}),
      'finishedJobs is 1': (chain) => ({...chain, finishedJobs: 1}),
      'retryWait of job "b" is no duration': (chain) => ({...chain, jobs: {...chain.jobs, b: aWireJob('b', {retryWait: '5'})}}),
      'job "b" calls itself "c"': (chain) => ({...chain, jobs: {...chain.jobs, b: aWireJob('c')}}),
      'is no id of a job': (chain) => ({...chain, jobs: {...chain.jobs, 'x/y': aWireJob('x/y')}}),
      'jobs.b.retry': (chain) => ({...chain, jobs: {...chain.jobs, b: {...aWireJob('b'), retry: -1}}}),
      'requestId: expected': (chain) => ({...chain, requestId: ''}),
    };
    for (const [why, change] of Object.entries(bad)) {
      const id = newId();
      const {status, text} = await post('/api/v1/job-chains', change(aWireChain(id, LINE)));
      expect([status, JSON.parse(text)], `${why}`).toEqual([400, {message: expect.stringContaining(why) as string}]);
      expect(await keysBelow(`/scan/${id}`), `${why}`).toEqual([]);
    }
    expect(await post('/api/v1/job-chains', '{"requestId":"p1","jobs":{"__proto__":{"type":"sh"}}}')).toMatchObject({status: 400});
    expect(await post('/api/v1/job-chains', 'no json')).toMatchObject({status: 400, text: '{"message":"the body is not JSON"}'});
    expect(await send(runner.url, 'POST', '/api/v1/job-chains', '{}', {'content-type': 'text/plain'})).toMatchObject({status: 415});
    expect(await post('/api/v1/job-chains/resume', {requestId: 'p2'})).toMatchObject({status: 400, text: '{"message":"jobChain: is missing"}'});
    expect(await send(runner.url, 'GET', '/api/v1/job-chains')).toMatchObject({status: 405, text: '{"message":"Method Not Allowed"}'});
    expect(await send(runner.url, 'GET', '/api/v1/nowhere')).toMatchObject({status: 404, text: '{"message":"Not Found"}'});
  });

  test('that was suspended keeps what its jobs have done: completed ones are not run again, tries go on counting, a stopped try costs nothing', async () => {
    const id = newId();
    expect((await post('/api/v1/job-chains/resume', suspendedChain(id))).status).toBe(200);
    expect(await stored(keys.jobKey(id, 'a'))).toMatchObject({state: 'COMPLETE', tries_total: 1, completed: 1, data: {k: 1}, tries: []});
    expect(await stored(keys.jobKey(id, 'b'))).toMatchObject({state: 'PENDING', tries_total: 3, failures: 1, data: {own: 2}});
  });

  test('goes on from what is stored when it was suspended here, whatever its bearer thinks; a second bearer changes nothing', async () => {
    const id = newId();
    await post('/api/v1/job-chains', aWireChain(id, LINE));
    await etcd.etcdctl(['put', keys.controlKey(id), '{"desired":"suspend","generation":4}']);
    await etcd.etcdctl(['put', keys.stateKey(id), '{"name":"SUSPENDED","attempt":1}']);
    expect((await post('/api/v1/job-chains/resume', suspendedChain(id))).status).toBe(200);
    expect(await stored(keys.controlKey(id))).toMatchObject({desired: 'run', generation: 5});
    expect(await keysBelow(`/scan/${id}/job/`)).toEqual([]);
    expect((await post('/api/v1/job-chains/resume', suspendedChain(id))).status).toBe(200);
    expect(await stored(keys.controlKey(id))).toMatchObject({generation: 5});
  });

  test('takes the place of what an unfinished creation has left under its id', async () => {
    const id = newId();
    await etcd.etcdctl(['put', keys.chainKey(id), '{"jobs":{},"adjacency":{}}']);
    await etcd.etcdctl(['put', keys.jobKey(id, 'left'), canonicalJson(aJob({tries: [], state: 'COMPLETE'}))]);
    expect((await post('/api/v1/job-chains', aWireChain(id, LINE))).status).toBe(200);
    expect(await keysBelow(`/scan/${id}`)).toEqual([keys.scanKey(id), keys.chainKey(id)]);
  });
});

test('every route of a runner is one that executors have', () => {
  const rows = runnerRoutes({bodyLimitBytes: 1} as RunnerDeps, GATE).map(({method, path, who}) => [`${method.toUpperCase()} ${path}`, who]);
  expect(Object.fromEntries(rows)).toEqual({
    'POST /api/v1/job-chains': 'executor',
    'POST /api/v1/job-chains/resume': 'executor',
    'PUT /api/v1/job-chains/:id/stop': 'executor',
    'GET /api/v1/status/running': 'executor',
  });
});

test('only executors and admins may speak to a runner; who it is and whether it lives is told to everybody', async () => {
  const guarded = await startRunner(etcd.endpoint, {authenticator: byRoles});
  const routes = [
    ['POST', '/api/v1/job-chains'],
    ['POST', '/api/v1/job-chains/resume'],
    ['PUT', '/api/v1/job-chains/nobody/stop'],
    ['GET', '/api/v1/status/running'],
  ] as const;
  for (const [method, path] of routes) {
    const status = async (headers: Record<string, string>): Promise<number> => (await send(guarded.url, method, path, undefined, headers)).status;
    expect(await status({}), `${path}`).toBe(401);
    expect(await status({authorization: 'Bearer user,ops'}), `${path}`).toBe(401);
    expect(await status({authorization: 'Bearer executor'}), `${path}`).not.toBe(401);
    expect(await status({authorization: 'Bearer root'}), `${path}`).not.toBe(401);
  }
  for (const path of ['/livez', '/readyz', '/version']) expect((await send(guarded.url, 'GET', path)).status, `${path}`).toBe(200);
  const client = new JobRunnerClient(guarded.url, {headers: {authorization: 'Bearer executor'}});
  const id = newId();
  expect((await client.newJobChain(aWireChain(id, LINE))).pathname).toBe(`/api/v1/job-chains/${id}`);
  expect(await stored(keys.scanKey(id))).toMatchObject({user: 'executor'});

  // The sky scans are SkyDriver's users', and the admins'.
  const owner = canonicalJson({hostname: 'h', pid: 1, replica: 'r1'});
  await etcd.etcdctl(['put', keys.scanKey('sky1'), canonicalJson(aSpec())]);
  await etcd.etcdctl(['put', keys.ownerKey('sky1'), owner]);
  await etcd.etcdctl(['put', keys.jobKey('sky1', 'server'), canonicalJson(aJob())]);
  const ask = (role: string, method: string, path: string): Promise<Answer> =>
    send(guarded.url, method, path, undefined, {authorization: `Bearer ${role}`});
  await guarded.database.cache.catchUp();
  expect((await ask('root', 'GET', '/api/v1/status/running')).text).toContain('"sky1"');
  expect((await ask('executor', 'GET', '/api/v1/status/running')).text).not.toContain('"sky1"');
  expect((await ask('executor', 'GET', '/api/v1/status/running?requestId=sky1')).status).toBe(404);
  expect((await ask('executor', 'PUT', '/api/v1/job-chains/sky1/stop')).status).toBe(404);
  expect((await ask('root', 'PUT', '/api/v1/job-chains/sky1/stop')).status).toBe(200);
  await guarded.stop();
  expect((await fetch(`${stopping.url}/readyz`)).status).toBe(503);
});
