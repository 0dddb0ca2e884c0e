import {afterAll, beforeAll, describe, expect, test} from 'vitest';
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

const started = (number: number, at: string): never =>
  ({try: number, intent_at: at, token_digest: '', place: '', handle: 'h', started_at: at}) as never;
const failed = (number: number, at: string): never => ({...(started(number, at) as object), exit: {code: 1, ended_at: at}}) as never;
const running = async (query = ''): Promise<{jobs: {jobId: string}[]; requests: Record<string, object>}> =>
  (await api.ask('GET', `/api/v1/status/running${query}`)).body;

describe('4.7 RM status', () => {
  test('nothing runs: the lists are empty (mended)', async () => {
    await api.newRequest();
    expect(await running()).toEqual({jobs: [], requests: {}});
  });

  test('case 82: the jobs that run are shown, those first that began first, and their request once', async () => {
    const id = await api.newRequest();
    const [load, solve, save] = [await api.jobOf(id, 'load'), await api.jobOf(id, 'solve'), await api.jobOf(id, 'save')];
    await api.putState(id, {jobs_total: 7, jobs_finished: 2});
    await api.putLog(id, load, {try: 1, state: 'FAIL'});
    await api.putJob(id, save, {name: 'save', type: 'save', tries: [started(1, '2026-01-01T00:00:03.000Z')], status: 'reading 3/9'});
    await api.putJob(id, load, {
      name: 'load',
      type: 'load',
      tries_total: 2,
      tries: [failed(1, '2026-01-01T00:00:00.000Z'), started(2, '2026-01-01T00:00:02.000Z')],
    });
    await api.putJob(id, solve, {name: 'solve', type: 'solve', tries: [started(1, '2026-01-01T00:00:01.000Z')]});
    await api.store.commit({compares: [], ops: [{put: `/scan/${id}/report/${load}/2`, value: '{"status": "half-way", "updated_at": 1}'}]});
    const second = Date.parse('2026-01-01T00:00:01Z') * 1e6;
    const status = await running();
    expect(status.jobs).toEqual([
      {requestId: id, jobId: solve, type: 'solve', name: 'solve', startedAt: second, state: 2, try: 1},
      {requestId: id, jobId: load, type: 'load', name: 'load', startedAt: second + 1e9, state: 2, status: 'half-way', try: 2},
      {requestId: id, jobId: save, type: 'save', name: 'save', startedAt: second + 2e9, state: 2, status: 'reading 3/9', try: 1},
    ]);
    expect(Object.keys(status.requests)).toEqual([id]);
    expect(status.requests[id]).toMatchObject({id, type: 'calibrate', state: 2, totalJobs: 7, finishedJobs: 2});
    expect(Object.keys(status.requests[id] ?? {})).not.toContain('JobChain');
    expect(Object.keys(status.requests[id] ?? {})).not.toContain('args');
    expect(Object.keys(status.requests[id] ?? {})).not.toContain('jrURL');

    expect((await running(`?requestId=${id}`)).jobs).toHaveLength(3);
    expect(await running('?requestId=nobody')).toEqual({jobs: [], requests: {}});
  });

  test('case 360: what runs is shown even though the process that leads it does not answer: nobody is asked (mended)', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    const owner = {hostname: 'gone', pid: 1, replica: 'gone-1', since: ''};
    const replica = {hostname: 'gone', pid: 1, address: 'http://127.0.0.1:9'};
    const ops = [
      {put: `/scan/${id}/owner`, value: JSON.stringify(owner)},
      {put: '/replica/gone-1', value: JSON.stringify(replica)},
    ];
    await api.store.commit({compares: [], ops});
    await api.putState(id, {});
    await api.putJob(id, load, {type: 'load', tries: [started(1, '2026-01-01T00:00:00.000Z')]});
    expect((await running(`?requestId=${id}`)).jobs.map(({jobId}) => jobId)).toEqual([load]);
    expect((await api.ask('GET', `/api/v1/requests/${id}`)).body).toMatchObject({jrURL: 'http://127.0.0.1:9'});
  });
});

describe('R13 request list', () => {
  test('requests are listed by name, with what may be given, in the order of their specs', async () => {
    const {status, body} = await api.ask('GET', '/api/v1/request-list');
    expect(status).toBe(200);
    expect((body as {Name: string}[]).map(({Name}) => Name)).toEqual(['broken-at-creation', 'calibrate', 'guarded']);
    expect((body as unknown[])[1]).toEqual({
      Name: 'calibrate',
      Args: [
        {Pos: 0, Name: 'field', Desc: 'Field to calibrate', Type: 'required', Given: false, Default: null, Value: null},
        {Pos: 0, Name: 'passes', Desc: 'Number of passes', Type: 'optional', Given: false, Default: '175', Value: null},
      ],
    });
  });
});
