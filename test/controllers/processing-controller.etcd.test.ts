import {afterAll, beforeAll, expect, test} from 'vitest';
import * as keys from '../../src/schema/keys.ts';
import {BlockSystem} from '../support/block-system.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {dependsOn} from '../support/block-records.ts';

/** The real controllers on a real etcd, with little patience. */

let etcd: TestEtcd;
let system: BlockSystem;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await BlockSystem.start({etcd, settings: {SCANPLANE_BLOCK_GRACE_SECONDS: '0.2', SCANPLANE_JANITOR_SECONDS: '0.1'}});
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

const scriptKeyOf = (id: string): string => keys.deployKey(`proc-${id}-script`);
const eb = (id: string, status: string): Promise<void> => system.put(keys.ebKey(id), {eb_id: id, status});
const owner = {hostname: 'h', pid: 1};

/** As a process does that runs the block's script. */
async function claim(id: string): Promise<void> {
  const lease = await system.database.store.grantLease(60);
  await system.commit({compares: [], ops: [{put: keys.pbOwnerKey(id), value: JSON.stringify(owner), lease}]});
}

test('a dependency that does not come fails the block, and all that wait for that', async () => {
  await system.putPb('late-a', dependsOn('late-none'));
  await system.putPb('late-b', dependsOn('late-a'));
  await system.untilState('late-a', {status: 'FAILED', reason: 'dependency late-none does not exist'});
  await system.untilState('late-b', {status: 'FAILED', reason: 'dependency late-a failed: dependency late-none does not exist'});
});

test('blocks that wait for each other fail', async () => {
  await system.putPbs({'ring-a': dependsOn('ring-b'), 'ring-b': dependsOn('ring-c'), 'ring-c': dependsOn('ring-a')});
  const states = await Promise.all(['ring-a', 'ring-b', 'ring-c'].map((id) => system.untilState(id, {status: 'FAILED'})));
  expect(states.map((state) => state?.reason)).toContainEqual(expect.stringContaining('dependencies form a circle: '));
});

test('the end of an execution block cancels its realtime blocks, the unclaimed at once and the others after a while, and no batch block', async () => {
  await eb('eb-1', 'ACTIVE');
  for (const id of ['live-idle', 'live-held']) await system.putRealtime(id, 'eb-1');
  await system.putPb('live-batch', {eb_id: 'eb-1'});
  for (const id of ['live-idle', 'live-held', 'live-batch']) await system.untilState(id, {status: 'STARTING'});
  await claim('live-held');
  await system.say('live-held', {status: 'RUNNING', receive_addresses: []});
  await eb('eb-1', 'FINISHED');
  for (const id of ['live-idle', 'live-held']) await system.untilState(id, {status: 'CANCELLED', reason: 'execution block eb-1 is FINISHED'});
  expect(await system.state('live-held')).toMatchObject({receive_addresses: []});
  expect(await system.state('live-batch')).toMatchObject({status: 'STARTING'});
});

test('what still runs of a block that is over is ended, and its slots are free again', async () => {
  await system.waiting('done');
  await system.untilState('done', {resources_available: true});
  expect(await system.get(keys.pbAdmissionKey('done'))).toBeDefined();
  await system.put(keys.deployKey('proc-done-dask'), {id: 'proc-done-dask', type: 'job', args: {command: ['any']}});
  await system.put(keys.deployKey('proc-done-chart'), {id: 'proc-done-chart', type: 'helm', args: {}});
  await system.say('done', {status: 'FINISHED'});
  await system.untilGone(keys.pbAdmissionKey('done'), scriptKeyOf('done'), keys.deployKey('proc-done-dask'));
  expect(await system.get(keys.deployKey('proc-done-chart'))).toBeDefined();
});

test('a block whose deployment was removed fails, unless somebody holds it', async () => {
  for (const id of ['lost', 'held']) {
    await system.putPb(id);
    await system.untilState(id, {status: 'STARTING'});
  }
  await claim('held');
  await system.remove(scriptKeyOf('lost'), scriptKeyOf('held'));
  await system.untilState('lost', {status: 'FAILED', reason: 'deployment proc-lost-script was removed'});
  expect(await system.state('held')).toMatchObject({status: 'STARTING'});
  await system.remove(keys.pbOwnerKey('held'));
  await system.untilState('held', {status: 'FAILED'});
});

test('what is left of a deleted block goes: state, admission, owner, place in the backlog', async () => {
  const order = '7fffffff-00000000000';
  const left = [keys.pbStateKey('gone'), keys.pbAdmissionKey('gone'), keys.pbOwnerKey('gone'), keys.backlogKey(order, 'gone', 'pb')];
  await system.put(keys.pbStateKey('gone'), {status: 'WAITING'});
  await system.put(keys.pbAdmissionKey('gone'), {slots: {local: 1}});
  await system.put(keys.pbOwnerKey('gone'), owner);
  await system.put(keys.backlogKey(order, 'gone', 'pb'), {timestamp: 1});
  await system.untilGone(...left);
});

test('the state of a deleted execution block goes', async () => {
  await system.put(keys.ebStateKey('eb-gone'), {status: 'ACTIVE'});
  await system.untilGone(keys.ebStateKey('eb-gone'));
});

test('a block that waits for the repair of its script starts with it', async () => {
  await system.put(keys.scriptKey('batch:odd:1'), '{"image": 1}');
  await system.putPb('repaired', {script: {kind: 'batch', name: 'odd', version: '1'}});
  await system.lookedAt();
  expect(await system.state('repaired')).toBeUndefined();
  await system.put(keys.scriptKey('batch:odd:1'), {command: ['odd']});
  await system.untilState('repaired', {status: 'STARTING'});
});

test('a block that is too large for its deployment to be stored fails with the reason', async () => {
  // What is stored is spaced out: each number gets a line of its own.
  await system.putPb('huge', {parameters: {list: Array.from({length: 150_000}, () => 1)}});
  await system.untilState('huge', {status: 'FAILED'});
  await system.remove(keys.pbKey('huge'));
});

test('a state that its script writes meanwhile is never overwritten', async () => {
  const ids = Array.from({length: 20}, (_each, n) => `race-${n}`);
  for (const id of ids) await system.putPb(id);
  for (const id of ids) await system.untilState(id, {status: 'STARTING'});
  // The release of each and one more member of the script's come about the same time.
  for (const id of ids) await system.say(id, {status: 'WAITING'});
  await Promise.all(ids.map((id, n) => system.say(id, {deployments: {[`d${n}`]: 'RUNNING'}})));
  for (const [n, id] of ids.entries()) {
    await system.untilState(id, {resources_available: true});
    expect(await system.state(id)).toMatchObject({status: 'WAITING', deployments: {[`d${n}`]: 'RUNNING'}});
  }
});

test('a graph of blocks comes to the end that its dependencies demand', async () => {
  const count = 60;
  const ids = Array.from({length: count}, (_each, n) => `graph-${n}`);
  const before = (n: number): number[] => [1, 3, 7].map((step) => n - step).filter((each) => each >= 0);
  // Block 20 fails; whatever depends on it fails, too.
  const fails = (n: number): boolean => n === 20 || before(n).some(fails);
  await system.putPbs(Object.fromEntries(ids.map((id, n) => [id, dependsOn(...before(n).map((each) => `graph-${each}`))])));
  const seen = new Set<string>();
  await eventually(
    async () => {
      for (const [n, id] of ids.entries()) {
        const state = system.database.cache.pbs.get(id)?.state?.value;
        if (state?.status === 'STARTING') await system.say(id, {status: 'WAITING'});
        if (state?.status !== 'WAITING' || state.resources_available !== true || seen.has(id)) continue;
        seen.add(id);
        for (const each of before(n)) expect(await system.state(`graph-${each}`)).toMatchObject({status: 'FINISHED'});
        await system.say(id, n === 20 ? {status: 'FAILED', reason: 'broken'} : {status: 'FINISHED'});
      }
      for (const [n, id] of ids.entries()) expect(await system.state(id)).toMatchObject({status: fails(n) ? 'FAILED' : 'FINISHED'});
    },
    {timeoutMs: 25_000},
  );
});
