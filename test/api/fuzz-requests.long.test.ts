import {createHash} from 'node:crypto';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {METHODS, ODD_HEADERS, ODD_IDS, ODD_TEXTS, oddValue, pick, send, shown, spoil, spoilText, times} from '../support/odd-requests.ts';
import type {Random, Sent} from '../support/odd-requests.ts';
import {startRequestApi} from '../support/request-api.ts';
import type {RequestApi} from '../support/request-api.ts';
import {aWireChain, startRunner} from '../support/runner.ts';
import type {TestRunner} from '../support/runner.ts';
import {seededRandom} from '../support/seeded-random.ts';
import {SCAN_BODY} from './harness.ts';

const SEED = 20261124;
const REQUESTS = 3000;
const TOKEN = 'token-of-a-job';

let etcd: TestEtcd;
let api: RequestApi;
let runner: TestRunner;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startRequestApi(etcd.endpoint);
  runner = await startRunner(etcd.endpoint);
});

afterAll(async () => {
  await runner?.stop();
  await api?.stop();
  await etcd?.stop();
});

interface Valid {
  readonly method: string;
  readonly path: string;
  readonly body?: unknown;
  readonly token?: string;
}

const CHAIN = aWireChain('c1', {a: ['b', 'c'], b: ['d'], c: ['d'], d: []}, {a: {sequenceId: 'a', sequenceRetry: 1}, b: {sequenceId: 'a'}});
const SUSPENDED = {requestId: 'c1', jobChain: CHAIN, totalJobTries: {a: 1}, latestRunJobTries: {a: 1}, sequenceTries: {a: 1}};
const TRY = {jobId: 'j1', try: 1, name: 'j', type: 't', startedAt: 1, finishedAt: 2, state: 3, exit: 0, error: '', stdout: 'o', stderr: ''};

/** Requests that are answered with 200 or 201 by the API, before they are spoilt. `ID` stands for a request, `OVER` for one that has ended. */
const OF_API: readonly Valid[] = [
  {method: 'POST', path: '/api/v1/requests', body: {type: 'calibrate', args: {field: 'x'}}},
  {method: 'POST', path: '/api/v1/requests?start=false', body: {Type: 'guarded', Args: {}, User: 'u'}},
  {method: 'POST', path: '/api/v1/requests', body: {type: 'skymap-scan', args: SCAN_BODY}},
  {method: 'GET', path: '/api/v1/requests?type=calibrate&state=RUNNING&state=PENDING&user=u&limit=5&offset=1'},
  {method: 'GET', path: '/api/v1/requests?since=2026-01-01T00:00:00Z&until=2027-01-01T00:00:00.5%2B01:00&arg=field=x&limit=3'},
  {method: 'GET', path: '/api/v1/requests/ID'},
  {method: 'GET', path: '/api/v1/requests/ID/job-chain'},
  {method: 'GET', path: '/api/v1/requests/ID/suspended'},
  {method: 'GET', path: '/api/v1/requests/ID/log'},
  {method: 'GET', path: '/api/v1/requests/OVER/log?follow=true'},
  {method: 'GET', path: '/api/v1/requests/ID/log/j1'},
  {method: 'GET', path: '/api/v1/request-list'},
  {method: 'GET', path: '/api/v1/status/running?requestId=ID&orderBy=startTime'},
  {method: 'GET', path: '/version'},
  {method: 'PUT', path: '/api/v1/requests/ID/start'},
  {method: 'PUT', path: '/api/v1/requests/ID/stop?pending=true'},
  {method: 'PUT', path: '/api/v1/requests/ID/suspend'},
  {method: 'PUT', path: '/api/v1/requests/ID/suspend', body: {...SUSPENDED, requestId: '', jobChain: {...CHAIN, requestId: ''}}},
  {method: 'PUT', path: '/api/v1/requests/ID/resume'},
  {method: 'PUT', path: '/api/v1/requests/ID/retry'},
  {method: 'PUT', path: '/api/v1/requests/ID/finish', body: {state: 4, finishedAt: '2026-11-22T00:00:00.123456789Z', finishedJobs: 1}},
  {method: 'PUT', path: '/api/v1/requests/ID/progress', body: {requestId: 'ID', finishedJobs: 2}},
  {method: 'POST', path: '/api/v1/requests/ID/log', body: TRY},
  {method: 'POST', path: '/api/v1/requests/RUNS/jobs/j1/report', body: {status: 's', endpoint: 'e', data: {a: [1]}}, token: TOKEN},
];

/** The same of the job runner's. */
const OF_RUNNER: readonly Valid[] = [
  {method: 'POST', path: '/api/v1/job-chains', body: CHAIN},
  {method: 'POST', path: '/api/v1/job-chains/resume', body: SUSPENDED},
  {method: 'PUT', path: '/api/v1/job-chains/ID/stop'},
  {method: 'GET', path: '/api/v1/status/running'},
  {method: 'GET', path: '/version'},
];

const ODD_QUERIES = [
  ...['state=running', 'state=RUNNING&state=', 'limit=-1', 'limit=1e3', 'limit=99999999999999999999', 'limit=5&offset=x', 'offset=x'],
  ...['arg=', 'arg==', 'arg=%00', 'arg=__proto__=1', 'since=yesterday', 'since=2026-02-30T00:00:00Z', 'until=9999-12-31T23:59:59-23:59'],
  ...['orderBy=name', 'requestId=%2e%2e', 'requestId=__proto__', 'follow=maybe', 'start=0', 'pending=1', 'limit=%', `user=${'u'.repeat(5000)}`],
];

interface Ids {
  readonly all: readonly string[];
  readonly over: string;
  readonly runs: string;
}

let chains = 0;

function oddRequest(random: Random, {all, over, runs}: Ids): {readonly sent: Sent; readonly isRunners: boolean} {
  const isRunners = random() < 0.3;
  const {method: validMethod, path: validPath, body: validBody, token} = pick(random, isRunners ? OF_RUNNER : OF_API);
  const isValid = random() < 0.15;
  const odd = (share: number): boolean => !isValid && random() < share;
  const id = odd(0.1) ? pick(random, ODD_IDS) : pick(random, all);
  let path = validPath.replace('ID', id).replace('OVER', over).replace('RUNS', runs);
  if (odd(0.15)) path += `${path.includes('?') ? '&' : '?'}${pick(random, ODD_QUERIES)}`;
  if (odd(0.05)) path += pick(random, ['/', '//', '?', '#x', '/x', '%']);
  if (odd(0.03)) path = `/api/v1/${times(3, () => pick(random, [...ODD_IDS, 'requests', 'job-chains', 'status'])).join('/')}`;
  const headers: Record<string, string> = token === undefined || odd(0.2) ? {} : {authorization: `Bearer ${token}`};
  let body: Buffer | undefined;
  if (validBody !== undefined || odd(0.1)) {
    // Each chain is another one, unless it comes again on purpose.
    const name = odd(0.2) ? 'c0' : `c${++chains}`;
    let value: unknown = JSON.parse(
      JSON.stringify(validBody ?? oddValue(random))
        .replaceAll('"c1"', JSON.stringify(name))
        .replaceAll('"ID"', JSON.stringify(id)),
    );
    for (let n = odd(0.7) ? 1 + Math.floor(random() * 3) : 0; n > 0; n--) value = spoil(random, value);
    const text = JSON.stringify(value) ?? '';
    body = odd(0.2) && text.length > 0 ? spoilText(random, text) : Buffer.from(text);
    headers['content-type'] = 'application/json';
  }
  if (odd(0.15)) {
    const [name, values] = pick(random, ODD_HEADERS);
    headers[name] = pick(random, values);
  }
  return {sent: {method: odd(0.1) ? pick(random, METHODS) : validMethod, path, headers, body}, isRunners};
}

async function someRequests(): Promise<Ids> {
  const [waits, runs, rests, over] = await Promise.all(times(4, () => api.newRequest()));
  const held = (await api.ask('POST', '/api/v1/requests?start=false', {body: {type: 'calibrate', args: {field: 'y'}}})).body.id as string;
  const ids = {all: [waits, runs, rests, held, await api.newScan()] as string[], over: over as string, runs: runs as string};
  await api.putState(ids.runs, {jobs_total: 7});
  const tries = [{try: 1, intent_at: '', token_digest: createHash('sha256').update(TOKEN).digest('hex'), place: 'p'}];
  await api.putJob(ids.runs, 'j1', {tries});
  await api.putState(rests as string, {name: 'SUSPENDED'});
  await api.putState(ids.over, {name: 'FAIL', ended_at: '2026-01-01T00:01:00.000Z'});
  for (const id of [...ids.all, ids.over]) await api.putLog(id, 'j1', {try: 1, stdout: ODD_TEXTS.join('\n')});
  return ids;
}

test('whatever is sent to the routes of requests and job runners, nothing of it breaks them, and what is refused has written nothing', async () => {
  const random = seededRandom(SEED);
  const ids = await someRequests();
  const counts = new Map<number, number>();
  const faults: string[] = [];
  for (let n = 0; n < REQUESTS; n++) {
    const {sent, isRunners} = oddRequest(random, ids);
    const before = await api.store.currentRevision();
    const answer = await send(isRunners ? runner.url : api.url, sent);
    if (answer === undefined) continue;
    const {status, type, text} = answer;
    counts.set(status, (counts.get(status) ?? 0) + 1);
    if (status >= 500 || status === 0) faults.push(`${status} ${text.slice(0, 200)} for ${shown(sent)}`);
    if (status >= 400 && (await api.store.currentRevision()) !== before) faults.push(`${status}, and something was written, for ${shown(sent)}`);
    if (status >= 400 && status !== 431 && sent.method !== 'HEAD' && type.startsWith('application/json') && !isError(text))
      faults.push(`${status} without the shape of an error: ${text.slice(0, 200)} for ${shown(sent)}`);
  }
  expect(faults.slice(0, 20)).toEqual([]);
  // Else this would be about nothing.
  for (const [status, share] of [
    [200, 10],
    [201, 50],
    [400, 10],
    [404, 50],
    [409, 100],
  ] as const) {
    expect(counts.get(status) ?? 0, `answers with ${status}`).toBeGreaterThan(REQUESTS / share);
  }
  expect([...api.cache.bad.values()]).toEqual([]);
  expect((await api.ask('GET', '/api/v1/requests')).status).toBe(200);
  expect((await fetch(`${runner.url}/readyz`)).status).toBe(200);
});

/** Of Spin Cycle's routes; or of SkyDriver's, where a path became one. */
function isError(text: string): boolean {
  const error = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return typeof error['message'] === 'string' || (typeof error['code'] === 'number' && typeof error['error'] === 'string');
}
