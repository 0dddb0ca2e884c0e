import {randomBytes} from 'node:crypto';
import {afterAll, beforeAll, beforeEach, expect, test} from 'vitest';
import {BlobStore} from '../../src/store/blob-store.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import type {BlobHeader} from '../../src/schema/blob.ts';
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

interface Stored {
  readonly header: BlobHeader;
  /** At which it stands. */
  readonly revision: number;
}

async function stored(content: Buffer): Promise<Stored> {
  const {header, compares, ops} = await blobs.stage('result', id, content);
  const {revision} = await store.commit({compares, ops: [...ops, {put: `/scan/${id}/result`, value: JSON.stringify(header)}]});
  return {header, revision};
}

async function collected(pieces: AsyncIterable<Buffer>): Promise<Buffer> {
  const all: Buffer[] = [];
  for await (const piece of pieces) all.push(piece);
  return Buffer.concat(all);
}

const deleteAll = async (): Promise<number> => (await store.commit({compares: [], ops: blobs.deleteOps('result', id)})).revision;

/** The first piece, and the others when they are asked for. */
async function begun(pieces: AsyncIterable<Buffer>): Promise<{readonly first: Buffer; readonly rest: () => Promise<Buffer>}> {
  const iterator = pieces[Symbol.asyncIterator]();
  const {value} = await iterator.next();
  return {first: value as Buffer, rest: () => collected({[Symbol.asyncIterator]: () => iterator})};
}

test.each([0, 10, 5_500_000])('%d bytes come out piece by piece as they went in', async (size) => {
  const content = randomBytes(size);
  const {header, revision} = await stored(content);
  expect((await collected(await blobs.open('result', id, header, revision))).equals(content)).toBe(true);
});

test('one that is deleted while it is read comes out whole', async () => {
  const content = randomBytes(12_000_000);
  const {header, revision} = await stored(content);
  const {first, rest} = await begun(await blobs.open('result', id, header, revision));
  await deleteAll();
  expect(Buffer.concat([first, await rest()]).equals(content)).toBe(true);
});

test('where that revision is compacted away, what stands is read', async () => {
  const content = randomBytes(12_000_000);
  const {header, revision} = await stored(content);
  const {first, rest} = await begun(await blobs.open('result', id, header, revision));
  await etcd.etcdctl(['compact', String((await store.commit({compares: [], ops: [{put: '/x', value: ''}]})).revision)]);
  expect(Buffer.concat([first, await rest()]).equals(content)).toBe(true);
});

test('one that is deleted and compacted away while it is read ends with an error, not short', async () => {
  const {header, revision} = await stored(randomBytes(12_000_000));
  const {rest} = await begun(await blobs.open('result', id, header, revision));
  await etcd.etcdctl(['compact', String(await deleteAll())]);
  await expect(rest()).rejects.toMatchObject({code: 'not_found'});
});

test('one that is not there is told before anything is read', async () => {
  const {header} = await stored(randomBytes(3_000_000));
  const revision = await deleteAll();
  await expect(blobs.open('result', id, header, revision)).rejects.toMatchObject({code: 'not_found'});
});

test('a damaged one ends with an error', async () => {
  const content = randomBytes(3_000_000);
  const {header} = await stored(content);
  const [, second] = (await store.range(`~blob/result/${id}/`)).entries;
  const value = Buffer.from(second!.value);
  value.writeUInt32LE(~value.readUInt32LE(1000) >>> 0, 1000);
  const {revision} = await store.commit({compares: [], ops: [{put: second!.key, value}]});
  await expect(collected(await blobs.open('result', id, header, revision))).rejects.toMatchObject({code: 'internal'});
  // More than the header says, even if it is right otherwise.
  const whole = await stored(content);
  await expect(collected(await blobs.open('result', id, {...whole.header, size: 1_000_000}, whole.revision))).rejects.toMatchObject({
    code: 'internal',
  });
});

test('a reader that stops early can do so', async () => {
  const content = randomBytes(12_000_000);
  const {header, revision} = await stored(content);
  for await (const piece of await blobs.open('result', id, header, revision)) {
    expect(piece.length).toBeGreaterThan(0);
    break;
  }
  expect((await blobs.read('result', id, header)).equals(content)).toBe(true);
});
