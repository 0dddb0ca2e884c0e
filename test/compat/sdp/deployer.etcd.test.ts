import {chmod, mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, expect, test} from 'vitest';
import {openProcessEngine} from '../../../src/engines/process/process-engine.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import * as keys from '../../../src/schema/keys.ts';
import {Deployed, GOES_ON, isAlive, untilEnded} from '../../support/deployed.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {parentOf} from '../../support/job-processes.ts';
import {TestSystem} from '../../support/system.ts';
import type {TestReplica} from '../../support/system.ts';

/** Where the original installs releases of charts, we run processes. */

let etcd: TestEtcd;
let system: TestSystem;
let replica: TestReplica;
let deployed: Deployed;
let folder: string;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await TestSystem.start({etcd, settings: {SCANPLANE_RETRY_BASE_SECONDS: '0.02'}});
  deployed = new Deployed(system.database);
  folder = await mkdtemp(join(tmpdir(), 'scanplane-deployer-'));
  replica = await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
  if (folder !== undefined) await rm(folder, {recursive: true, force: true});
});

test('case 129: what is wanted and does not run is started', async () => {
  await deployed.deploy('a', GOES_ON);
  const pid = await deployed.untilRunning('a');
  expect(deployed.pids('a')).toEqual([pid]);
});

test('case 130: what runs and is not wanted is ended, also when nobody was there when its key went', async () => {
  const pid = await deployed.untilRunning('a');
  await replica.stop();
  await deployed.remove(keys.deployKey('a'));
  expect(isAlive(pid)).toBe(true);
  replica = await system.startReplica();
  await deployed.untilGone('a');
  expect(isAlive(pid)).toBe(false);
});

test('case 131: one that cannot be started is tried again, and keeps nobody else from running', async () => {
  const program = join(folder, 'program');
  await deployed.put(keys.deployKey('broken'), {id: 'broken', type: 'job', args: {command: [program], retries: 1000}});
  await eventually(() => expect(deployed.state('broken')?.failures).toBeGreaterThan(1));
  await deployed.deploy('sound', 'exit 0');
  await deployed.untilStatus('sound', 'FINISHED');
  expect(deployed.state('broken')).toMatchObject({status: expect.stringMatching(/PENDING|RUNNING/) as string});
  await writeFile(`${program}.new`, `#!/bin/sh\n${GOES_ON}\n`);
  await chmod(`${program}.new`, 0o755);
  await writeFile(program, `#!/bin/sh\nexec '${program}.new'\n`, {mode: 0o755});
  await deployed.untilRunning('broken');
  await deployed.end('broken');
});

test('case 132: one that is gone already when it is to be ended counts as ended', async () => {
  await deployed.deploy('lost', GOES_ON);
  const pid = await deployed.untilRunning('lost');
  const supervisor = parentOf(pid);
  await deployed.remove(keys.deployKey('lost'));
  for (const each of [supervisor, pid]) {
    try {
      process.kill(each, 'SIGKILL');
    } catch {
      // Its end was faster.
    }
  }
  await deployed.untilGone('lost');
  await untilEnded(pid);
});

test('case 133: deployments of one id under two prefixes are two, each told its own', async () => {
  const other = await TestSystem.start({etcd, settings: {SCANPLANE_ETCD_PREFIX: '/test'}});
  try {
    await other.startReplica();
    const beyond = new Deployed(other.database);
    const script = 'trap "exit 0" TERM; test "$SCANPLANE_ETCD_PREFIX" = "$WANTED" || exit 9; while :; do sleep 0.05; done';
    await deployed.deploy('test', script, {env: [['WANTED', '']]});
    await beyond.deploy('test', script, {env: [['WANTED', '/test']]});
    const [mine, theirs] = [await deployed.untilRunning('test'), await beyond.untilRunning('test')];
    expect(mine).not.toBe(theirs);
    expect(await etcd.etcdctl(['get', '--keys-only', '/test/deploy/test'])).toContain('/test/deploy/test');
    await deployed.end('test');
    expect([isAlive(mine), isAlive(theirs)]).toEqual([false, true]);
    expect(beyond.state('test')).toMatchObject({status: 'RUNNING', tries_total: 1});
    await beyond.end('test');
  } finally {
    await other.stop();
  }
});

test('case 134: a damaged record is skipped and shown, the others run', async () => {
  await deployed.commit([
    {put: '/deploy/broken-json', value: '{'},
    {put: '/deploy/bad_id', value: '{"id": "bad_id", "type": "job", "args": {"command": ["true"]}}'},
    {put: '/deploy/not-its-id', value: '{"id": "another", "type": "job", "args": {"command": ["true"]}}'},
  ]);
  await deployed.deploy('among', 'exit 0');
  await deployed.untilStatus('among', 'FINISHED');
  const {bad} = system.database.cache;
  expect(bad.get('/deploy/broken-json')?.reason).toBeDefined();
  expect(bad.get('/deploy/not-its-id')?.reason).toContain('id is "another"');
  expect(deployed.state('broken-json')).toBeUndefined();
  expect(await etcd.etcdctl(['get', '--prefix', '--keys-only', '/deploy/bad_id'])).toBe('/deploy/bad_id\n\n');
});

test('case 135: a record without anything to run fails with that reason, the others run (mended)', async () => {
  await deployed.put(keys.deployKey('empty'), {id: 'empty', type: 'job', args: {}});
  await deployed.deploy('beside', 'exit 0');
  await deployed.untilStatus('beside', 'FINISHED');
  expect(await deployed.untilStatus('empty', 'FAILED')).toMatchObject({reason: expect.stringContaining('args.command is missing') as string});
});

test('case 136: changed args of what runs are run in the place of the former ones (mended)', async () => {
  await deployed.deploy('changed', GOES_ON);
  const first = await deployed.untilRunning('changed');
  await deployed.deploy('changed', 'exec sleep 601');
  await deployed.untilRunning('changed', (pid) => pid !== first);
  expect(isAlive(first)).toBe(false);
  await deployed.end('changed');
});

test('case 137: what others run beside ours is never touched (mended)', async () => {
  const engine = openProcessEngine({root: system.runDirectory, baseEnv: {PATH: process.env['PATH'] ?? ''}, log: silentLog, clock: systemClock});
  const ref = {scanId: 'deploy.theirs', job: '1', try: 1};
  await engine.ensure({
    ...{ref, fence: {epoch: 1, revision: 1}, clusterId: 'of another database', command: ['/bin/sh', '-c', GOES_ON], env: [], count: 1},
    ...{outputLimitBytes: 1000, stopGraceMs: 100, orphanAfterMs: 60_000},
  });
  // One of that id comes and goes, too.
  await deployed.deploy('theirs', GOES_ON);
  await deployed.untilRunning('theirs');
  await deployed.end('theirs');
  expect((await engine.observe(ref, engine.place)).kind).toBe('running');
  await engine.stop(ref, engine.place);
});
