import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {mkdtemp, readFile, readdir, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {endLeftovers} from '../../src/engines/process/leftovers.ts';
import {Deployed, isAlive} from '../support/deployed.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {storeNode} from '../support/store-node.ts';
import type {StoreNode} from '../support/store-node.ts';

/** Controller replicas in processes of their own, which share a run directory. */

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));
let etcd: TestEtcd;
let node: StoreNode;
let deployed: Deployed;
let folder: string;
const replicas: ChildProcess[] = [];

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  folder = await mkdtemp(join(tmpdir(), 'scanplane-owners-'));
  node = storeNode({endpoints: [etcd.endpoint]});
  await node.watch();
  deployed = new Deployed(node);
});

afterAll(async () => {
  for (const replica of replicas) replica.kill('SIGKILL');
  await node?.stop();
  await etcd?.stop();
  if (folder === undefined) return;
  for (const database of await readdir(join(folder, 'run'))) await endLeftovers(join(folder, 'run', database));
  await rm(folder, {recursive: true, force: true, maxRetries: 5});
});

/** Starts one more, and waits until it is announced. */
async function startReplica(): Promise<ChildProcess> {
  const env = {
    PATH: process.env['PATH'],
    ...{SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_RUN_DIRECTORY: join(folder, 'run'), SCANPLANE_LOG_LEVEL: 'silent'},
    ...{SCANPLANE_TTL_SECONDS: '2', SCANPLANE_ORPHAN_AFTER_SECONDS: '20', SCANPLANE_RETRY_BASE_SECONDS: '0.05'},
    SCANPLANE_CLUSTERS: JSON.stringify({local: {engine: 'process', capacity: 8, settings: {}}}),
  };
  const child = spawn(process.execPath, [MAIN, 'controllers'], {env, stdio: ['ignore', 'ignore', 'inherit']});
  replicas.push(child);
  await eventually(() => [...node.cache.replicas.values()].some(({value}) => value.pid === child.pid), {timeoutMs: 20_000});
  return child;
}

const ownerPid = (id: string): number | undefined => deployed.record(id)?.owner?.value.pid;
const started = async (): Promise<string[]> => (await readFile(join(folder, 'started'), 'utf8')).trim().split('\n');

test('a replica that is told to stop leaves running what it leads; one that is killed is replaced; nothing runs twice', async () => {
  const first = await startReplica();
  await deployed.deploy('long', `echo $$ >> ${join(folder, 'started')}; exec sleep 600`);
  const pid = await deployed.untilRunning('long');
  expect(ownerPid('long')).toBe(first.pid);

  const second = await startReplica();
  first.kill('SIGTERM');
  expect(await once(first, 'exit')).toEqual([0, null]);
  await eventually(() => expect(ownerPid('long')).toBe(second.pid), {timeoutMs: 15_000});
  expect(isAlive(pid)).toBe(true);

  second.kill('SIGKILL');
  const third = await startReplica();
  await eventually(() => expect(ownerPid('long')).toBe(third.pid), {timeoutMs: 15_000});
  expect([isAlive(pid), await started()]).toEqual([true, [String(pid)]]);
  expect(deployed.state('long')).toMatchObject({status: 'RUNNING', tries_total: 1, failures: 0});

  // Who has taken over looks after it.
  process.kill(pid, 'SIGKILL');
  const again = await deployed.untilRunning('long', (other) => other !== pid);
  await eventually(async () => expect(await started()).toEqual([String(pid), String(again)]));
  await deployed.end('long');
  expect(isAlive(again)).toBe(false);
}, 60_000);
