import {spawn} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {NODE_FLAGS} from '../../../src/cli/node-flags.ts';
import {canonicalJson} from '../../../src/lib/canonical-json.ts';
import {JobRunnerClient} from '../../../src/proto/job-runner-client.ts';
import {RequestManagerClient} from '../../../src/proto/request-manager-client.ts';
import {STATE_VALUE} from '../../../src/proto/state.ts';
import type {Job, JobChain, Request, SuspendedJobChain} from '../../../src/proto/types.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import * as keys from '../../../src/schema/keys.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {SHELL_JOBS, aWireChain, startRunner} from '../../support/runner.ts';
import {TestSystem} from '../../support/system.ts';
import type {TestReplica} from '../../support/system.ts';

const {PENDING, RUNNING, COMPLETE, FAIL, STOPPED, SUSPENDED} = STATE_VALUE;
const MAIN = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));

let etcd: TestEtcd;
let system: TestSystem;
let replica: TestReplica;
let manager: RequestManagerClient;
let directory: string;
let serial = 0;

beforeAll(async () => {
  etcd = await startEtcd();
  directory = await mkdtemp(join(tmpdir(), 'scanplane-resume-'));
  system = await TestSystem.start({etcd, capacity: 64, jobs: SHELL_JOBS});
  replica = await system.startReplica();
  manager = new RequestManagerClient(system.address);
});
afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
  await rm(directory, {recursive: true, force: true});
});

const newId = (): string => `sr${++serial}`;
const runnerOf = (each: TestReplica): JobRunnerClient => new JobRunnerClient(each.address);

/** A file that a job waits for. */
const gate = (id: string): string => join(directory, `${id}.gate`);
/** Says each of its runs in a file, then waits for its gate. */
const waits = (id: string): string => `echo run >> ${join(directory, `${id}.runs`)}; until [ -e ${gate(id)} ]; do sleep 0.05; done`;
const open = (id: string): Promise<void> => writeFile(gate(id), '');
async function runsOf(id: string): Promise<number> {
  const text = await readFile(join(directory, `${id}.runs`), 'utf8').catch(() => '');
  return text.split('\n').filter((line) => line !== '').length;
}

/** first → wait → last, of shell commands; `wait` waits for its gate. */
function aChainThatWaits(id: string, more: Partial<Job> = {}): JobChain {
  return aWireChain(id, {first: ['wait'], wait: ['last']}, {wait: {args: {script: waits(id)}, ...more}});
}

const look = (id: string): Promise<Request> => manager.getRequest(id);
const inState = (id: string, state: number): Promise<Request> =>
  eventually(
    async () => {
      const request = await look(id);
      expect(request.state).toBe(state);
      return request;
    },
    {timeoutMs: 20_000},
  );
const untilItWaits = (id: string, runs = 1): Promise<void> => eventually(async () => expect(await runsOf(id)).toBe(runs), {timeoutMs: 20_000});
const statesOf = ({JobChain: chain}: Request): unknown => Object.fromEntries(Object.values(chain?.jobs ?? {}).map(({id, state}) => [id, state]));

/** Has a request suspended that waits at its gate. */
async function suspended(): Promise<string> {
  const id = newId();
  await runnerOf(replica).newJobChain(aChainThatWaits(id));
  await untilItWaits(id);
  await manager.suspendRequest(id, {...empty(id), requestId: id});
  await inState(id, SUSPENDED);
  return id;
}

const empty = (id: string): SuspendedJobChain => ({
  requestId: id,
  jobChain: {...aWireChain(id, {}), state: SUSPENDED},
  totalJobTries: {},
  latestRunJobTries: {},
  sequenceTries: {},
});

async function suspendedChainOf(id: string): Promise<SuspendedJobChain> {
  const answer = await fetch(`${system.address}/api/v1/requests/${id}/suspended`);
  return (await answer.json()) as SuspendedJobChain;
}

/** As an operator would put it: chain, request and what is wanted of it. */
async function putByHand(id: string, chain: Chain, control: object, state?: object): Promise<void> {
  const values = {[keys.chainKey(id)]: chain, [keys.controlKey(id)]: control, [keys.scanKey(id)]: {type: 'by-hand'}};
  const all = state === undefined ? values : {...values, [keys.stateKey(id)]: state};
  await system.database.store.commit({compares: [], ops: Object.entries(all).map(([put, value]) => ({put, value: canonicalJson(value)}))});
}

/** One shell command. */
function oneJob(script: string, more: Partial<Chain> = {}): Chain {
  const types = {sh: {run: {kind: 'command' as const, command: ['/bin/sh', '-c', script]}}};
  return {jobs: {wait: {type: 'sh', cluster: 'local', count: 1, retry: 0}}, adjacency: {}, types, ...more};
}

describe('4.4 request manager, start', () => {
  test('case 52: a request that is held does nothing until it is started; then exactly the chain that is stored runs', async () => {
    const id = newId();
    await putByHand(id, oneJob(waits(id)), {desired: 'hold'});
    await eventually(async () => expect((await look(id)).state).toBe(PENDING));
    const before = await manager.getJobChain(id);
    await manager.startRequest(id);
    await untilItWaits(id);
    expect(await inState(id, RUNNING)).toMatchObject({
      totalJobs: 1,
      finishedJobs: 0,
      startedAt: expect.any(String) as string,
      jrURL: replica.address,
    });
    const after = await manager.getJobChain(id);
    expect(after).toEqual({...before, state: RUNNING, jobs: {wait: {...before.jobs['wait'], state: RUNNING}}});
    await expect(manager.startRequest(id)).rejects.toMatchObject({httpStatus: 409});
    await open(id);
    const done = await inState(id, COMPLETE);
    expect(done).toMatchObject({finishedJobs: 1, finishedAt: expect.any(String) as string});
    expect(done.jrURL).toBeUndefined();
    expect(await runsOf(id)).toBe(1);
  });

  test('case 59: a request that cannot begin at all ends in FAIL, with its time and no job finished', async () => {
    const id = newId();
    await runnerOf(replica).newJobChain(aWireChain(id, {only: []}, {only: {type: 'far'}}));
    expect(await inState(id, FAIL)).toMatchObject({finishedJobs: 0, finishedAt: expect.any(String) as string});
  });
});

describe('4.5 suspend, resume', () => {
  test('case 70: a request that runs and is suspended stops its jobs, and what it has come to can be read', async () => {
    const id = await suspended();
    expect(statesOf(await look(id))).toEqual({first: COMPLETE, wait: STOPPED, last: PENDING});
    expect(await suspendedChainOf(id)).toMatchObject({
      ...{requestId: id, totalJobTries: {first: 1, wait: 1}, latestRunJobTries: {first: 1, wait: 1}},
      jobChain: {state: SUSPENDED, finishedJobs: 1, adjacencyList: {first: ['wait'], wait: ['last']}},
    });
    await manager.stopRequest(id);
    expect(await inState(id, STOPPED)).toMatchObject({finishedAt: expect.any(String) as string});
  });

  test('case 72: a suspended request goes on when its chain is handed over to be resumed: from where it was, under a runner whose address it shows', async () => {
    const id = await suspended();
    const {startedAt} = await look(id);
    await runnerOf(replica).resumeJobChain(await suspendedChainOf(id));
    await untilItWaits(id, 2);
    expect(await inState(id, RUNNING)).toMatchObject({jrURL: replica.address, startedAt, finishedJobs: 1});
    await open(id);
    await inState(id, COMPLETE);
    const tries = (await manager.getJobLogs(id)).map(({jobId, try: number, state}) => `${jobId} ${number} ${state}`);
    expect(tries.toSorted()).toEqual([`first 1 ${COMPLETE}`, `last 1 ${COMPLETE}`, `wait 1 ${STOPPED}`, `wait 2 ${COMPLETE}`]);
  });

  test('case 73: to resume a request that runs already changes nothing, and no job runs twice', async () => {
    const id = await suspended();
    const chain = await suspendedChainOf(id);
    await runnerOf(replica).resumeJobChain(chain);
    await untilItWaits(id, 2);
    expect((await runnerOf(replica).resumeJobChain(chain)).href).toBe(`${replica.address}/api/v1/job-chains/${id}`);
    await open(id);
    await inState(id, COMPLETE);
    expect(await runsOf(id)).toBe(2);
  });

  test('case 74: a request that is resumed while nobody can go on with it stays SUSPENDED, and loses nothing (mended)', async () => {
    const id = await suspended();
    await replica.stop();
    const answer = await fetch(`${system.address}/api/v1/requests/${id}/resume`, {method: 'PUT'});
    expect(answer.status).toBe(200);
    expect(await look(id)).toMatchObject({state: SUSPENDED, finishedJobs: 1});
    replica = await system.startReplica();
    await untilItWaits(id, 2);
    await open(id);
    await inState(id, COMPLETE);
    expect(await runsOf(id)).toBe(2);
  });

  test('case 75: of many that resume many requests at once, each request is resumed by one: every job that was stopped runs once more (mended)', async () => {
    const other = await system.startReplica();
    const ids = await Promise.all(Array.from({length: 5}, () => suspended()));
    const chains = await Promise.all(ids.map((id) => suspendedChainOf(id)));
    await Promise.all([replica, other, replica].flatMap((each) => chains.map((chain) => runnerOf(each).resumeJobChain(chain))));
    for (const id of ids) await untilItWaits(id, 2);
    const running = await Promise.all(ids.map((id) => inState(id, RUNNING)));
    for (const {jrURL} of running) expect([replica.address, other.address]).toContain(jrURL);
    const lists = await Promise.all([runnerOf(replica).getRunning(), runnerOf(other).getRunning()]);
    expect(
      lists
        .flat()
        .map(({requestId, jobId}) => `${requestId} ${jobId}`)
        .toSorted(),
    ).toEqual(ids.map((id) => `${id} wait`).toSorted());
    await other.stop();
    await Promise.all(ids.map(open));
    for (const id of ids) await inState(id, COMPLETE);
    expect(await Promise.all(ids.map(runsOf))).toEqual(ids.map(() => 2));
  });
});

describe('4.23 what a job runner leaves behind', () => {
  test('case 345: a request whose runner is killed goes on under another, and its jobs run on (mended)', async () => {
    const id = newId();
    await replica.stop();
    const place = join(directory, 'jobs');
    const child = spawn(process.execPath, [...NODE_FLAGS, MAIN, 'controllers'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: {
        ...{PATH: process.env['PATH'], HOME: process.env['HOME'], SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_LOG_LEVEL: 'error'},
        ...{SCANPLANE_RUN_DIRECTORY: place, SCANPLANE_TTL_SECONDS: '2', SCANPLANE_ORPHAN_AFTER_SECONDS: '60'},
      },
    });
    const exited = once(child, 'exit');
    const front = await startRunner(etcd.endpoint, {replica: 'front'});
    try {
      await front.client.newJobChain(aChainThatWaits(id));
      await untilItWaits(id);
      const {jrURL} = await look(id);
      expect(await new JobRunnerClient(jrURL ?? '').getRunning({requestId: id})).toMatchObject([{jobId: 'wait', state: RUNNING, try: 1}]);
      child.kill('SIGKILL');
      await exited;
      const clusterId = system.database.cache.meta?.value.cluster_id ?? '';
      replica = await system.startReplica(join(place, clusterId));
      await eventually(async () => expect(await look(id)).toMatchObject({state: RUNNING, jrURL: replica.address}), {timeoutMs: 20_000});
      await open(id);
      expect(statesOf(await inState(id, COMPLETE))).toEqual({first: COMPLETE, wait: COMPLETE, last: COMPLETE});
      expect(await runsOf(id)).toBe(1);
    } finally {
      child.kill('SIGKILL');
      await exited;
      await front.stop();
      await replica.stop();
      replica = await system.startReplica();
    }
  });

  test('case 348: a suspended request does not expire by itself; one whose time is over when it is resumed FAILs, with its time (mended)', async () => {
    const id = newId();
    const state = {name: 'SUSPENDED', attempt: 1, started_at: '2026-01-01T00:00:00.000Z', jobs_total: 1, jobs_finished: 0};
    await putByHand(id, oneJob(waits(id), {timeout: '1h'}), {desired: 'suspend'}, state);
    expect(await inState(id, SUSPENDED)).toMatchObject({finishedAt: null});
    expect((await fetch(`${system.address}/api/v1/requests/${id}/resume`, {method: 'PUT'})).status).toBe(200);
    expect(await inState(id, FAIL)).toMatchObject({finishedAt: expect.any(String) as string, finishedJobs: 0});
    expect(await runsOf(id)).toBe(0);
  });

  test('case 359: an empty chain is COMPLETE at once', async () => {
    const id = newId();
    await runnerOf(replica).newJobChain(aWireChain(id, {}));
    const times = {startedAt: expect.any(String) as string, finishedAt: expect.any(String) as string};
    expect(await inState(id, COMPLETE)).toMatchObject({totalJobs: 0, finishedJobs: 0, ...times});
  });
});

describe('what executors say of a request that runs here', () => {
  test('a finish ends what runs of it', async () => {
    const id = newId();
    await runnerOf(replica).newJobChain(aChainThatWaits(id));
    await untilItWaits(id);
    await manager.finishRequest({requestId: id, state: FAIL, finishedAt: '2026-02-03T04:05:06Z', finishedJobs: 1});
    expect(await look(id)).toMatchObject({state: FAIL, finishedAt: '2026-02-03T04:05:06Z', finishedJobs: 1});
    await eventually(
      async () =>
        expect(
          await runnerOf(replica)
            .getRunning()
            .then((jobs) => jobs.map(({requestId}) => requestId)),
        ).not.toContain(id),
      {timeoutMs: 10_000},
    );
    await eventually(() => expect(system.database.cache.scans.get(id)?.owner).toBeUndefined(), {timeoutMs: 10_000});
    expect(await look(id)).toMatchObject({state: FAIL, finishedAt: '2026-02-03T04:05:06Z'});
  });

  test('a runner stops what it is told to', async () => {
    const id = newId();
    await runnerOf(replica).newJobChain(aChainThatWaits(id));
    await untilItWaits(id);
    await runnerOf(replica).stopRequest(id);
    expect(statesOf(await inState(id, STOPPED))).toEqual({first: COMPLETE, wait: STOPPED, last: PENDING});
  });
});
