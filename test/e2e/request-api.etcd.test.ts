import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

// Requests from a spec to their end, over REST alone: API, controllers and real processes.

const NODE = JSON.stringify(process.execPath);
const SPECS = `sequences:
  measure:
    request: true
    args:
      required: [{name: gate, desc: File that lets it go on}]
    nodes:
      prepare: {category: job, type: say, args: [{expected: text, given: gate}]}
      wait: {category: job, type: wait, args: [{expected: gate}], deps: [prepare], retry: 1}
      conclude: {category: job, type: say, args: [{expected: text, given: gate}], deps: [wait]}
jobs:
  say:
    command: [${NODE}, -e, "console.log('said ' + process.argv[1])", "\${text}"]
  wait:
    # Says over REST that it waits; ends well when the file says so, badly when it says that.
    command:
      - ${NODE}
      - -e
      - |
        const {readFileSync} = require('node:fs');
        const {SCANPLANE_REPORT_URL: url, SCANPLANE_REPORT_TOKEN: token} = process.env;
        const body = JSON.stringify({status: 'waiting for the gate', data: {seen: 1}});
        const headers = {authorization: 'Bearer ' + token, 'content-type': 'application/json'};
        let isHeard = false;
        fetch(url, {method: 'POST', headers, body}).then(({status}) => {
          console.log('report', status);
          isHeard = true;
        });
        setInterval(() => {
          if (!isHeard) return;
          let word = '';
          try { word = readFileSync(process.argv[1], 'utf8'); } catch {}
          if (word === 'open') process.exit(0);
          if (word === 'broken') process.exit(3);
        }, 20);
      - "\${gate}"
  odd:
    command: [true]
`;
const BROKEN = 'sequences:\n  broken:\n    request: true\n    nodes:\n      n: {category: job, type: say, deps: [nobody]}\n';

let etcd: TestEtcd;
let system: TestSystem;
let directory: string;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  directory = await mkdtemp(join(tmpdir(), 'scanplane-specs-'));
  await writeFile(join(directory, 'measure.yaml'), SPECS);
  await writeFile(join(directory, 'broken.yaml'), BROKEN);
  system = await TestSystem.start({etcd, settings: {SCANPLANE_SPECS: directory}});
  await system.startReplica();
});
afterAll(async () => {
  await system.stop();
  await etcd.stop();
  await rm(directory, {recursive: true});
});

// oxlint-disable-next-line typescript/no-explicit-any
type Body = any;

async function ask(method: string, path: string, body?: unknown): Promise<{readonly status: number; readonly body: Body}> {
  const sent = body === undefined ? {} : {body: JSON.stringify(body), headers: {'content-type': 'application/json'}};
  const answer = await fetch(`${system.address}${path}`, {method, ...sent});
  const text = await answer.text();
  return {status: answer.status, body: text === '' ? undefined : (JSON.parse(text) as Body)};
}
const of = (id: string, path = ''): string => `/api/v1/requests/${id}${path}`;
const untilState = (id: string, state: number): Promise<Body> =>
  eventually(
    async () => {
      const {body} = await ask('GET', of(id));
      expect(body.state, `${JSON.stringify(body)}`).toBe(state);
      return body;
    },
    {timeoutMs: 20_000},
  );
const waiting = (id: string, tryNumber: number): Promise<Body> =>
  eventually(
    async () => {
      const {jobs} = (await ask('GET', `/api/v1/status/running?requestId=${id}`)).body;
      expect(jobs).toMatchObject([{requestId: id, name: 'wait', state: 2, status: 'waiting for the gate', try: tryNumber}]);
    },
    {timeoutMs: 20_000},
  );

async function newRequest(query = ''): Promise<{readonly id: string; readonly gate: (word: string) => Promise<void>}> {
  const gate = join(directory, `gate-${Math.random()}`);
  const {status, body} = await ask('POST', `/api/v1/requests${query}`, {type: 'measure', args: {gate}});
  expect({status, state: body.state}).toEqual({status: 201, state: 1});
  return {id: body.id as string, gate: (word) => writeFile(gate, word)};
}

test('a request runs to its end, and its log can be followed meanwhile', async () => {
  const {id, gate} = await newRequest();
  const followed = fetch(`${system.address}${of(id, '/log?follow=true')}`).then((answer) => answer.text());
  await waiting(id, 1);
  expect((await ask('GET', of(id))).body).toMatchObject({state: 2, totalJobs: 7, finishedJobs: 3, finishedAt: null});
  await gate('open');
  const done = await untilState(id, 3);
  expect(done).toMatchObject({totalJobs: 7, finishedJobs: 7, JobChain: {state: 3, finishedJobs: 7}});
  expect(Object.values<Body>(done.JobChain.jobs).every(({state}) => state === 3)).toBe(true);
  expect(Date.parse(done.finishedAt as string)).toBeGreaterThanOrEqual(Date.parse(done.startedAt as string));

  const log = (await ask('GET', of(id, '/log'))).body as {name: string; try: number; stdout: string; state: number}[];
  expect(log).toHaveLength(7);
  expect(log.find(({name}) => name === 'wait')).toMatchObject({try: 1, state: 3, stdout: 'report 200\n'});
  const lines = (await followed).split('\n').filter((line) => line !== '');
  const names = lines.map((line) => (JSON.parse(line) as {name: string}).name);
  expect([...names].sort()).toEqual(log.map(({name}) => name).sort());
  expect(names.indexOf('prepare')).toBeLessThan(names.indexOf('wait'));
  for (const path of [`/scan/${id}`, `/scan/${id}/status`]) expect((await ask('GET', path)).status).toBe(404);
}, 60_000);

test('a request is suspended, goes on where it was, is stopped, and is run again from there', async () => {
  const {id, gate} = await newRequest();
  await waiting(id, 1);
  expect((await ask('PUT', of(id, '/suspend'))).status).toBe(200);
  const suspended = await untilState(id, 7);
  const stateOf = (body: Body, name: string): number => Object.values<Body>(body.JobChain.jobs).find((job) => job.name === name).state as number;
  expect([stateOf(suspended, 'prepare'), stateOf(suspended, 'wait'), stateOf(suspended, 'conclude')]).toEqual([3, 6, 1]);
  expect((await ask('PUT', of(id, '/resume'))).status).toBe(200);
  await waiting(id, 2);
  expect((await ask('PUT', of(id, '/stop'))).status).toBe(200);
  const stopped = await untilState(id, 6);
  expect(stopped.finishedAt).not.toBeNull();
  expect(stateOf(stopped, 'wait')).toBe(6);
  expect((await ask('PUT', of(id, '/resume'))).status).toBe(409);
  expect((await ask('PUT', of(id, '/retry'))).status).toBe(200);
  await waiting(id, 3);
  await gate('open');
  const done = await untilState(id, 3);
  expect(done.finishedJobs).toBe(7);
  const tries = ((await ask('GET', of(id, '/log'))).body as {name: string; try: number}[]).filter(({name}) => name === 'prepare');
  expect(tries).toHaveLength(1);
}, 90_000);

test('a request that failed is run again from what failed', async () => {
  const {id, gate} = await newRequest();
  await waiting(id, 1);
  await gate('broken');
  const failed = await untilState(id, 4);
  expect(failed).toMatchObject({finishedJobs: 3});
  expect(failed.finishedAt).not.toBeNull();
  await gate('open');
  expect((await ask('PUT', of(id, '/retry'))).status).toBe(200);
  await untilState(id, 3);
  const tries = ((await ask('GET', of(id, '/log'))).body as {name: string; try: number; state: number}[]).filter(({name}) => name === 'wait');
  expect(tries.map((entry) => [entry.try, entry.state])).toEqual([
    [1, 4],
    [2, 4],
    [3, 3],
  ]);
}, 60_000);

test('a request that waits to be started does so until it is, or is taken back', async () => {
  const {id, gate} = await newRequest('?start=false');
  const other = await newRequest('?start=false');
  expect((await ask('PUT', of(other.id, '/stop?pending=true'))).status).toBe(200);
  await untilState(other.id, 6);
  expect((await ask('GET', of(id))).body).toMatchObject({state: 1, startedAt: null, finishedJobs: 0});
  expect((await ask('PUT', of(id, '/start'))).status).toBe(200);
  await gate('open');
  await untilState(id, 3);
}, 60_000);

test('a spec that cannot be used stops only itself, and is told of', async () => {
  const {status, body} = await ask('GET', '/readyz');
  expect(status).toBe(200);
  expect(body).toMatchObject({
    status: 'ok',
    bad_specs_total: 1,
    bad_specs: [{place: 'broken.yaml:5', sequence: 'broken', reason: expect.stringContaining('nobody') as unknown}],
  });
  expect((await ask('POST', '/api/v1/requests', {type: 'broken'})).status).toBe(400);
  expect((await ask('GET', '/api/v1/request-list')).body.map(({Name}: {Name: string}) => Name)).toEqual(['measure', 'skymap-scan']);
});
