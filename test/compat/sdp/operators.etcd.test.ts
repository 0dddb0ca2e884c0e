import {afterAll, beforeAll, expect, test} from 'vitest';
import * as keys from '../../../src/schema/keys.ts';
import {BlockSystem} from '../../support/block-system.ts';
import {startEtcd} from '../../support/etcd.ts';
import type {TestEtcd} from '../../support/etcd.ts';
import {eventually} from '../../support/eventually.ts';
import {logLines} from '../../support/log-lines.ts';

/** What operators do with etcdctl (section 7.8 of the specification): legal input, all of it. */

let etcd: TestEtcd;
let system: BlockSystem;
const {log, lines} = logLines();

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  system = await BlockSystem.start({etcd, settings: {SCANPLANE_JANITOR_SECONDS: '0.1'}, log});
  await system.startReplica();
});

afterAll(async () => {
  await system?.stop();
  await etcd?.stop();
});

const text = async (key: string): Promise<string> => (await etcd.etcdctl(['get', '--print-value-only', key])).slice(0, -1);
const block = (id: string, kind = 'batch', name = 'vis'): string => JSON.stringify({pb_id: id, eb_id: null, script: {kind, name, version: '1.0'}});
const scriptKeyOf = (id: string): string => keys.deployKey(`proc-${id}-script`);

async function released(id: string): Promise<void> {
  await etcd.etcdctl(['put', keys.pbKey(id), block(id)]);
  await system.untilState(id, {status: 'STARTING'});
  await etcd.etcdctl(['put', keys.pbStateKey(id), '{"status": "WAITING", "resources_available": false}']);
  await system.untilState(id, {resources_available: true});
}

test('values that are written again as they are change nothing', async () => {
  await released('same');
  const all = [keys.pbKey('same'), keys.pbStateKey('same'), scriptKeyOf('same'), keys.pbAdmissionKey('same'), keys.scriptKey('batch:vis:1.0')];
  const before = await Promise.all(all.map(text));
  for (const [n, key] of all.entries()) await etcd.etcdctl(['put', key, '--', before[n] as string]);
  const after = await system.revisions();
  await system.lookedAt();
  expect(await system.revisions()).toEqual(after);
  expect(await Promise.all(all.map(text))).toEqual(before);
});

test('a deleted state comes back, and the block takes its way again', async () => {
  await released('stateless');
  const deployed = await system.get(scriptKeyOf('stateless'));
  await etcd.etcdctl(['del', keys.pbStateKey('stateless')]);
  await system.untilState('stateless', {status: 'STARTING', resources_available: false});
  await etcd.etcdctl(['put', keys.pbStateKey('stateless'), '{"status": "WAITING"}']);
  await system.untilState('stateless', {resources_available: true});
  expect(await system.get(scriptKeyOf('stateless'))).toEqual(deployed);
});

test('a deleted owner leaves the block as it is, for the next one to claim', async () => {
  await released('unowned');
  const lease = await system.database.store.grantLease(60);
  const owner = JSON.stringify({hostname: 'h', pid: 1, command: ['script']});
  await etcd.etcdctl(['put', `--lease=${BigInt(lease).toString(16)}`, keys.pbOwnerKey('unowned'), owner]);
  await etcd.etcdctl(['put', keys.pbStateKey('unowned'), '{"status": "RUNNING", "resources_available": true}']);
  await etcd.etcdctl(['del', keys.pbOwnerKey('unowned')]);
  await system.lookedAt();
  expect(await system.state('unowned')).toEqual({status: 'RUNNING', resources_available: true});
  expect(await system.get(scriptKeyOf('unowned'))).toBeDefined();
});

test('a value with a newline at its end, as etcdctl takes it from standard input, is a value', async () => {
  await etcd.etcdctl(['put', keys.pbKey('newline')], `${block('newline')}\n`);
  await system.untilState('newline', {status: 'STARTING'});
  await etcd.etcdctl(['put', keys.pbStateKey('newline')], '{"status": "WAITING"}\n');
  await system.untilState('newline', {resources_available: true});
});

test('JSON in any order and spacing is a value, and what is written of it later is canonical', async () => {
  await etcd.etcdctl([
    'put',
    keys.pbKey('loose'),
    `  {"script":{"version":"1.0","name":"receive","kind":"realtime"},\t"eb_id":null,"pb_id":"loose","é":1}`,
  ]);
  await system.untilState('loose', {status: 'STARTING'});
  await etcd.etcdctl(['put', keys.pbStateKey('loose'), '{"status":"WAITING","z":{"b":1,"a":"é"}}']);
  await system.untilState('loose', {resources_available: true});
  const written = await text(keys.pbStateKey('loose'));
  expect(written.replace(/"last_updated": "[^"]*"/, '"last_updated": "…"')).toBe(
    '{\n  "last_updated": "…",\n  "resources_available": true,\n  "status": "WAITING",\n  "z": {\n    "a": "é",\n    "b": 1\n  }\n}',
  );
});

test('a key with a slash at its end is reported, and is no block', async () => {
  await etcd.etcdctl(['put', '/pb/slash/', block('slash')]);
  await eventually(() => expect([...system.database.cache.bad.keys()]).toContain('/pb/slash/'));
  await system.lookedAt();
  expect(await system.get(keys.pbStateKey('slash'))).toBeUndefined();
  await etcd.etcdctl(['del', '/pb/slash/']);
  await eventually(() => expect([...system.database.cache.bad.keys()]).not.toContain('/pb/slash/'));
});

test('an owner without a lease, who would never go away, is reported and removed', async () => {
  await released('forever');
  const key = keys.pbOwnerKey('forever');
  await etcd.etcdctl(['put', key, '{"hostname": "h", "pid": 1}']);
  await system.untilGone(key);
  expect(lines.filter((line) => line['key'] === key && line['level'] === 40)).toMatchObject([
    {level: 40, msg: 'removed an owner key without a lease'},
  ]);
});

test('a block that is deleted and put again while no controller runs starts anew', async () => {
  await released('again');
  const before = await system.get(scriptKeyOf('again'));
  await system.stop();
  await etcd.etcdctl(['del', keys.pbKey('again')]);
  await etcd.etcdctl(['put', keys.pbKey('again'), block('again')]);
  system = await BlockSystem.start({etcd});
  await system.startReplica();
  await system.untilState('again', {status: 'STARTING', resources_available: false});
  expect((await system.get(scriptKeyOf('again')))?.createRevision).toBeGreaterThan(before?.createRevision ?? 0);
  expect(await system.get(keys.pbAdmissionKey('again'))).toBeUndefined();
});
