import {existsSync} from 'node:fs';
import {mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {must} from '../../src/lib/assert.ts';
import type {DeploymentState} from '../../src/schema/deployment.ts';
import {parseJobLog} from '../../src/schema/job-log.ts';
import {tokenDigest} from '../../src/schema/job-token.ts';
import * as keys from '../../src/schema/keys.ts';
import {Deployed, GOES_ON, isAlive, untilEnded} from '../support/deployed.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {TestSystem} from '../support/system.ts';

/** A replica over a real etcd; what runs are real processes. */

let etcd: TestEtcd;
let system: TestSystem;
let deployed: Deployed;
let folder: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await TestSystem.start({etcd, settingsOfCluster: {env: [['FROM_CLUSTER', 'c']]}, settings: {SCANPLANE_RETRY_BASE_SECONDS: '0.02'}});
  deployed = new Deployed(system.database);
  folder = await mkdtemp(join(tmpdir(), 'scanplane-deploy-'));
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
  if (folder !== undefined) await rm(folder, {recursive: true, force: true});
});

test('a deployment is FINISHED when its process exits with 0, and what it printed can be read', async () => {
  await deployed.deploy('done', 'echo hello; echo dear >&2');
  const ended = await deployed.untilStatus('done', 'FINISHED');
  expect(ended).toMatchObject({of: deployed.record('done')?.spec?.createRevision, tries_total: 1, failures: 0});
  expect(ended.tries).toHaveLength(1);
  const log = must(await system.database.store.get('~log/deploy.done/main/1'), 'the log entry');
  expect(parseJobLog(log.value.toString(), log.key)).toMatchObject({state: 'COMPLETE', exit: 0, stdout: 'hello\n', stderr: 'dear\n'});
  await eventually(() => deployed.record('done')?.owner === undefined);
});

test('a process is told who it is, where the API and the database are, and its values, and gets a token of which only the digest is stored', async () => {
  const file = join(folder, 'told');
  const args = {
    command: ['/bin/sh', '-c', `env > "$OUT"; cat >> "$OUT"; cat "$SCANPLANE_JOB_FILE" >> "$OUT"`],
    ...{env: [['OUT', file]], values: {a: [1, 'x']}},
  };
  await deployed.put(keys.deployKey('told'), {id: 'told', type: 'job', args});
  const {tries} = await deployed.untilStatus('told', 'FINISHED');
  const text = await readFile(file, 'utf8');
  const env = new Map(text.split('\n').map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
  expect(env.get('FROM_CLUSTER')).toBe('c');
  expect(env.get('SCANPLANE_DEPLOYMENT_ID')).toBe('told');
  expect(env.get('SCANPLANE_API')).toBe(system.address);
  expect(env.get('SCANPLANE_ETCD_ENDPOINTS')).toBe(etcd.endpoint);
  expect(env.get('SCANPLANE_ETCD_PREFIX')).toBe('');
  const token = env.get('SCANPLANE_TOKEN') ?? '';
  expect(token).toMatch(/^deploy\.told\.[0-9a-f]{64}$/);
  expect(tries[0]?.token_digest).toBe(tokenDigest(token));
  const document = '{"deployment_id":"told","pb_id":null,"try":1,"values":{"a":[1,"x"]}}';
  expect(text.split(document)).toHaveLength(3);
  const {entries} = await system.database.store.range('');
  expect(entries.filter(({value}) => value.includes(token))).toEqual([]);
});

test('a process that is killed is started again, with a token of its own', async () => {
  await deployed.deploy('killed', GOES_ON);
  const first = await deployed.untilRunning('killed');
  process.kill(first, 'SIGKILL');
  await deployed.untilRunning('killed', (pid) => pid !== first);
  const {tries, failures, tries_total} = deployed.state('killed') as DeploymentState;
  expect([failures, tries_total, tries.length]).toEqual([1, 2, 2]);
  expect(tries[0]?.token_digest).not.toBe(tries[1]?.token_digest);
  await deployed.end('killed');
});

test('a deployment that fails more often than its retries is FAILED and says how; its last tries are kept', async () => {
  await deployed.deploy('fails', 'echo no >&2; exit 3', {retries: 6});
  const {tries, ...seen} = await deployed.untilStatus('fails', 'FAILED');
  expect(seen).toMatchObject({failures: 7, tries_total: 7, reason: 'failed 7 times, last: exit code 3'});
  expect(tries.map((each) => each.try)).toEqual([3, 4, 5, 6, 7]);
  const {entries} = await system.database.store.range('~log/deploy.fails/', {keysOnly: true});
  expect(entries.map(({key}) => Number(key.split('/').at(-1))).toSorted((a, b) => a - b)).toEqual([3, 4, 5, 6, 7]);
});

test.each([
  ['nocluster', {command: ['true'], cluster: 'nowhere'}, 'no cluster is called nowhere'],
  ['image', {image: 'a/b:1'}, 'args.command is missing: the process engine runs commands, not images'],
  ['null', {command: ['a\0b']}, /null byte/],
])('a deployment that no retry can help is FAILED at once: %s', async (id, args, reason) => {
  await deployed.put(keys.deployKey(id), {id, type: 'job', args});
  const seen = await deployed.untilStatus(id, 'FAILED');
  expect(seen.reason).toMatch(reason);
  expect(seen.failures).toBe(0);
  expect(seen.tries_total).toBeLessThanOrEqual(1);
});

test('changed args are run in the place of the former ones, which end first', async () => {
  const file = join(folder, 'order');
  const script = (name: string): string =>
    `echo ${name} begins >> ${file}; trap 'echo ${name} ends >> ${file}; exit 0' TERM; while :; do sleep 0.05; done`;
  await deployed.deploy('changed', script('a'));
  const first = await deployed.untilRunning('changed');
  await eventually(() => existsSync(file));
  await deployed.deploy('changed', script('b'));
  await deployed.untilRunning('changed', (pid) => pid !== first);
  await eventually(async () => expect(await readFile(file, 'utf8')).toBe('a begins\na ends\nb begins\n'));
  expect(deployed.state('changed')).toMatchObject({failures: 0, tries_total: 2});
  // The same args, written otherwise, are no change.
  const of = deployed.record('changed')?.spec?.modRevision;
  const text = JSON.stringify({args: {command: ['/bin/sh', '-c', script('b')]}, type: 'job', id: 'changed'}, null, 7);
  await deployed.put(keys.deployKey('changed'), text);
  await eventually(() => deployed.record('changed')?.spec?.modRevision !== of);
  await deployed.deploy('after', 'exit 0');
  await deployed.untilStatus('after', 'FINISHED');
  expect(deployed.state('changed')).toMatchObject({status: 'RUNNING', tries_total: 2});
  await deployed.end('changed');
});

test('args that are changed after the end begin anew, with all retries', async () => {
  await deployed.deploy('anew', 'exit 4', {retries: 0});
  expect(await deployed.untilStatus('anew', 'FAILED')).toMatchObject({reason: 'failed once: exit code 4'});
  await deployed.deploy('anew', 'exit 0', {retries: 0});
  expect(await deployed.untilStatus('anew', 'FINISHED')).toMatchObject({failures: 0, tries_total: 2});
});

test('a deployment that is deleted while it runs is stopped, and its state goes when nothing of it runs', async () => {
  await deployed.deploy('gone', `trap 'sleep 0.3; exit 0' TERM; while :; do sleep 0.05; done`);
  const pid = await deployed.untilRunning('gone');
  await deployed.end('gone');
  expect(isAlive(pid)).toBe(false);
});

test('one that is deleted and created again ends what ran, then starts anew', async () => {
  await deployed.deploy('twice', GOES_ON);
  const first = await deployed.untilRunning('twice');
  const before = deployed.record('twice')?.spec?.createRevision;
  await deployed.remove(keys.deployKey('twice'));
  await deployed.deploy('twice', GOES_ON);
  await deployed.untilRunning('twice', (pid) => pid !== first);
  expect(isAlive(first)).toBe(false);
  expect(deployed.state('twice')).toMatchObject({tries_total: 1, failures: 0});
  expect(deployed.state('twice')?.of).not.toBe(before);
  await deployed.end('twice');
});

test('one that is deleted with its state and its owner, all at once, is ended as well', async () => {
  await deployed.deploy('prefix', GOES_ON);
  const pid = await deployed.untilRunning('prefix');
  await etcd.etcdctl(['del', '--prefix', '/deploy/prefix']);
  await untilEnded(pid);
  await deployed.untilGone('prefix');
});

test('a state that an operator deletes or spoils while its process runs is put back, and nothing is launched twice', async () => {
  await deployed.deploy('lost', GOES_ON);
  const pid = await deployed.untilRunning('lost');
  const before = deployed.state('lost') as DeploymentState;
  for (const spoil of [() => deployed.remove(keys.deployStateKey('lost')), () => deployed.put(keys.deployStateKey('lost'), 'not json')]) {
    await spoil();
    await eventually(() => expect(deployed.state('lost')?.tries).toEqual(before.tries));
  }
  await deployed.put(keys.deployStateKey('lost'), {status: 'RUNNING'});
  await eventually(() => expect(deployed.state('lost')?.tries).toEqual(before.tries));
  expect(isAlive(pid)).toBe(true);
  await deployed.commit([{delete: keys.deployKey('lost')}, {put: keys.deployStateKey('lost'), value: '{"status": "RUNNING"}'}]);
  await deployed.untilGone('lost');
  expect(isAlive(pid)).toBe(false);
});

test('a state that is lost together with its owner is found again by what runs', async () => {
  await deployed.deploy('orphan', GOES_ON);
  const pid = await deployed.untilRunning('orphan');
  await deployed.remove(keys.deployStateKey('orphan'), keys.deployOwnerKey('orphan'));
  await eventually(() => expect(deployed.state('orphan')).toMatchObject({status: 'RUNNING', tries_total: 1}), {timeoutMs: 20_000});
  expect(await deployed.untilRunning('orphan')).toBe(pid);
  await deployed.end('orphan');
  expect(isAlive(pid)).toBe(false);
});

test('a key that is damaged leaves alone what runs; once repaired it counts again', async () => {
  await deployed.deploy('hurt', GOES_ON);
  const pid = await deployed.untilRunning('hurt');
  await deployed.put(keys.deployKey('hurt'), '{"id": "hurt", "type": 7}');
  await eventually(() => deployed.record('hurt')?.bad?.has('spec') === true);
  await deployed.deploy('meanwhile', 'exit 0');
  await deployed.untilStatus('meanwhile', 'FINISHED');
  expect(isAlive(pid)).toBe(true);
  process.kill(pid, 'SIGKILL');
  await untilEnded(pid);
  expect(deployed.state('hurt')).toMatchObject({status: 'RUNNING', failures: 0});
  await deployed.deploy('hurt', GOES_ON);
  await deployed.untilRunning('hurt', (other) => other !== pid);
  expect(deployed.state('hurt')).toMatchObject({failures: 1, tries_total: 2});
  await deployed.end('hurt');
});

test('a status that says by hand that it is over ends what runs, and stays', async () => {
  await deployed.deploy('over', GOES_ON);
  const pid = await deployed.untilRunning('over');
  await deployed.put(keys.deployStateKey('over'), {...deployed.state('over'), status: 'CANCELLED', reason: 'by hand'});
  await untilEnded(pid);
  await eventually(() => deployed.record('over')?.owner === undefined);
  expect(deployed.state('over')).toMatchObject({status: 'CANCELLED', reason: 'by hand'});
});

test('charts and their states are never touched; a deployment that becomes one is ended', async () => {
  const chart = {id: 'chart', type: 'helm', args: {chart: 'c', values: {}}};
  await deployed.put(keys.deployKey('chart'), chart);
  await deployed.put(keys.deployStateKey('chart'), {pods: {a: 'RUNNING'}, status: 'RUNNING'});
  await deployed.deploy('turned', GOES_ON);
  const pid = await deployed.untilRunning('turned');
  await deployed.put(keys.deployKey('turned'), {...chart, id: 'turned'});
  await untilEnded(pid);
  await eventually(() => deployed.record('turned')?.state === undefined);
  await deployed.remove(keys.deployKey('chart'));
  await deployed.deploy('next', 'exit 0');
  await deployed.untilStatus('next', 'FINISHED');
  const {entries} = await system.database.store.range('/deploy/chart');
  expect(entries.map(({key, value}) => [key, JSON.parse(value.toString())])).toEqual([
    ['/deploy/chart/state', {pods: {a: 'RUNNING'}, status: 'RUNNING'}],
  ]);
});
