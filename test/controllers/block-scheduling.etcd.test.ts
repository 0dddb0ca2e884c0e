import {afterAll, beforeAll, expect, test} from 'vitest';
import type {Admission} from '../../src/schema/admission.ts';
import {backlogOrder} from '../../src/schema/backlog.ts';
import * as keys from '../../src/schema/keys.ts';
import {BlockSystem} from '../support/block-system.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

/** Scans and batch blocks that wait for the same slots. Each test has a cluster of its own. */

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

/** A cluster, and a script on it that is called like it. */
async function cluster(name: string, capacity: number, slots = 1): Promise<void> {
  await system.put(keys.clusterKey(name), {engine: 'process', capacity, settings: {scanner_server: ['server'], worker: ['worker']}});
  await system.put(keys.scriptKey(`batch:${name}:1`), {command: ['script'], cluster: name, slots});
}

const on = (name: string): Readonly<Record<string, unknown>> => ({script: {kind: 'batch', name, version: '1'}});
const isGranted = async (id: string): Promise<boolean> => (await system.state(id))?.resources_available === true;
const granted = (id: string): Promise<Admission | undefined> => system.json(keys.pbAdmissionKey(id));
const places = async (id: string): Promise<string[]> =>
  (await system.database.store.range('/backlog/')).entries.map(({key}) => key).filter((key) => key.endsWith(`/pb/${id}`));

async function scan(id: string, name: string, workers: number, priority = 0): Promise<void> {
  const request = {reco_algo: 'any', nsides: [['1', 0]], request_clusters: [[name, workers]], i3_event_id: 'e'};
  await system.put(keys.scanKey(id), {request: {...request, priority}});
}

test('blocks get the slots that are free, the first to wait first', async () => {
  await cluster('two', 2);
  for (const id of ['two-a', 'two-b', 'two-c', 'two-d']) await system.waiting(id, on('two'));
  for (const id of ['two-a', 'two-b']) await system.untilState(id, {resources_available: true});
  await eventually(async () => expect(await places('two-d')).toHaveLength(1));
  for (const id of ['two-c', 'two-d']) expect(await isGranted(id)).toBe(false);
  await system.say('two-b', {status: 'FINISHED'});
  await system.untilState('two-c', {resources_available: true});
  expect(await isGranted('two-d')).toBe(false);
  expect(await places('two-c')).toEqual([]);
  await system.say('two-a', {status: 'FAILED'});
  await system.untilState('two-d', {resources_available: true});
});

test('a higher priority goes first', async () => {
  await cluster('prior', 1);
  await system.waiting('prior-first', on('prior'));
  await system.untilState('prior-first', {resources_available: true});
  await system.waiting('prior-low', on('prior'));
  await system.waiting('prior-high', {...on('prior'), priority: 5});
  await eventually(async () => expect([...(await places('prior-low')), ...(await places('prior-high'))]).toHaveLength(2));
  await system.say('prior-first', {status: 'FINISHED'});
  await system.untilState('prior-high', {resources_available: true});
  expect(await isGranted('prior-low')).toBe(false);
});

test('a block that asks for more than its cluster has gets all of it, and the admission says so', async () => {
  await cluster('small', 2, 5);
  await system.waiting('large', on('small'));
  await system.untilState('large', {resources_available: true});
  expect(await granted('large')).toMatchObject({slots: {small: 2}, short: 'small has 2 slots for the 5 asked'});
});

test('a large block that waits keeps the small ones behind it from taking what it waits for', async () => {
  await cluster('hold', 3);
  await system.put(keys.scriptKey('batch:whole:1'), {command: ['script'], cluster: 'hold', slots: 3});
  await system.waiting('hold-first', on('hold'));
  await system.untilState('hold-first', {resources_available: true});
  await system.waiting('hold-large', on('whole'));
  await eventually(async () => expect(await places('hold-large')).toHaveLength(1));
  await system.waiting('hold-small', on('hold'));
  await eventually(async () => expect(await places('hold-small')).toHaveLength(1));
  await system.lookedAt();
  expect(await isGranted('hold-small')).toBe(false);
  await system.say('hold-first', {status: 'FINISHED'});
  await system.untilState('hold-large', {resources_available: true});
  await system.say('hold-large', {status: 'FINISHED'});
  await system.untilState('hold-small', {resources_available: true});
});

test('scans and blocks share the slots of a cluster, in one order', async () => {
  await cluster('mixed', 2);
  await scan('mixedscan', 'mixed', 2);
  await eventually(async () => expect(await system.json(keys.admissionKey('mixedscan'))).toMatchObject({slots: {mixed: 2}}), {timeoutMs: 15_000});
  await system.waiting('mixed-block', on('mixed'));
  await eventually(async () => expect(await places('mixed-block')).toHaveLength(1));
  await scan('mixedlater', 'mixed', 2, -1);
  await system.lookedAt();
  expect(await isGranted('mixed-block')).toBe(false);
  await system.put(keys.controlKey('mixedscan'), {desired: 'stop'});
  await system.untilState('mixed-block', {resources_available: true});
  // The scan behind it starts with the slot that is left, and gets the other when the block is done.
  await eventually(async () => expect(await system.json(keys.admissionKey('mixedlater'))).toMatchObject({slots: {mixed: 1}}), {timeoutMs: 15_000});
  await system.say('mixed-block', {status: 'FINISHED'});
  await eventually(async () => expect(await system.json(keys.admissionKey('mixedlater'))).toMatchObject({slots: {mixed: 2}}), {timeoutMs: 15_000});
});

test('a block that is cancelled while it waits leaves the backlog', async () => {
  await cluster('full', 1);
  await system.waiting('full-first', on('full'));
  await system.untilState('full-first', {resources_available: true});
  await system.waiting('full-second', on('full'));
  await eventually(async () => expect(await places('full-second')).toHaveLength(1));
  await system.say('full-second', {status: 'CANCELLED'});
  await eventually(async () => expect(await places('full-second')).toEqual([]));
});

test('a place in the backlog of a block that need not wait, or that does not exist, goes', async () => {
  await system.putPb('idle');
  await system.untilState('idle', {status: 'STARTING'});
  for (const id of ['idle', 'nobody']) {
    const key = keys.backlogKey(backlogOrder(0, 1_700_000_000_000), id, 'pb');
    await system.put(key, {timestamp: 1_700_000_000});
    await system.untilGone(key);
  }
});

test('a block whose cluster was removed while it waited fails with the reason', async () => {
  await cluster('leaving', 0);
  await system.waiting('stranded', on('leaving'));
  await eventually(async () => expect(await places('stranded')).toHaveLength(1));
  await system.remove(keys.clusterKey('leaving'));
  await system.untilState('stranded', {status: 'FAILED', reason: 'no cluster is called leaving'});
});

test('a waiting block that is deleted leaves nothing behind', async () => {
  await cluster('closed', 0);
  await system.waiting('fleeting', on('closed'));
  await eventually(async () => expect(await places('fleeting')).toHaveLength(1));
  await system.remove(keys.pbKey('fleeting'));
  await system.untilGone(keys.pbStateKey('fleeting'), keys.deployKey('proc-fleeting-script'));
  await eventually(async () => expect(await places('fleeting')).toEqual([]));
});
