import {spawn} from 'node:child_process';
import type {ChildProcess} from 'node:child_process';
import {once} from 'node:events';
import {fileURLToPath} from 'node:url';
import {afterAll, beforeAll, describe, expect, onTestFinished, test} from 'vitest';
import type {Deployment} from '../../../src/schema/deployment.ts';
import * as keys from '../../../src/schema/keys.ts';
import {BlockSystem} from '../../support/block-system.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';

/** The real controllers on a real etcd. What a script would write, the tests write. */

let etcd: TestEtcd;
let system: BlockSystem;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await BlockSystem.start({etcd});
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

const scriptKeyOf = (id: string): string => keys.deployKey(`proc-${id}-script`);

describe('the start of a processing block', () => {
  test('case 110: a block without a state is STARTING, with one deployment of its script', async () => {
    await system.putPb('pb-110-20260101-00000', {parameters: {n: 1}});
    const state = await system.untilState('pb-110-20260101-00000', {status: 'STARTING'});
    expect(state).toEqual({
      status: 'STARTING',
      resources_available: false,
      last_updated: expect.stringMatching(/^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/) as string,
    });
    const {entries} = await system.database.store.range('/deploy/proc-pb-110-20260101-00000');
    expect(entries.filter(({key}) => keys.parseKey(key)?.kind === 'deploy').map(({key}) => key)).toEqual([scriptKeyOf('pb-110-20260101-00000')]);
    expect(await system.json<Deployment>(scriptKeyOf('pb-110-20260101-00000'))).toMatchObject({
      ...{id: 'proc-pb-110-20260101-00000-script', type: 'job', pb_id: 'pb-110-20260101-00000'},
      args: {command: ['script'], image: 'vis:1.0', cluster: 'local', values: {image: 'vis:1.0', pb_id: 'pb-110-20260101-00000', parameters: {n: 1}}},
    });
  });

  test('case 111: state and deployment appear in one transaction', async () => {
    await system.putPb('pb-111');
    await system.untilState('pb-111', {status: 'STARTING'});
    const [state, deployment] = await Promise.all([system.get(keys.pbStateKey('pb-111')), system.get(scriptKeyOf('pb-111'))]);
    expect(state?.createRevision).toBe(deployment?.createRevision);
  });

  test('case 113: a script that nobody registered fails the block, for good', async () => {
    await system.putPb('pb-113', {script: {kind: 'batch', name: 'w', version: '1'}});
    const reason = 'No image for batch script w, version 1';
    await system.untilState('pb-113', {status: 'FAILED', reason});
    await system.put(keys.scriptKey('batch:w:1'), {image: 'w:1', command: ['w']});
    await system.lookedAt();
    expect(await system.state('pb-113')).toMatchObject({status: 'FAILED', reason});
    expect(await system.get(scriptKeyOf('pb-113'))).toBeUndefined();
  });

  test('case 114: so does a registered script without an image', async () => {
    await system.put(keys.scriptKey('batch:none:2'), {});
    await system.putPb('pb-114', {script: {kind: 'batch', name: 'none', version: '2'}});
    await system.untilState('pb-114', {status: 'FAILED', reason: 'No image for batch script none, version 2'});
    expect(await system.get(scriptKeyOf('pb-114'))).toBeUndefined();
  });
});

describe('the release of a processing block', () => {
  test('case 115: a block that waits for nothing is released, and goes on waiting', async () => {
    await system.waiting('pb-115');
    expect(await system.untilState('pb-115', {resources_available: true})).toMatchObject({status: 'WAITING'});
  });

  test('case 116: (mended) an open dependency, or one that is not there yet, holds a block; a FINISHED one lets it go; one that failed or was cancelled fails it with the reason', async () => {
    await system.put(keys.scriptKey('batch:broken:1'), 'not json');
    await system.waiting('pb-116-running');
    await system.untilState('pb-116-running', {resources_available: true});
    await system.say('pb-116-running', {status: 'RUNNING'});
    await system.putPb('pb-116-stateless', {script: {kind: 'batch', name: 'broken', version: '1'}});
    for (const kind of ['running', 'stateless', 'missing']) {
      await system.waiting(`pb-116-after-${kind}`, {dependencies: [{pb_id: `pb-116-${kind}`, kind: ['vis']}]});
    }
    await system.lookedAt();
    for (const kind of ['running', 'stateless', 'missing']) {
      expect(await system.state(`pb-116-after-${kind}`)).toMatchObject({status: 'WAITING', resources_available: false});
    }
    for (const kind of ['running', 'stateless']) {
      await system.say(`pb-116-${kind}`, {status: 'FINISHED'});
      await system.untilState(`pb-116-after-${kind}`, {status: 'WAITING', resources_available: true});
    }
    await system.putPb('pb-116-missing');
    await system.untilState('pb-116-missing', {status: 'STARTING'});
    await system.say('pb-116-missing', {status: 'FINISHED'});
    await system.untilState('pb-116-after-missing', {status: 'WAITING', resources_available: true});
    await system.remove(keys.scriptKey('batch:broken:1'));
    for (const [status, words] of [
      ['FAILED', 'failed: disk full'],
      ['CANCELLED', 'was cancelled'],
    ] as const) {
      await system.waiting(`pb-116-${status}`);
      await system.waiting(`pb-116-after-${status}`, {dependencies: [{pb_id: `pb-116-${status}`, kind: ['vis']}]});
      await system.say(`pb-116-${status}`, {status, ...(status === 'FAILED' ? {reason: 'disk full'} : {})});
      const state = await system.untilState(`pb-116-after-${status}`, {status: 'FAILED', reason: `dependency pb-116-${status} ${words}`});
      expect(state?.resources_available).toBe(false);
    }
  });

  test('case 117: a block whose script does not wait yet is not released', async () => {
    await system.waiting('pb-117-before');
    await system.say('pb-117-before', {status: 'FINISHED'});
    await system.putPb('pb-117', {dependencies: [{pb_id: 'pb-117-before', kind: []}]});
    await system.untilState('pb-117', {status: 'STARTING'});
    await system.lookedAt();
    expect(await system.state('pb-117')).toMatchObject({status: 'STARTING', resources_available: false});
  });

  test('case 118: of two dependencies both have to be done', async () => {
    for (const id of ['pb-118-a', 'pb-118-b']) await system.waiting(id);
    await system.waiting('pb-118', {dependencies: ['pb-118-a', 'pb-118-b'].map((pb_id) => ({pb_id, kind: ['vis']}))});
    await system.say('pb-118-a', {status: 'FINISHED'});
    await system.lookedAt();
    expect(await system.state('pb-118')).toMatchObject({resources_available: false});
    await system.say('pb-118-b', {status: 'FINISHED'});
    await system.untilState('pb-118', {resources_available: true});
  });

  test('case 119: a release keeps whatever else is in the state', async () => {
    await system.putPb('pb-119');
    await system.untilState('pb-119', {status: 'STARTING'});
    const said = {deployments: {'proc-pb-119-dask': 'RUNNING'}, receive_addresses: {t: {host: [[0, 'h']]}}, more: [1]};
    await system.say('pb-119', {status: 'WAITING', ...said});
    expect(await system.untilState('pb-119', {resources_available: true})).toMatchObject(said);
  });
});

describe('deployments of processing blocks', () => {
  const job = (id: string): Promise<void> => system.put(keys.deployKey(id), {id, type: 'job', args: {command: ['any']}});

  test('case 120: those of a deleted block go, those of any other name stay', async () => {
    await system.putPb('pb-120');
    await system.untilState('pb-120', {status: 'STARTING'});
    await job('proc-pb-120-dask');
    await job('vis-receive');
    await system.remove(keys.pbKey('pb-120'));
    await system.untilGone(scriptKeyOf('pb-120'), keys.deployKey('proc-pb-120-dask'), keys.pbStateKey('pb-120'));
    expect(await system.get(keys.deployKey('vis-receive'))).toBeDefined();
  });

  test('case 121: (mended) they stay while their block is there, however many parts its name has', async () => {
    const ids = ['pb-121', 'pb-121-b', 'pb-121-b-c', 'pb-121-b-c-d', 'pb-121-b-c-d-e', 'one'];
    for (const id of ids) await system.putPb(id);
    for (const id of ids) await system.untilState(id, {status: 'STARTING'});
    await job('proc-pb-121-b-c-dask');
    await system.lookedAt();
    for (const id of ids) expect(await system.get(scriptKeyOf(id))).toBeDefined();
    expect(await system.get(keys.deployKey('proc-pb-121-b-c-dask'))).toBeDefined();
  });

  test('case 122: (mended) two without a block go, where the name of one begins with that of the other', async () => {
    await job('proc-pb-t-1-a-dask');
    await job('proc-pb-t-1-a-dask-2');
    await system.untilGone(keys.deployKey('proc-pb-t-1-a-dask'), keys.deployKey('proc-pb-t-1-a-dask-2'));
    await system.lookedAt();
  });
});

describe('what operators and accidents do', () => {
  test('case 123: (mended) a state deleted while the script is deployed comes back, and the script goes on', async () => {
    await system.putPb('pb-123');
    await system.untilState('pb-123', {status: 'STARTING'});
    const deployed = await system.get(scriptKeyOf('pb-123'));
    await system.remove(keys.pbStateKey('pb-123'));
    await system.untilState('pb-123', {status: 'STARTING', resources_available: false});
    expect(await system.get(scriptKeyOf('pb-123'))).toEqual(deployed);
    await system.say('pb-123', {status: 'WAITING'});
    await system.untilState('pb-123', {resources_available: true});
  });

  test('case 124: (mended) a block that is created again beside the state of its former self starts anew', async () => {
    await system.putPb('pb-124');
    await system.untilState('pb-124', {status: 'STARTING'});
    const before = await system.get(scriptKeyOf('pb-124'));
    // In one breath: nobody sees that it was gone.
    await system.remove(keys.pbKey('pb-124'));
    await system.putPb('pb-124');
    const after = await eventually(async () => {
      const entry = await system.get(scriptKeyOf('pb-124'));
      expect(entry?.createRevision).toBeGreaterThan(before?.createRevision ?? 0);
      return entry;
    });
    expect((await system.get(keys.pbStateKey('pb-124')))?.createRevision).toBe(after?.createRevision);
    expect(await system.state('pb-124')).toMatchObject({status: 'STARTING', resources_available: false});
  });

  test('case 125: (mended) what does not parse stops nothing else, and is served once it is repaired', async () => {
    await system.put(keys.pbKey('pb-125-a'), 'not json');
    await system.put(keys.pbKey('pb-125-b'), '');
    await system.put(keys.pbKey('pb-125-c'), '{"pb_id":"pb-125-c"}');
    await system.put(keys.deployKey('proc-pb-125-d-script'), '[]');
    await system.put('/deploy/bad_id', '{}');
    await system.put(keys.pbStateKey('pb-125-e'), '{"status":"?"}');
    await system.putPb('pb-125-e');
    await system.putPb('pb-125-good');
    await system.untilState('pb-125-good', {status: 'STARTING'});
    const bad = [...system.database.cache.bad.keys()];
    for (const id of ['a', 'b', 'c']) expect(bad).toContain(keys.pbKey(`pb-125-${id}`));
    expect(bad).toEqual(expect.arrayContaining([keys.deployKey('proc-pb-125-d-script'), '/deploy/bad_id', keys.pbStateKey('pb-125-e')]));
    for (const id of ['a', 'b', 'c']) expect(await system.get(keys.pbStateKey(`pb-125-${id}`))).toBeUndefined();
    expect((await system.get(keys.pbStateKey('pb-125-e')))?.value.toString()).toBe('{"status":"?"}');
    await system.putPb('pb-125-a');
    await system.untilState('pb-125-a', {status: 'STARTING'});
    await system.remove('/deploy/bad_id', keys.deployKey('proc-pb-125-d-script'), keys.pbStateKey('pb-125-e'));
    await system.untilState('pb-125-e', {status: 'STARTING'});
  });
});

describe('several controllers', () => {
  test('case 112: one that takes over writes nothing where nothing is to be done', async () => {
    await system.waiting('pb-112');
    await system.untilState('pb-112', {resources_available: true});
    await system.lookedAt();
    const before = await system.revisions();
    const leader = (await system.get(keys.leaderKey('processing')))?.createRevision;
    // Whoever leads gives way to itself: a new leader looks at everything.
    await system.remove(keys.leaderKey('processing'));
    await eventually(async () => expect((await system.get(keys.leaderKey('processing')))?.createRevision ?? 0).toBeGreaterThan(leader ?? 0));
    await system.lookedAt();
    expect(await system.revisions()).toEqual(before);
  });

  test('case 126: two at once give 50 blocks 50 states and 50 deployments', async () => {
    const second = await system.startReplica();
    const ids = Array.from({length: 50}, (_each, n) => `pb-126-${n}`);
    await Promise.all(ids.map((id) => system.putPb(id)));
    for (const id of ids) await system.untilState(id, {status: 'STARTING'});
    const {entries} = await system.database.store.range('/deploy/proc-pb-126-');
    expect(entries.filter(({key}) => keys.parseKey(key)?.kind === 'deploy')).toHaveLength(50);
    for (const id of ids) expect((await system.get(keys.pbStateKey(id)))?.createRevision).toBe((await system.get(scriptKeyOf(id)))?.createRevision);
    await second.stop();
  });

  test('case 127: what the controller that was killed has not done, the next one does; what it has done stays', async () => {
    await system.stop();
    system = await BlockSystem.start({etcd});
    const first = controllers();
    await system.putPb('pb-127-a');
    await system.untilState('pb-127-a', {status: 'STARTING'});
    first.kill('SIGKILL');
    await once(first, 'exit');
    const before = await system.get(scriptKeyOf('pb-127-a'));
    await system.putPb('pb-127-b');
    await system.startReplica();
    await system.untilState('pb-127-b', {status: 'STARTING'});
    await system.lookedAt();
    expect(await system.get(scriptKeyOf('pb-127-a'))).toEqual(before);
  });

  test('case 128: on SIGTERM a process ends with 0, and hands over at once', async () => {
    await system.stop();
    system = await BlockSystem.start({etcd});
    const process = controllers();
    await system.putPb('pb-128');
    await system.untilState('pb-128', {status: 'STARTING'});
    process.kill('SIGTERM');
    expect(await once(process, 'exit')).toEqual([0, null]);
    expect(await system.get(keys.leaderKey('processing'))).toBeUndefined();
  });
});

/** The controllers as they are deployed, in a process of their own. */
function controllers(): ChildProcess {
  const main = fileURLToPath(new URL('../../../src/main.ts', import.meta.url));
  const env = {PATH: process.env['PATH'], SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint, SCANPLANE_LOG_LEVEL: 'silent', SCANPLANE_TTL_SECONDS: '2'};
  const child = spawn(process.execPath, [main, 'controllers'], {env, stdio: 'ignore', timeout: 30_000, killSignal: 'SIGKILL'});
  onTestFinished(() => void child.kill('SIGKILL'));
  return child;
}
