import {randomBytes} from 'node:crypto';
import {afterEach, describe, expect, test} from 'vitest';
import {silentLog} from '../../src/lib/log.ts';
import type {BlobHeader} from '../../src/schema/blob.ts';
import {BlobStore} from '../../src/store/blob-store.ts';
import {isNoSpace} from '../../src/store/etcd-errors.ts';
import {within} from '../../src/store/etcd-member.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {Space} from '../../src/store/space.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

const MIB = 1024 * 1024;
const QUOTA = 32 * MIB;

const cleanups: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function etcdWithQuota(): Promise<TestEtcd> {
  const etcd = await startEtcd({quotaBytes: QUOTA, unsafeNoFsync: true});
  cleanups.push(() => etcd.stop());
  return etcd;
}

/** What one process has: its own connections, its own count. */
function aProcess(etcd: TestEtcd, options: {readonly isEnabled?: boolean; readonly waitMs?: number} = {}) {
  const members = new EtcdMembers({endpoints: [etcd.endpoint]});
  cleanups.push(() => members.close());
  const space = new Space(members, {
    isEnabled: options.isEnabled ?? true,
    quotaBytes: QUOTA,
    log: silentLog,
    ...(options.waitMs === undefined ? {} : {waitMs: options.waitMs}),
  });
  const store = new EtcdStore(members, {onWrite: (bytes) => space.wrote(bytes)});
  return {members, space, store, blobs: new BlobStore(store, space)};
}

/** Writes values until etcd's quota is used up. */
async function fill(store: EtcdStore): Promise<void> {
  let failure: unknown;
  for (let i = 0; i < 200 && failure === undefined; i += 1) {
    await store.commit({compares: [], ops: [{put: `~fill/${i % 4}`, value: randomBytes(MIB - 4096)}]}).catch((err: unknown) => (failure = err));
  }
  expect(isNoSpace(failure)).toBe(true);
  expect(failure).toMatchObject({code: 'unknown_outcome'});
}

test('results that are rewritten to ten times the quota, by two processes, are never refused', async () => {
  const etcd = await etcdWithQuota();
  let written = 0;
  const rewrite = async (id: string): Promise<void> => {
    const {store, blobs} = aProcess(etcd);
    const key = `/scan/${id}/result`;
    let header: BlobHeader | undefined;
    let modRevision = 0;
    while (written < 10 * QUOTA) {
      const content = randomBytes(MIB);
      const staged = await blobs.stage('result', id, content, header);
      const put = {put: key, value: JSON.stringify(staged.header)};
      const result = await store.commit({compares: [...staged.compares, {key, modRevision}], ops: [...staged.ops, put]});
      expect(result.ok).toBe(true);
      ({header} = staged);
      modRevision = result.revision;
      written += content.length;
      if (written % (16 * MIB) < MIB) expect((await blobs.read('result', id, header)).equals(content)).toBe(true);
    }
  };
  await Promise.all([rewrite('s1'), rewrite('s2')]);
  const {hasNoSpaceAlarm, dbSize} = await aProcess(etcd).space.status();
  expect(hasNoSpaceAlarm).toBe(false);
  expect(dbSize).toBeLessThan(QUOTA);
}, 120_000);

describe('at the quota', () => {
  test('writes are refused, while 20 of 20 reads and lease renewals work; compacted, defragmented and disarmed it takes writes again (E6)', async () => {
    const etcd = await etcdWithQuota();
    const {members, store, space} = aProcess(etcd, {isEnabled: false});
    await store.commit({compares: [], ops: [{put: '/k', value: 'x'}]});
    const {ID} = await members.preferred.lease.leaseGrant({TTL: 30}, within(1000));
    const renewals = await members.preferred.keepAlive();
    const renewed: string[] = [];
    renewals.on('error', () => {});
    renewals.on('data', ({TTL}) => renewed.push(TTL));
    await fill(store);

    let refused = 0;
    for (let i = 0; i < 20; i += 1) {
      const writing = store.commit({compares: [], ops: [{put: `/w/${i}`, value: 'x'}]});
      await writing.catch((err: unknown) => (refused += isNoSpace(err) ? 1 : 0));
      expect((await store.get('/k'))?.value.toString()).toBe('x');
      renewals.write({ID});
    }
    expect(refused).toBe(20);
    await eventually(() => renewed.length === 20);
    expect(new Set(renewed)).toEqual(new Set(['30']));
    expect(store.isReachable()).toBe(true);
    renewals.cancel();

    expect((await space.status()).hasNoSpaceAlarm).toBe(true);
    await space.compactTo((await space.status()).revision);
    await space.defragment();
    expect(await space.disarmNoSpace()).toBe(true);
    expect((await store.commit({compares: [], ops: [{put: '/w', value: 'x'}]})).ok).toBe(true);
    expect(await space.disarmNoSpace()).toBe(false);
  });

  test('a blob for which there is no room is refused, and what is small still fits', async () => {
    const etcd = await etcdWithQuota();
    const {store, blobs} = aProcess(etcd, {waitMs: 500});
    const staging = async (): Promise<void> => {
      for (let i = 0; i < 40; i += 1) await blobs.stage('result', `s${i}`, randomBytes(MIB));
    };
    await expect(staging()).rejects.toMatchObject({code: 'unavailable'});
    expect((await store.commit({compares: [], ops: [{put: '/small', value: 'x'}]})).ok).toBe(true);
  });

  test('switched off, it neither compacts nor waits', async () => {
    const etcd = await etcdWithQuota();
    const {store, space, blobs} = aProcess(etcd, {isEnabled: false});
    const first = await store.commit({compares: [], ops: [{put: '/old', value: '1'}]});
    for (let i = 0; i < 20; i += 1) await blobs.stage('result', 's', randomBytes(MIB));
    expect(await space.compact(0)).toBeUndefined();
    expect((await store.get('/old', {revision: first.revision}))?.value.toString()).toBe('1');
  });
});

test('regular compaction keeps what is younger than asked', async () => {
  const etcd = await etcdWithQuota();
  const {members, store} = aProcess(etcd);
  let now = 0;
  const clock = {now: () => 0, monotonicMs: () => now};
  const space = new Space(members, {isEnabled: true, quotaBytes: QUOTA, log: silentLog, clock});
  const write = async (value: string): Promise<number> => (await store.commit({compares: [], ops: [{put: '/k', value}]})).revision;
  const first = await write('1');
  const second = await write('2');
  expect(await space.compact(60_000)).toBeUndefined();
  now = 50_000;
  const third = await write('3');
  expect(await space.compact(60_000)).toBeUndefined();
  now = 61_000;
  expect(await space.compact(60_000)).toBe(second);
  await expect(store.get('/k', {revision: first})).rejects.toMatchObject({code: 'revision_conflict'});
  expect((await store.get('/k', {revision: second}))?.value.toString()).toBe('2');
  expect((await store.get('/k', {revision: third}))?.value.toString()).toBe('3');
  // Nothing new is old enough; and that another process has compacted further is no error.
  expect(await space.compact(60_000)).toBeUndefined();
  await etcd.etcdctl(['compact', String(third)]);
  await space.compactTo(second);
});
