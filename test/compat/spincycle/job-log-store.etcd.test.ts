import {request as httpRequest} from 'node:http';
import type {IncomingMessage} from 'node:http';
import {once} from 'node:events';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {decodeJobLog, decodeJobStatus} from '../../../src/proto/decode.ts';
import {decodeJson} from '../../../src/proto/json.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
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
const ended = (number: number, code: number, at: string): object => ({
  try: number,
  intent_at: at,
  token_digest: '',
  place: '',
  started_at: at,
  exit: {code, ended_at: at},
});

describe('4.6 Job log store', () => {
  test('case 78: the log of an unknown request or job is not found', async () => {
    expect(await get('nobody/log/aB3x')).toMatchObject({status: 404, body: {message: 'request nobody not found'}});
    const id = await api.newRequest();
    expect(await get(`${id}/log/none`)).toMatchObject({status: 404, body: {message: `job none of request ${id} not found`}});
    expect(await get(`${id}/log/${await api.jobOf(id, 'load')}`)).toMatchObject({status: 404});
  });

  test('case 79: an entry is shown as it was stored', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    const text = {error: 'é', stdout: 'a\nb', stderr: '\u0000'};
    await api.putLog(id, load, {
      name: 'load',
      type: 'load',
      try: 1,
      state: 'FAIL',
      started_at: '2021-03-04T05:06:07.891Z',
      ended_at: '',
      exit: null,
      ...text,
    });
    const expected = {
      requestId: id,
      jobId: load,
      try: 1,
      name: 'load',
      type: 'load',
      state: 4,
      exit: -1,
      startedAt: 1_614_834_367_891_000_000,
      finishedAt: 0,
    };
    expect((await get(`${id}/log/${load}`)).body).toEqual({...expected, ...text});
  });

  test('case 80: all tries of all jobs are shown', async () => {
    const id = await api.newRequest();
    for (const [job, number] of [
      ['j1', 0],
      ['j1', 1],
      ['j2', 1],
      ['j3', 1],
    ] as const) {
      await api.putLog(id, job, {try: number});
    }
    const {body} = await get(`${id}/log`);
    expect((body as {jobId: string; try: number}[]).map((entry) => `${entry.jobId}/${entry.try}`)).toEqual(['j1/0', 'j1/1', 'j2/1', 'j3/1']);
  });

  test('case 355: times and exit codes beyond 2^53 are shown with all their digits', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    await api.putLog(id, load, {
      started_at: '2021-03-04T05:06:07.891234567Z',
      ended_at: '2021-03-04T05:06:08.000000001Z',
      exit: null,
      exact_exit: '-9223372036854775808',
    });
    await api.putState(id, {});
    const open = {try: 1, intent_at: '', token_digest: '', place: '', started_at: '2021-03-04T05:06:07.891234567Z'};
    await api.putJob(id, load, {tries: [open]});
    const text = async (path: string): Promise<string> => (await fetch(`${api.url}/api/v1/${path}`)).text();
    const log = await text(`requests/${id}/log`);
    expect(log).toContain('"startedAt":1614834367891234567,"finishedAt":1614834368000000001');
    expect(decodeJobLog((decodeJson(log) as unknown[])[0])).toMatchObject({startedAt: 1_614_834_367_891_234_567n, exit: -(2n ** 63n)});
    const running = decodeJson(await text(`status/running?requestId=${id}`)) as {jobs: unknown[]};
    expect(decodeJobStatus(running.jobs[0])).toMatchObject({startedAt: 1_614_834_367_891_234_567n});
  });

  test('jobs that do nothing have entries as soon as they are complete, from when their predecessors ended', async () => {
    const id = await api.newRequest();
    const [load, begin] = [await api.jobOf(id, 'load'), await api.jobOf(id, 'request_calibrate_begin')];
    expect((await get(`${id}/log`)).body).toEqual([]);
    await api.putState(id, {started_at: '2026-01-01T00:00:00.000Z'});
    const at = Date.parse('2026-01-01T00:00:00Z') * 1e6;
    expect((await get(`${id}/log/${begin}`)).body).toMatchObject({
      name: 'request_calibrate_begin',
      type: 'noop',
      try: 1,
      state: 3,
      startedAt: at,
      finishedAt: at,
      exit: 0,
    });
    const names = async (): Promise<string[]> => ((await get(`${id}/log`)).body as {name: string}[]).map(({name}) => name);
    expect(await names()).toEqual(['request_calibrate_begin', 'calibrate_begin']);
    for (const [n, name] of ['load', 'solve', 'save'].entries()) {
      const job = name === 'load' ? load : await api.jobOf(id, name);
      await api.putJob(id, job, {type: name, state: 'COMPLETE', completed: n + 1, tries: [ended(1, 0, `2026-01-01T00:0${n + 1}:00.000Z`) as never]});
    }
    expect(await names()).toEqual(['request_calibrate_begin', 'calibrate_begin', 'calibrate_end', 'request_calibrate_end']);
    expect((await get(`${id}/log/${await api.jobOf(id, 'request_calibrate_end')}`)).body).toMatchObject({finishedAt: at + 180e9});
  });

  test('a stored entry that does not parse hides no other', async () => {
    const id = await api.newRequest();
    await api.putLog(id, 'j1', {});
    await api.store.commit({compares: [], ops: [{put: `~log/${id}/j0/1`, value: '{'}]});
    expect(((await get(`${id}/log`)).body as {jobId: string}[]).map(({jobId}) => jobId)).toEqual(['j1']);
  });

  test('more entries than are read at once are all shown', async () => {
    const id = await api.newRequest();
    const ops = Array.from({length: 100}, (_, n) => ({put: `~log/${id}/j/${n}`, value: JSON.stringify({try: n, state: 'FAIL'})}));
    await api.store.commit({compares: [], ops});
    const tries = ((await get(`${id}/log`)).body as {try: number}[]).map((entry) => entry.try);
    expect(tries.sort((a, b) => a - b)).toEqual(Array.from({length: 100}, (_, n) => n));
    expect((await get(`${id}/log/j`)).body).toMatchObject({try: 99});
  });
});

describe('following a log', () => {
  /** What comes, line by line, until the connection ends. */
  async function follow(
    id: string,
    accept: string,
  ): Promise<{readonly lines: string[]; readonly type: string; readonly ended: Promise<unknown>; leave: () => void}> {
    const outgoing = httpRequest(`${api.url}/api/v1/requests/${id}/log?follow=true`, {headers: {accept}});
    outgoing.end();
    const [answer] = (await once(outgoing, 'response')) as [IncomingMessage];
    const lines: string[] = [];
    let rest = '';
    const ended = once(answer, 'end');
    ended.catch(() => {}); // Of one that is left, nobody waits for the end.
    outgoing.on('error', () => {});
    answer.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts.filter((line) => line !== ''));
    });
    return {lines, type: answer.headers['content-type'] ?? '', ended, leave: () => outgoing.destroy()};
  }

  test('entries come as they are stored, those that are there first, and the connection ends with the request', async () => {
    const id = await api.newRequest();
    const load = await api.jobOf(id, 'load');
    await api.putState(id, {});
    await api.putLog(id, load, {try: 1, state: 'FAIL'});
    await api.putJob(id, load, {type: 'load', state: 'PENDING', tries: [ended(1, 1, '2026-01-01T00:01:00.000Z') as never]});
    const {lines, type, ended: end} = await follow(id, '*/*');
    expect(type).toBe('application/x-ndjson; charset=UTF-8');
    const entries = (): {jobId: string; try: number; state: number}[] =>
      lines.map((line) => JSON.parse(line) as {jobId: string; try: number; state: number});
    await eventually(() => expect(entries()).toMatchObject([{jobId: load, try: 1, state: 4}]));

    await api.putLog(id, load, {try: 2, state: 'FAIL'});
    await api.putJob(id, load, {
      type: 'load',
      state: 'FAIL',
      tries_total: 2,
      tries: [1, 2].map((n) => ended(n, 1, '2026-01-01T00:02:00.000Z') as never),
    });
    await eventually(() => expect(entries()).toHaveLength(2));
    expect(entries()[1]).toMatchObject({jobId: load, try: 2});

    // What an executor stores changes no record, and what nobody can read keeps nothing else from coming.
    await api.store.commit({compares: [], ops: [{put: `~log/${id}/odd/1`, value: 'no entry'}]});
    await api.putLog(id, 'outside', {try: 1});
    await eventually(() => expect(entries()[2]).toMatchObject({jobId: 'outside', try: 1}));
    await api.putLog(id, 'outside', {try: 2});
    await eventually(() => expect(entries()[3]).toMatchObject({jobId: 'outside', try: 2}));
    await api.putState(id, {name: 'FAIL', ended_at: '2026-01-01T00:03:00.000Z'});
    await end;
    const names = entries().map((entry) => `${entry.jobId}/${entry.try}`);
    expect(new Set(names).size).toBe(names.length);
    expect(names.filter((name) => name.startsWith(load))).toEqual([`${load}/1`, `${load}/2`]);
  });

  test('whoever accepts server-sent events gets them, and the state at the end', async () => {
    const id = await api.newRequest();
    await api.putLog(id, 'j1', {try: 1});
    await api.putState(id, {name: 'STOPPED', ended_at: '2026-01-01T00:03:00.000Z'});
    const {lines, type, ended: end} = await follow(id, 'text/event-stream');
    await end;
    expect(type).toBe('text/event-stream; charset=UTF-8');
    expect(lines.slice(0, 4)).toEqual([':', 'id: j1/1', 'event: log', expect.stringMatching(/^data: \{"requestId"/)]);
    expect(lines.slice(-2)).toEqual(['event: end', 'data: {"state":6}']);
  });

  test('a process that ends does not wait for who follows: they are cut off, and do not take it for the end of the request', async () => {
    const stopping = new AbortController();
    const other = await startRequestApi(etcd.endpoint, {stopping: stopping.signal});
    const id = await other.newRequest();
    const answer = await fetch(`${other.url}/api/v1/requests/${id}/log?follow=true`);
    const text = answer.text().then(
      () => 'ended',
      () => 'cut off',
    );
    stopping.abort();
    expect(await text).toBe('cut off');
    await other.stop();
  });

  test('a request that is removed meanwhile ends it', async () => {
    const id = await api.newRequest();
    const {ended: end} = await follow(id, '*/*');
    await api.store.commit({compares: [], ops: [{delete: `/scan/${id}`}, {deletePrefix: `/scan/${id}/`}, {deletePrefix: `/backlog/`}]});
    await end;
  });

  test('who leaves makes room', async () => {
    const id = await api.newRequest();
    const followers = await Promise.all(Array.from({length: 256}, () => follow(id, '*/*')));
    expect(await get(`${id}/log?follow=true`)).toMatchObject({status: 503, body: {httpStatus: 503}});
    for (const follower of followers) follower.leave();
    await eventually(async () => {
      const {type, leave} = await follow(id, '*/*');
      leave();
      expect(type).toContain('ndjson');
    });
  });
});
