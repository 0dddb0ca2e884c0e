import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import * as keys from '../../../src/schema/keys.ts';
import type {ScanState} from '../../../src/schema/state.ts';
import {decodeJson, encodeJson} from '../../../src/proto/json.ts';
import type {JobLog, SuspendedJobChain} from '../../../src/proto/types.ts';
import type {GroupCommit} from '../../../src/store/contracts.ts';
import {startApi} from '../../api/harness.ts';
import type {Answer, TestApi} from '../../api/harness.ts';
import {aChain} from '../../support/chain-world.ts';
import {PlainMaker} from '../../support/built-chain.ts';
import {REQUEST_SPECS} from '../../support/request-api.ts';
import {specsOf} from '../../support/specs.ts';
import {SpecRequestBuilder} from '../../../src/specs/request-builder.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {byRoles} from '../../support/runner.ts';

let etcd: TestEtcd;
let api: TestApi;
let serial = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
});
afterAll(async () => {
  await api?.stop();
  await etcd?.stop();
});

const RUNNING: ScanState = {name: 'RUNNING', attempt: 1, started_at: '2026-01-01T00:00:00.000Z', jobs_total: 9, jobs_finished: 1};

/** A request as its owner would have it, in a state; `undefined`: PENDING. */
async function aRequest(state?: ScanState, more: Readonly<Record<string, unknown>> = {}, chain: Chain = aChain({1: [2]})): Promise<string> {
  const id = `ex${++serial}`;
  const values = {
    [keys.scanKey(id)]: {type: 'survey', args: {}, created_at: 1_700_000_000},
    [keys.chainKey(id)]: chain,
    ...(state === undefined ? {} : {[keys.stateKey(id)]: state}),
    ...Object.fromEntries(Object.entries(more).map(([child, value]) => [`/scan/${id}/${child}`, value])),
  };
  await api.store.commit({compares: [], ops: Object.entries(values).map(([put, value]) => ({put, value: canonicalJson(value)}))});
  return id;
}

// oxlint-disable-next-line typescript/no-explicit-any
async function stored(key: string): Promise<any> {
  const entry = await api.store.get(key);
  return entry === undefined ? undefined : JSON.parse(entry.value.toString());
}
const stateOf = (id: string): Promise<ScanState | undefined> => stored(keys.stateKey(id)) as Promise<ScanState | undefined>;

function put(id: string, verb: string, body?: unknown): Promise<Answer> {
  return api.ask('PUT', `/api/v1/requests/${id}/${verb}`, body === undefined ? {} : {body: typeof body === 'string' ? body : encodeJson(body)});
}

const NOW = '2026-01-01T00:10:00.123456Z';

function aSuspendedChain(id: string): unknown {
  const job = {id: 'j1', name: 'j1', type: 'sh', state: 6, retry: 5, retryWait: '1s', sequenceId: 'j1', sequenceRetry: 1, data: null, args: null};
  const jobChain = {requestId: id, jobs: {j1: job}, adjacencyList: null, state: 7, finishedJobs: 0};
  return {requestId: id, jobChain, totalJobTries: {j1: 5}, latestRunJobTries: {j1: 2}, sequenceTries: {j1: 1}};
}

function aLog(more: Partial<JobLog> = {}): JobLog {
  return {
    ...{requestId: '', jobId: 'j1', try: 1, name: 'load', type: 'sh', state: 3, exit: 0n, error: '', stdout: 'out', stderr: ''},
    ...{startedAt: 1_614_834_367_891_234_567n, finishedAt: 1_614_834_368_000_000_000n},
    ...more,
  };
}

async function sendLog(id: string, log: JobLog): Promise<{readonly status: number; readonly body: unknown}> {
  const answer = await fetch(`${api.url}/api/v1/requests/${id}/log`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: encodeJson(log),
  });
  return {status: answer.status, body: decodeJson(await answer.text())};
}

describe('4.2 RM API, what executors say', () => {
  test('case 8: a request that cannot be started is not made either: both are one transaction (mended)', async () => {
    const before = (await api.store.range('/scan/')).entries.length;
    const requests = {builder: new SpecRequestBuilder(specsOf(REQUEST_SPECS), new PlainMaker({load: {handle: 'h1'}}), 'local')};
    const broken = await startApi(etcd.endpoint, {}, {requests, groupCommit: failingWith('internal')});
    const answer = await broken.ask('POST', '/api/v1/requests', {body: {type: 'calibrate', args: {field: 'x'}}});
    await broken.stop();
    expect(answer).toMatchObject({status: 500, body: {message: 'Internal Server Error'}});
    expect((await api.store.range('/scan/')).entries).toHaveLength(before);
  });

  test('case 12: a request that is held is started', async () => {
    const id = await aRequest(undefined, {control: {desired: 'hold', generation: 3}});
    expect(await put(id, 'start')).toMatchObject({status: 200, body: ''});
    expect(await stored(keys.controlKey(id))).toMatchObject({desired: 'run', generation: 4});
    const free = await aRequest();
    expect((await put(free, 'start')).status).toBe(200);
    expect(await stored(keys.controlKey(free))).toBeUndefined();
  });

  test('case 13: a finish that names a state alone is one, and its time is now', async () => {
    const id = await aRequest(RUNNING);
    const before = Date.now();
    expect(await put(id, 'finish', {state: 3})).toMatchObject({status: 200, body: ''});
    const state = await stateOf(id);
    expect(state).toMatchObject({name: 'COMPLETE', jobs_finished: 0, attempt: 1});
    expect(Date.parse(state?.ended_at ?? '')).toBeGreaterThanOrEqual(before);
  });

  test('case 15: a suspended chain is taken as the wish to suspend: the tries that count are those that are stored (mended)', async () => {
    const id = await aRequest(RUNNING);
    expect(await put(id, 'suspend', aSuspendedChain(id))).toMatchObject({status: 200, body: ''});
    expect(await stored(keys.controlKey(id))).toMatchObject({desired: 'suspend', generation: 1});
    expect((await put(id, 'suspend', aSuspendedChain(id))).status).toBe(200);
    expect(await stored(keys.controlKey(id))).toMatchObject({generation: 1});
  });

  test('case 16: a suspend that is not JSON is refused', async () => {
    const id = await aRequest(RUNNING);
    expect(await put(id, 'suspend', '{"requestId":')).toMatchObject({status: 400, body: {message: 'the body is not JSON'}});
    expect(await stored(keys.controlKey(id))).toBeUndefined();
  });

  test('case 17: a suspend that cannot be stored is a 500', async () => {
    const id = await aRequest(RUNNING);
    const failing = await startApi(etcd.endpoint, {}, {groupCommit: failingWith('internal')});
    const answer = await failing.ask('PUT', `/api/v1/requests/${id}/suspend`, {body: aSuspendedChain(id)});
    await failing.stop();
    expect(answer).toMatchObject({status: 500, body: {message: 'Internal Server Error'}});
  });

  test('case 21: a log entry is stored and echoed, every digit of its times and its exit code', async () => {
    const id = await aRequest(RUNNING);
    const log = aLog({exit: -9_223_372_036_854_775_808n});
    expect(await sendLog(id, {...log, requestId: 'another'})).toEqual({status: 201, body: decodeJson(encodeJson({...log, requestId: id}))});
    const answer = await fetch(`${api.url}/api/v1/requests/${id}/log/j1`);
    expect(decodeJson(await answer.text())).toEqual(decodeJson(encodeJson({...log, requestId: id})));
  });

  test('case 22: so is one of a try that failed; another of the same try is refused', async () => {
    const id = await aRequest(RUNNING);
    const log = aLog({try: 2, state: 4, exit: 1n, error: 'no such field', startedAt: 0n, finishedAt: 0n});
    expect((await sendLog(id, log)).status).toBe(201);
    const before = await api.store.currentRevision();
    expect(await sendLog(id, log)).toMatchObject({status: 201}); // The same again: its sender did not hear the answer.
    expect(await sendLog(id, {...log, state: 3})).toMatchObject({status: 409, body: {message: expect.stringContaining('already') as string}});
    expect(await api.store.currentRevision()).toBe(before);
    expect(await stored(keys.logKey(id, 'j1', 2))).toMatchObject({state: 'FAIL', exit: 1, error: 'no such field', started_at: '', ended_at: ''});
  });
});

describe('4.4 request manager', () => {
  test('case 51: a request that runs cannot be started; nor can one that is over', async () => {
    const before: string[] = [];
    for (const name of ['RUNNING', 'COMPLETE', 'FAIL', 'STOPPED', 'SUSPENDED'] as const) before.push(await aRequest({...RUNNING, name}));
    const revision = await api.store.currentRevision();
    for (const id of before) expect(await put(id, 'start')).toMatchObject({status: 409, body: {httpStatus: 409, requestId: ''}});
    expect(await api.store.currentRevision()).toBe(revision);
  });

  test('case 56: a request that is PENDING cannot be finished', async () => {
    const id = await aRequest();
    expect(await put(id, 'finish', {requestId: id, state: 3, finishedAt: NOW, finishedJobs: 3})).toMatchObject({status: 409});
    expect(await stateOf(id)).toBeUndefined();
  });

  test('case 57: one that runs is, with the state, time and count that it is given', async () => {
    const id = await aRequest({...RUNNING, by: {replica: 'r1', fence: 3}});
    expect((await put(id, 'finish', {requestId: id, state: 3, finishedAt: NOW, finishedJobs: 3})).status).toBe(200);
    expect(await stateOf(id)).toEqual({
      ...{name: 'COMPLETE', attempt: 1, started_at: RUNNING.started_at, ended_at: NOW, jobs_total: 9, jobs_finished: 3},
      reason: 'an executor says COMPLETE',
    });
    expect((await api.ask('GET', `/api/v1/requests/${id}`)).body).toMatchObject({
      state: 3,
      finishedJobs: expect.any(Number) as number,
      finishedAt: NOW,
    });
  });

  test('case 58: one that runs is not failed as one that could not be started: it has to be finished (mended)', async () => {
    const id = await aRequest(RUNNING);
    for (const state of [0, 1, 2, 5, 7, 8, 'FAIL'])
      expect((await put(id, 'finish', {requestId: id, state, finishedAt: NOW})).status, `${state}`).toBe(400);
    expect(await stateOf(id)).toEqual(RUNNING);
  });
});

describe('4.5 suspend', () => {
  test('case 71: a request that is COMPLETE cannot be suspended; nor can any other that does not run', async () => {
    for (const name of ['COMPLETE', 'FAIL', 'STOPPED', 'SUSPENDED', undefined] as const) {
      const id = await aRequest(name === undefined ? undefined : {...RUNNING, name});
      expect((await put(id, 'suspend', aSuspendedChain(id))).status, `${name}`).toBe(409);
      expect(await stored(keys.controlKey(id))).toBeUndefined();
    }
  });

  test('a suspended chain of another request is refused', async () => {
    const id = await aRequest(RUNNING);
    expect((await put(id, 'suspend', aSuspendedChain('another'))).status).toBe(400);
    expect(await stored(keys.controlKey(id))).toBeUndefined();
  });

  test('what a request has come to is told as whoever is to go on with it elsewhere has to know it', async () => {
    const job = {type: 'work', name: '2', cluster: 'local', count: 1, retry: 4, state: 'PENDING', tries_total: 3, failures: 1, tries: []};
    const id = await aRequest(
      {...RUNNING, name: 'SUSPENDED'},
      {'job/2': job, 'job/1': {...job, name: '1', state: 'COMPLETE', tries_total: 1, failures: 0}},
    );
    const {status, body} = await api.ask('GET', `/api/v1/requests/${id}/suspended`);
    expect([status, body as SuspendedJobChain]).toMatchObject([
      200,
      {requestId: id, jobChain: {state: 7, finishedJobs: 1}, totalJobTries: {1: 1, 2: 3}, latestRunJobTries: {1: 1, 2: 2}},
    ]);
    expect((await api.ask('GET', '/api/v1/requests/nobody/suspended')).status).toBe(404);
  });
});

describe('4.7 progress', () => {
  test('case 81: of a request that runs the count is stored; of any other nothing is', async () => {
    const id = await aRequest(RUNNING);
    expect(await put(id, 'progress', {requestId: id, finishedJobs: 8})).toMatchObject({status: 200, body: null});
    expect(await stateOf(id)).toEqual({...RUNNING, jobs_finished: 8});
    const done = await aRequest({...RUNNING, name: 'COMPLETE'});
    expect(await put(done, 'progress', {requestId: done, finishedJobs: 8})).toMatchObject({status: 200, body: null});
    expect(await stateOf(done)).toMatchObject({jobs_finished: 1});
    expect((await put('nobody', 'progress', {requestId: 'nobody', finishedJobs: 8})).status).toBe(200);
    expect(await stateOf('nobody')).toBeUndefined();
  });
});

describe('4.23 executors', () => {
  test('case 332: progress of another request, of none, or of more jobs than there are is refused', async () => {
    const id = await aRequest(RUNNING);
    for (const body of [
      {requestId: 'another', finishedJobs: 2},
      {finishedJobs: 2},
      {},
      {requestId: id, finishedJobs: -1},
      {requestId: id, finishedJobs: 10},
    ]) {
      expect((await put(id, 'progress', body)).status, `${JSON.stringify(body)}`).toBe(400);
    }
    expect(await stateOf(id)).toEqual(RUNNING);
  });

  test('case 335: what executors say is taken from executors and admins alone (mended)', async () => {
    const id = await aRequest(RUNNING);
    const guarded = await startApi(etcd.endpoint, {}, {authenticator: byRoles});
    const calls: readonly (readonly [string, string, unknown])[] = [
      ['PUT', 'start', undefined],
      ['PUT', 'finish', {requestId: id, state: 3}],
      ['PUT', 'suspend', aSuspendedChain(id)],
      ['PUT', 'progress', {requestId: id, finishedJobs: 5}],
      ['POST', 'log', aLog()],
    ];
    const send = (as: string, [method, verb, body]: (typeof calls)[number]): Promise<Answer> =>
      guarded.ask(method, `/api/v1/requests/${id}/${verb}`, {token: as, ...(body === undefined ? {} : {body: encodeJson(body)})});
    const before = await guarded.store.currentRevision();
    for (const call of calls)
      expect(await send('user,ops', call), `${call[1]}`).toMatchObject({status: 401, body: {message: expect.any(String) as string}});
    expect(await guarded.store.currentRevision()).toBe(before);
    expect((await send('executor', ['PUT', 'progress', {requestId: id, finishedJobs: 5}])).status).toBe(200);
    expect((await send('executor', ['POST', 'log', aLog()])).status).toBe(201);
    expect((await send('executor', ['PUT', 'finish', {requestId: id, state: 4}])).status).toBe(200);
    await guarded.stop();
    expect(await stateOf(id)).toMatchObject({name: 'FAIL'});
  });

  test('case 347: a finish that is refused for as long as nothing can be stored is taken when it is said again (mended)', async () => {
    const id = await aRequest(RUNNING);
    const away = await startAway(3);
    const finish = {requestId: id, state: 3, finishedAt: NOW, finishedJobs: 9};
    const statuses: number[] = [];
    for (let n = 0; n < 4; n++) statuses.push((await away.ask('PUT', `/api/v1/requests/${id}/finish`, {body: finish})).status);
    expect(statuses).toEqual([503, 503, 503, 200]);
    // Said once more, as by whoever did not hear the answer, it is no error; said otherwise it is, and nothing changes.
    expect((await away.ask('PUT', `/api/v1/requests/${id}/finish`, {body: finish})).status).toBe(200);
    expect((await away.ask('PUT', `/api/v1/requests/${id}/finish`, {body: {...finish, state: 4}})).status).toBe(409);
    await away.stop();
    expect(await stateOf(id)).toMatchObject({name: 'COMPLETE', ended_at: NOW});
  });

  test('a finish, a suspend or a log entry of a request that is not there is a 404', async () => {
    expect(await put('nobody', 'finish', {state: 3})).toMatchObject({status: 404, body: {message: 'request nobody not found', httpStatus: 404}});
    expect((await put('nobody', 'suspend', aSuspendedChain('nobody'))).status).toBe(404);
    expect((await put('nobody', 'start')).status).toBe(404);
    expect((await sendLog('nobody', aLog())).status).toBe(404);
  });

  test('a log entry that could be none of a job’s is refused', async () => {
    const id = await aRequest(RUNNING);
    for (const more of [{jobId: '../x'}, {jobId: ''}, {try: 1e12}])
      expect((await sendLog(id, aLog(more))).status, `${JSON.stringify(more)}`).toBe(400);
    expect((await sendLog(id, aLog({stdout: 'x'.repeat(api.store.limits.value)}))).status).toBe(413);
    const {entries} = await api.store.range(`~log/${id}/`);
    expect(entries).toEqual([]);
  });
});

/** A store that takes nothing. */
function failingWith(code: 'internal'): GroupCommit {
  return {sent: {transactions: 0, commits: 0}, commit: () => Promise.reject(new ControlPlaneError(code, 'on purpose'))};
}

/** An API whose store is away for its first few writes. */
function startAway(times: number): Promise<TestApi> {
  let left = times;
  const groupCommit: GroupCommit = {
    sent: {transactions: 0, commits: 0},
    commit: (commit) => (left-- > 0 ? Promise.reject(new ControlPlaneError('unavailable', 'etcd is away')) : api.store.commit(commit)),
  };
  return startApi(etcd.endpoint, {}, {groupCommit});
}
