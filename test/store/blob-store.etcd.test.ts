import {randomBytes} from 'node:crypto';
import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {BlobStore, MAX_BLOB_BYTES} from '../../src/store/blob-store.ts';
import type {StagedBlob} from '../../src/store/blobs.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import type {CommitResult} from '../../src/store/store.ts';
import {blobPrefix} from '../../src/schema/keys.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';

let etcd: TestEtcd;
let members: EtcdMembers;
let store: EtcdStore;
let blobs: BlobStore;
let id: string;
let tests = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  members = new EtcdMembers({endpoints: [etcd.endpoint]});
  store = new EtcdStore(members, {readTimeoutMs: 10_000, writeTimeoutMs: 10_000});
  blobs = new BlobStore(store);
});
afterAll(async () => {
  members.close();
  await etcd.stop();
});
beforeEach(() => {
  tests += 1;
  id = `s${tests}`;
});

const headerKey = (): string => `/scan/${id}/result`;

/** Writes the header of a staged blob, provided that the header is still the one of `modRevision`. */
async function refer(staged: StagedBlob, modRevision: number): Promise<CommitResult> {
  const put = {put: headerKey(), value: JSON.stringify(staged.header)};
  return store.commit({compares: [...staged.compares, {key: headerKey(), modRevision}], ops: [...staged.ops, put]});
}

async function chunkKeys(): Promise<readonly string[]> {
  return (await store.range(`~blob/result/${id}/`, {keysOnly: true})).entries.map((entry) => entry.key);
}

test.each([0, 1, 5000, 1024 * 1024, 5_500_000])('%d random bytes come back as they were', async (size) => {
  const content = randomBytes(size);
  const staged = await blobs.stage('result', id, content);
  expect((await refer(staged, 0)).ok).toBe(true);
  expect(staged.header.size).toBe(size);
  expect(await chunkKeys()).toHaveLength(staged.header.chunks);
  expect((await blobs.read('result', id, staged.header)).equals(content)).toBe(true);
});

test('what repeats is stored compressed', async () => {
  const staged = await blobs.stage('result', id, Buffer.alloc(20_000_000, 'scan '));
  expect(staged.header).toMatchObject({chunks: 1, size: 20_000_000});
  expect(staged.header.stored_size).toBeLessThan(100_000);
});

test('100 MiB that do not compress fit, with room left in the header’s transaction; more is too_large', async () => {
  const content = Buffer.alloc(MAX_BLOB_BYTES);
  const block = randomBytes(1 << 20);
  for (let at = 0; at < content.length; at += block.length) {
    // Different blocks, or the compressor would find them again.
    block.writeUInt32LE(at, 0);
    for (let i = 0; i < block.length; i += 4) block.writeUInt32LE((Math.imul(block.readUInt32LE(i), 2654435761) + at) >>> 0, i);
    block.copy(content, at);
  }
  const staged = await blobs.stage('result', id, content);
  expect(staged.header.chunks).toBeGreaterThan(100);
  expect(staged.compares.length).toBeLessThanOrEqual(110);
  expect((await refer(staged, 0)).ok).toBe(true);
  expect((await blobs.read('result', id, staged.header)).equals(content)).toBe(true);
  await store.commit({compares: [], ops: blobs.deleteOps('result', id)});
  expect(await chunkKeys()).toEqual([]);
  await expect(blobs.stage('result', id, Buffer.alloc(MAX_BLOB_BYTES + 1))).rejects.toMatchObject({code: 'too_large'});
}, 60_000);

describe('replacing', () => {
  test('a small blob travels with its header: nothing is stored before, and it replaces a large one', async () => {
    const large = await blobs.stage('result', id, randomBytes(2_000_000));
    const referred = await refer(large, 0);
    const content = randomBytes(1000);
    const small = await blobs.stage('result', id, content, large.header);
    expect(await chunkKeys()).toHaveLength(2);
    expect((await refer(small, referred.revision)).ok).toBe(true);
    expect(await chunkKeys()).toEqual([`${blobPrefix('result', id, small.header.digest)}000000`]);
    expect((await blobs.read('result', id, small.header)).equals(content)).toBe(true);
  });

  test('a header that goes through deletes the chunks of the one before', async () => {
    const first = await blobs.stage('result', id, randomBytes(2_000_000));
    const referred = await refer(first, 0);
    const second = await blobs.stage('result', id, randomBytes(100_000), first.header);
    expect(await chunkKeys()).toHaveLength(3);
    expect((await refer(second, referred.revision)).ok).toBe(true);
    expect(await chunkKeys()).toEqual([`${blobPrefix('result', id, second.header.digest)}000000`]);
    await expect(blobs.read('result', id, first.header)).rejects.toMatchObject({code: 'not_found'});
  });

  test('the same content again keeps its chunks', async () => {
    const content = randomBytes(3_000_000);
    const first = await blobs.stage('result', id, content);
    const referred = await refer(first, 0);
    const again = await blobs.stage('result', id, content, first.header);
    expect(again).toEqual({...first, ops: []});
    expect((await refer(again, referred.revision)).ok).toBe(true);
    expect((await blobs.read('result', id, again.header)).equals(content)).toBe(true);
  });

  test('of two who replace the same header one wins, and the other can do so after staging again', async () => {
    const first = await blobs.stage('result', id, randomBytes(1000));
    const {revision} = await refer(first, 0);
    const [a, b] = [randomBytes(1000), randomBytes(1000)];
    const stagedA = await blobs.stage('result', id, a, first.header);
    const stagedB = await blobs.stage('result', id, b, first.header);
    const won = await refer(stagedA, revision);
    expect(won.ok).toBe(true);
    expect((await refer(stagedB, revision)).ok).toBe(false);
    expect((await blobs.read('result', id, stagedA.header)).equals(a)).toBe(true);
    const again = await blobs.stage('result', id, b, stagedA.header);
    expect((await refer(again, won.revision)).ok).toBe(true);
    expect(await chunkKeys()).toEqual([`${blobPrefix('result', id, again.header.digest)}000000`]);
  });

  test('a header is refused when someone removed a chunk in between, or removed and stored it again', async () => {
    const content = randomBytes(2_000_000);
    const staged = await blobs.stage('result', id, content);
    const [chunk] = (await store.range(`~blob/result/${id}/`)).entries;
    await store.commit({compares: [], ops: [{delete: chunk!.key}]});
    expect((await refer(staged, 0)).ok).toBe(false);
    await store.commit({compares: [], ops: [{put: chunk!.key, value: chunk!.value}]});
    expect((await refer(staged, 0)).ok).toBe(false);
    expect((await refer(await blobs.stage('result', id, content), 0)).ok).toBe(true);
  });
});

describe('damage', () => {
  test('a changed chunk is noticed by its reader, and mended by who stages the content again', async () => {
    const content = randomBytes(2_000_000);
    const staged = await blobs.stage('result', id, content);
    const key = (await chunkKeys())[1]!;
    await store.commit({compares: [], ops: [{put: key, value: randomBytes(100)}]});
    await expect(blobs.read('result', id, staged.header)).rejects.toMatchObject({code: 'internal'});
    const again = await blobs.stage('result', id, content);
    expect((await refer(again, 0)).ok).toBe(true);
    expect((await blobs.read('result', id, again.header)).equals(content)).toBe(true);
  });

  test('the same content as another compressor wrote it is taken as it stands', async () => {
    const {zstdCompressSync, constants} = await import('node:zlib');
    const content = Buffer.from(Array.from({length: 60_000}, (_, i) => `pixel ${i * 7919}\n`).join(''));
    const probe = await blobs.stage('event', id, content);
    const other = zstdCompressSync(content, {params: {[constants.ZSTD_c_compressionLevel]: 19}});
    const prefix = blobPrefix('result', id, probe.header.digest);
    const half = other.length >> 1;
    const ops = [
      {put: `${prefix}000000`, value: other.subarray(0, half)},
      {put: `${prefix}000001`, value: other.subarray(half)},
    ];
    await store.commit({compares: [], ops});
    const staged = await blobs.stage('result', id, content);
    expect(staged.header).toMatchObject({chunks: 2, stored_size: other.length});
    expect((await refer(staged, 0)).ok).toBe(true);
    expect((await blobs.read('result', id, staged.header)).equals(content)).toBe(true);
  });
});
