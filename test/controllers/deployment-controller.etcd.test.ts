import {existsSync} from 'node:fs';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import type {DeployRecord} from '../../src/model/block-record.ts';
import {openTryOf} from '../../src/model/deployment-facts.ts';
import {must} from '../../src/lib/assert.ts';
import {deploymentJobs} from '../../src/schema/deployment.ts';
import type {DeploymentState} from '../../src/schema/deployment.ts';
import {parseJobLog} from '../../src/schema/job-log.ts';
import {tokenDigest} from '../../src/schema/job-token.ts';
import * as keys from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {jobProcesses} from '../support/job-processes.ts';
import {TestSystem} from '../support/system.ts';

/** A replica over a real etcd; what runs are real processes. */

let etcd: TestEtcd;
let system: TestSystem;
let folder: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await TestSystem.start({etcd, settingsOfCluster: {env: [['FROM_CLUSTER', 'c']]}, settings: {SCANPLANE_RETRY_BASE_SECONDS: '0.02'}});
  folder = await mkdtemp(join(tmpdir(), 'scanplane-deploy-'));
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
  if (folder !== undefined) await rm(folder, {recursive: true, force: true});
});

const record = (id: string): DeployRecord | undefined => system.database.cache.deployments.get(id);
const state = (id: string): DeploymentState | undefined => record(id)?.state?.value;
const WAIT = {timeoutMs: 20_000};

async function put(key: string, value: unknown): Promise<void> {
  await system.database.store.commit({compares: [], ops: [{put: key, value: typeof value === 'string' ? value : JSON.stringify(value)}]});
  await system.database.cache.catchUp();
}

async function remove(...all: readonly string[]): Promise<void> {
  await system.database.store.commit({compares: [], ops: all.map((key) => ({delete: key}))});
  await system.database.cache.catchUp();
}

/** A deployment that runs this shell command. */
const deploy = (id: string, script: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> =>
  put(keys.deployKey(id), {id, type: 'job', args: {command: ['/bin/sh', '-c', script], ...more}});

/** Waits until it runs, and says which process it is. */
async function untilRunning(id: string, isOther: (pid: number) => boolean = () => true): Promise<number> {
  return eventually(() => {
    const seen = state(id);
    const open = openTryOf(seen);
    expect(seen?.status).toBe('RUNNING');
    const [pid] = jobProcesses(deploymentJobs(id), String(seen?.of), open?.try ?? 0);
    if (pid === undefined || !isOther(pid)) throw new Error('not yet');
    return pid;
  }, WAIT);
}

const untilStatus = (id: string, status: string): Promise<DeploymentState> =>
  eventually(() => {
    expect(state(id)?.status).toBe(status);
    return state(id) as DeploymentState;
  }, WAIT);

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

const untilEnded = (pid: number): Promise<unknown> => eventually(() => !isAlive(pid), WAIT);
const untilGone = (id: string): Promise<unknown> => eventually(() => record(id) === undefined, WAIT);
const LONG = 'exec sleep 600';

test('a deployment is FINISHED when its process exits with 0, and what it printed can be read', async () => {
  await deploy('done', 'echo hello; echo dear >&2');
  const ended = await untilStatus('done', 'FINISHED');
  expect(ended).toMatchObject({of: record('done')?.spec?.createRevision, tries_total: 1, failures: 0});
  expect(ended.tries).toHaveLength(1);
  const log = must(await system.database.store.get('~log/deploy.done/main/1'), 'the log entry');
  expect(parseJobLog(log.value.toString(), log.key)).toMatchObject({state: 'COMPLETE', exit: 0, stdout: 'hello\n', stderr: 'dear\n'});
  await eventually(() => record('done')?.owner === undefined);
});

test('a process is told who it is, where the API and the database are, and its values, and gets a token of which only the digest is stored', async () => {
  const file = join(folder, 'told');
  const args = {
    command: ['/bin/sh', '-c', `env > "$OUT"; cat >> "$OUT"; cat "$SCANPLANE_JOB_FILE" >> "$OUT"`],
    ...{env: [['OUT', file]], values: {a: [1, 'x']}},
  };
  await put(keys.pbKey('pb-1'), {pb_id: 'pb-1', script: {kind: 'batch', name: 'any', version: '1'}}); // Else it belongs to nobody, and is removed.
  await put(keys.deployKey('told'), {id: 'told', type: 'job', pb_id: 'pb-1', args});
  const {tries} = await untilStatus('told', 'FINISHED');
  const text = await readFile(file, 'utf8');
  const env = new Map(text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  expect(env.get('FROM_CLUSTER')).toBe('c');
  expect(env.get('SCANPLANE_DEPLOYMENT_ID')).toBe('told');
  expect(env.get('SCANPLANE_PB_ID')).toBe('pb-1');
  expect(env.get('SCANPLANE_API')).toBe(system.address);
  expect(env.get('SCANPLANE_ETCD_ENDPOINTS')).toBe(etcd.endpoint);
  expect(env.get('SCANPLANE_PREFIX')).toBe('');
  const token = env.get('SCANPLANE_TOKEN') ?? '';
  expect(token).toMatch(/^deploy\.told\.[0-9a-f]{64}$/);
  expect(tries[0]?.token_digest).toBe(tokenDigest(token));
  const document = '{"deployment_id":"told","pb_id":"pb-1","try":1,"values":{"a":[1,"x"]}}';
  expect(text.split(document)).toHaveLength(3);
  const {entries} = await system.database.store.range('');
  expect(entries.filter(({value}) => value.includes(token))).toEqual([]);
});

test('a process that is killed is started again, with a token of its own', async () => {
  await deploy('killed', LONG);
  const first = await untilRunning('killed');
  process.kill(first, 'SIGKILL');
  await untilRunning('killed', (pid) => pid !== first);
  const {tries, failures, tries_total} = state('killed') as DeploymentState;
  expect([failures, tries_total, tries.length]).toEqual([1, 2, 2]);
  expect(tries[0]?.token_digest).not.toBe(tries[1]?.token_digest);
  await remove(keys.deployKey('killed'));
  await untilGone('killed');
});

test('a deployment that fails more often than its retries is FAILED and says how; its last tries are kept', async () => {
  await deploy('fails', 'echo no >&2; exit 3', {retries: 6});
  const {tries, ...seen} = await untilStatus('fails', 'FAILED');
  expect(seen).toMatchObject({failures: 7, tries_total: 7, reason: 'failed 7 times, last: exit code 3'});
  expect(tries.map((each) => each.try)).toEqual([3, 4, 5, 6, 7]);
  const {entries} = await system.database.store.range('~log/deploy.fails/', {keysOnly: true});
  expect(entries.map(({key}) => Number(key.split('/').at(-1))).toSorted()).toEqual([3, 4, 5, 6, 7]);
});

test.each([
  ['nocluster', {command: ['true'], cluster: 'nowhere'}, 'no cluster is called nowhere'],
  ['image', {image: 'a/b:1'}, 'args.command is missing: the process engine runs commands, not images'],
  ['null', {command: ['a\0b']}, /null byte/],
])('a deployment that no retry can help is FAILED at once: %s', async (id, args, reason) => {
  await put(keys.deployKey(id), {id, type: 'job', args});
  const seen = await untilStatus(id, 'FAILED');
  expect(seen.reason).toMatch(reason);
  expect(seen.failures).toBe(0);
  expect(seen.tries_total).toBeLessThanOrEqual(1);
});

test('changed args are run in the place of the former ones, which end first', async () => {
  const file = join(folder, 'order');
  const script = (name: string): string => `echo ${name} begins >> ${file}; trap 'echo ${name} ends >> ${file}; exit 0' TERM; while :; do sleep 0.05; done`;
  await deploy('changed', script('a'));
  const first = await untilRunning('changed');
  await eventually(() => existsSync(file));
  await deploy('changed', script('b'));
  await untilRunning('changed', (pid) => pid !== first);
  await eventually(async () => expect(await readFile(file, 'utf8')).toBe('a begins\na ends\nb begins\n'));
  expect(state('changed')).toMatchObject({failures: 0, tries_total: 2});
  // The same args, written otherwise, are no change.
  const of = record('changed')?.spec?.modRevision;
  const text = JSON.stringify({args: {command: ['/bin/sh', '-c', script('b')]}, type: 'job', id: 'changed'}, null, 7);
  await put(keys.deployKey('changed'), text);
  await eventually(() => record('changed')?.spec?.modRevision !== of);
  await deploy('after', 'exit 0');
  await untilStatus('after', 'FINISHED');
  expect(state('changed')).toMatchObject({status: 'RUNNING', tries_total: 2});
  await remove(keys.deployKey('changed'));
  await untilGone('changed');
});

test('args that are changed after the end begin anew, with all retries', async () => {
  await deploy('anew', 'exit 4', {retries: 0});
  expect(await untilStatus('anew', 'FAILED')).toMatchObject({reason: 'failed once: exit code 4'});
  await deploy('anew', 'exit 0', {retries: 0});
  expect(await untilStatus('anew', 'FINISHED')).toMatchObject({failures: 0, tries_total: 2});
});

test('a deployment that is deleted while it runs is stopped, and its state goes when nothing of it runs', async () => {
  await deploy('gone', `trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done`);
  const pid = await untilRunning('gone');
  await remove(keys.deployKey('gone'));
  await untilGone('gone');
  expect(isAlive(pid)).toBe(false);
});

test('one that is deleted and created again ends what ran, then starts anew', async () => {
  await deploy('twice', LONG);
  const first = await untilRunning('twice');
  const before = record('twice')?.spec?.createRevision;
  await remove(keys.deployKey('twice'));
  await deploy('twice', LONG);
  await untilRunning('twice', (pid) => pid !== first);
  expect(isAlive(first)).toBe(false);
  expect(state('twice')).toMatchObject({tries_total: 1, failures: 0});
  expect(state('twice')?.of).not.toBe(before);
  await remove(keys.deployKey('twice'));
  await untilGone('twice');
});

test('one that is deleted with its state and its owner, all at once, is ended as well', async () => {
  await deploy('prefix', LONG);
  const pid = await untilRunning('prefix');
  await etcd.etcdctl(['del', '--prefix', '/deploy/prefix']);
  await untilEnded(pid);
  await untilGone('prefix');
});

test('a state that an operator deletes or spoils while its process runs is put back, and nothing is launched twice', async () => {
  await deploy('lost', LONG);
  const pid = await untilRunning('lost');
  const before = state('lost') as DeploymentState;
  for (const spoil of [() => remove(keys.deployStateKey('lost')), () => put(keys.deployStateKey('lost'), 'not json')]) {
    await spoil();
    await eventually(() => expect(state('lost')?.tries).toEqual(before.tries));
  }
  await put(keys.deployStateKey('lost'), {status: 'RUNNING'});
  await eventually(() => expect(state('lost')?.tries).toEqual(before.tries));
  expect(isAlive(pid)).toBe(true);
  await system.database.store.commit({
    compares: [],
    ops: [{delete: keys.deployKey('lost')}, {put: keys.deployStateKey('lost'), value: '{"status": "RUNNING"}'}],
  });
  await untilGone('lost');
  expect(isAlive(pid)).toBe(false);
});

test('a state that is lost together with its owner is found again by what runs', async () => {
  await deploy('orphan', LONG);
  const pid = await untilRunning('orphan');
  await remove(keys.deployStateKey('orphan'), keys.deployOwnerKey('orphan'));
  await eventually(() => expect(state('orphan')).toMatchObject({status: 'RUNNING', tries_total: 1}), WAIT);
  expect(await untilRunning('orphan')).toBe(pid);
  await remove(keys.deployKey('orphan'));
  await untilGone('orphan');
  expect(isAlive(pid)).toBe(false);
});

test('a key that is damaged leaves alone what runs; once repaired it counts again', async () => {
  await deploy('hurt', LONG);
  const pid = await untilRunning('hurt');
  await put(keys.deployKey('hurt'), '{"id": "hurt", "type": 7}');
  await eventually(() => record('hurt')?.bad?.has('spec') === true);
  await deploy('meanwhile', 'exit 0');
  await untilStatus('meanwhile', 'FINISHED');
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGKILL');
  await untilEnded(pid);
  expect(state('hurt')).toMatchObject({status: 'RUNNING', failures: 0});
  await deploy('hurt', LONG);
  await untilRunning('hurt', (other) => other !== pid);
  expect(state('hurt')).toMatchObject({failures: 1, tries_total: 2});
  await remove(keys.deployKey('hurt'));
  await untilGone('hurt');
});

test('a status that says by hand that it is over ends what runs, and stays', async () => {
  await deploy('over', LONG);
  const pid = await untilRunning('over');
  await put(keys.deployStateKey('over'), {...state('over'), status: 'CANCELLED', reason: 'by hand'});
  await untilEnded(pid);
  await eventually(() => record('over')?.owner === undefined);
  expect(state('over')).toMatchObject({status: 'CANCELLED', reason: 'by hand'});
});

test('charts and their states are never touched; a deployment that becomes one is ended', async () => {
  const chart = {id: 'chart', type: 'helm', args: {chart: 'c', values: {}}};
  await put(keys.deployKey('chart'), chart);
  await put(keys.deployStateKey('chart'), {pods: {a: 'RUNNING'}, status: 'RUNNING'});
  await deploy('turned', LONG);
  const pid = await untilRunning('turned');
  await put(keys.deployKey('turned'), {...chart, id: 'turned'});
  await untilEnded(pid);
  await eventually(() => record('turned')?.state === undefined);
  await remove(keys.deployKey('chart'));
  await deploy('next', 'exit 0');
  await untilStatus('next', 'FINISHED');
  const {entries} = await system.database.store.range('/deploy/chart');
  expect(entries.map(({key, value}) => [key, JSON.parse(value.toString())])).toEqual([
    ['/deploy/chart/state', {pods: {a: 'RUNNING'}, status: 'RUNNING'}],
  ]);
});
