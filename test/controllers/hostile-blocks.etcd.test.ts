import {afterAll, beforeAll, expect, test} from 'vitest';
import {dependsOn} from '../support/block-records.ts';
import {BlockSystem} from '../support/block-system.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';

/** What scripts and operators may store that stands in the controllers' way. */

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

/** Stored as one line it fits; with a line for each number, as we write it, it does not. */
const large = Array.from({length: 150_000}, () => 1);

test('a state that has become too large to be written is no reason to wait for ever', async () => {
  await system.putPb('large-a');
  await system.waiting('large-b', dependsOn('large-a'));
  await system.say('large-b', {notes: large});
  await system.untilState('large-a', {status: 'STARTING'});
  await system.say('large-a', {status: 'CANCELLED'});
  const state = await system.untilState('large-b', {status: 'FAILED', reason: expect.stringContaining('are allowed')});
  expect(state).not.toHaveProperty('notes');
});

test('a block that runs waits for nothing, whatever its dependencies have become', async () => {
  await system.waiting('ring-a');
  await system.untilState('ring-a', {resources_available: true});
  await system.say('ring-a', {status: 'RUNNING'});
  await system.waiting('ring-b', dependsOn('ring-a'));
  await system.putPb('ring-a', dependsOn('ring-b'));
  await system.lookedAt();
  await system.untilState('ring-b', {status: 'WAITING'});
  await system.say('ring-a', {status: 'FINISHED', resources_available: true});
  await system.untilState('ring-b', {status: 'WAITING', resources_available: true});
});

test('a block that is set back from its work waits again, and so may be on a circle', async () => {
  await system.waiting('back-a');
  await system.untilState('back-a', {resources_available: true});
  await system.say('back-a', {status: 'RUNNING'});
  await system.waiting('back-b', dependsOn('back-a'));
  await system.putPb('back-a', dependsOn('back-b'));
  await system.lookedAt();
  await system.say('back-a', {status: 'WAITING', resources_available: false});
  await system.untilState('back-a', {status: 'FAILED', reason: expect.stringContaining('form a circle')});
  await system.untilState('back-b', {status: 'FAILED'});
});
