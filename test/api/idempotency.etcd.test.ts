import {afterAll, beforeAll, beforeEach, describe, expect, test} from 'vitest';
import {anyOf} from '../../src/api/auth/authenticator.ts';
import type {Authenticator} from '../../src/api/auth/authenticator.ts';
import {everywhere} from '../../src/api/auth/roles.ts';
import {tokenDigest} from '../../src/schema/job-token.ts';
import type {IdempotencyRecord} from '../../src/schema/idempotency.ts';
import {scanKey} from '../../src/schema/keys.ts';
import {BatchingGroupCommit} from '../../src/store/group-commit.ts';
import type {Commit} from '../../src/store/store.ts';
import {SCAN_BODY, startApi} from './harness.ts';
import type {Answer, TestApi} from './harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

let etcd: TestEtcd;
let api: TestApi;
let other: TestApi;
let key: string;
let tests = 0;

beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  api = await startApi(etcd.endpoint);
  other = await startApi(etcd.endpoint);
});
afterAll(async () => {
  await api.stop();
  await other.stop();
  await etcd.stop();
});
beforeEach(() => {
  tests += 1;
  key = `key ${tests}`;
});

const post = (on: TestApi = api, body: unknown = SCAN_BODY, name = key): Promise<Answer> =>
  on.ask('POST', '/scan', {body, headers: {'idempotency-key': name}});
const records = async (): Promise<{record: IdempotencyRecord; lease: string; key: string}[]> =>
  (await api.store.range('~idempotency/')).entries.map((entry) => ({...entry, record: JSON.parse(entry.value.toString())}));
const recordOf = async (scanId: string): Promise<Awaited<ReturnType<typeof records>>[number] | undefined> =>
  (await records()).find(({record}) => record.scan_id === scanId);
const scanIds = async (): Promise<string[]> =>
  (await api.store.range('/scan/', {keysOnly: true})).entries.map((entry) => entry.key).filter((each) => each.split('/').length === 3);

function refusal(answer: Answer): string {
  expect(answer.body).toEqual({code: answer.status, error: answer.reason});
  return `${answer.status} ${answer.reason}`;
}

describe('POST /scan', () => {
  test('a repeated request is answered with the first scan as it is now, by every replica, and writes nothing', async () => {
    const first = await post();
    expect(first.status).toBe(200);
    await api.ask('PATCH', `/scan/${first.body.scan_id}/manifest`, {body: {scan_metadata: {a: 1}}});
    const before = await api.store.currentRevision();
    for (const each of [api, other]) {
      const again = await post(each);
      expect(again.status).toBe(200);
      expect(again.body).toMatchObject({scan_id: first.body.scan_id, scan_metadata: {a: 1}});
    }
    expect(await api.store.currentRevision()).toBe(before);
  });

  test('the key is stored in the transaction of the scan, under a lease, and names neither key nor caller', async () => {
    const {body} = await post();
    const stored = await recordOf(body.scan_id);
    const scan = await api.store.get(scanKey(body.scan_id));
    expect(stored).toMatchObject({createRevision: scan?.createRevision, key: expect.stringMatching(/^~idempotency\/[0-9a-f]{64}$/)});
    expect(stored?.lease).not.toBe('0');
    expect(stored?.record).toEqual({scan_id: body.scan_id, body_digest: expect.stringMatching(/^[0-9a-f]{64}$/)});
  });

  test('the same key with another body is refused, and nothing is written', async () => {
    await post();
    const before = await api.store.currentRevision();
    const answer = await post(other, {...SCAN_BODY, priority: 5});
    expect(refusal(answer)).toBe('422 this Idempotency-Key was used for a request with another body');
    expect(await api.store.currentRevision()).toBe(before);
  });

  test('another key makes another scan, and no key makes one each time', async () => {
    const first = await post();
    expect((await post(api, SCAN_BODY, `${key}!`)).body.scan_id).not.toBe(first.body.scan_id);
    const before = (await records()).length;
    expect(await api.newScan()).not.toBe(await api.newScan());
    expect(await records()).toHaveLength(before);
  });

  test('twenty at the same moment on two replicas create one scan', async () => {
    for (let round = 0; round < 5; round++) {
      const before = await scanIds();
      const answers = await Promise.all(Array.from({length: 20}, (_, i) => post(i % 2 === 0 ? api : other, SCAN_BODY, `${key} ${round}`)));
      expect(new Set(answers.map(({status}) => status))).toEqual(new Set([200]));
      expect(new Set(answers.map(({body}) => body.scan_id)).size).toBe(1);
      expect(await scanIds()).toHaveLength(before.length + 1);
    }
  });

  test('a refused request is not remembered', async () => {
    const before = await records();
    const bad = {...SCAN_BODY, cluster: {nowhere: 1}};
    expect((await post(api, bad)).status).toBe(400);
    expect(await records()).toEqual(before);
    expect((await post()).status).toBe(200);
  });

  test.each([
    ['an empty key', ''],
    ['a key of 256 bytes', 'k'.repeat(256)],
  ])('%s is refused', async (_, name) => {
    const before = await api.store.currentRevision();
    expect(refusal(await post(api, SCAN_BODY, name))).toBe('400 Idempotency-Key must have 1 to 255 bytes');
    expect(await api.store.currentRevision()).toBe(before);
  });

  test('a key of 255 bytes that are no ASCII is taken', async () => {
    const name = 'é'.repeat(255);
    const bytes = Buffer.from(JSON.stringify(SCAN_BODY)); // With a text as its body, Node's client would send the headers as UTF-8.
    const first = await post(api, bytes, name);
    expect(first.status).toBe(200);
    expect((await post(other, bytes, name)).body.scan_id).toBe(first.body.scan_id);
  });

  test('when the scan has been removed by hand, no second one is made in its place', async () => {
    const {body} = await post();
    await api.store.commit({compares: [], ops: [{delete: scanKey(body.scan_id)}]});
    expect(refusal(await post())).toBe('404 the scan that this Idempotency-Key created has been removed');
  });

  test('a key is forgotten after its time, and stands for a new scan then', async () => {
    const brief = await startApi(etcd.endpoint, {idempotencySeconds: 1});
    try {
      const first = await post(brief);
      expect((await post(brief)).body.scan_id).toBe(first.body.scan_id);
      await eventually(async () => expect(await recordOf(first.body.scan_id)).toBeUndefined(), {timeoutMs: 15_000});
      expect((await post(brief)).body.scan_id).not.toBe(first.body.scan_id);
    } finally {
      await brief.stop();
    }
  });

  test('keys share a lease, and a lease that was revoked is replaced', async () => {
    const [first, second] = [await post(), await post(api, SCAN_BODY, `${key}!`)];
    const lease = (await recordOf(first.body.scan_id))?.lease ?? '';
    expect((await recordOf(second.body.scan_id))?.lease).toBe(lease);
    await etcd.etcdctl(['lease', 'revoke', BigInt(lease).toString(16)]);
    const third = await post();
    expect(third.status).toBe(200);
    expect(third.body.scan_id).not.toBe(first.body.scan_id);
    expect((await recordOf(third.body.scan_id))?.lease).not.toBe(lease);
  });

  test('a creation whose reply was lost is found by the next try, so that the scan is made once', async () => {
    // The transaction goes through, and its answer never comes: then the process that asked is gone too.
    const group = new BatchingGroupCommit(api.store);
    const commit = async (of: Commit): Promise<never> => {
      await group.commit(of);
      throw new Error('the process died here');
    };
    const deaf = await startApi(etcd.endpoint, {}, {groupCommit: {sent: group.sent, commit}});
    try {
      const before = await scanIds();
      expect((await post(deaf)).status).toBe(500);
      const retried = await post();
      expect(retried.status).toBe(200);
      expect(await scanIds()).toEqual([...before, scanKey(retried.body.scan_id)].sort());
    } finally {
      await deaf.stop();
    }
  });
});

describe('POST /scan/ID/actions/rescan', () => {
  let id: string;

  beforeEach(async () => {
    id = await api.newScan();
  });

  const rescan = (on: TestApi, body: unknown, name = key): Promise<Answer> =>
    on.ask('POST', `/scan/${id}/actions/rescan`, {body, headers: {'idempotency-key': name}});
  const rescans = async (): Promise<string[]> => (await api.ask('GET', `/scan-request/${id}`)).body.rescan_ids;

  test('a repeated rescan that replaced its scan is answered with the first one, not sent on to make another of that', async () => {
    const first = await rescan(api, {abort_first: true, replace_scan: true});
    expect(first.status).toBe(200);
    const before = await api.store.currentRevision();
    for (const on of [api, other]) expect((await rescan(on, {abort_first: true, replace_scan: true})).body.scan_id).toBe(first.body.scan_id);
    expect(refusal(await rescan(other, {replace_scan: true}))).toBe('422 this Idempotency-Key was used for a request with another body');
    expect(await api.store.currentRevision()).toBe(before);
    expect(await rescans()).toEqual([first.body.scan_id]);
    // Any other key is news to us, and goes the way of all who ask for a replaced scan.
    expect((await rescan(api, {}, `${key}!`)).status).toBe(307);
  });

  test('ten at the same moment on two replicas make one rescan', async () => {
    const answers = await Promise.all(Array.from({length: 10}, (_, i) => rescan(i % 2 === 0 ? api : other, {replace_scan: true})));
    expect(new Set(answers.map(({status}) => status))).toEqual(new Set([200]));
    expect(await rescans()).toEqual([answers[0]?.body.scan_id]);
  });

  test('the key of one scan’s rescan is not another’s', async () => {
    const first = await rescan(api, {});
    id = await api.newScan();
    expect((await rescan(api, {})).body.scan_id).not.toBe(first.body.scan_id);
  });
});

test('two people of one name, whom two authenticators know, do not get each other’s scan', async () => {
  const roles = everywhere(['user']);
  const knows = (digest: string): Authenticator => ({identify: async (token) => (token.digest === digest ? {name: 'alice', roles} : undefined)});
  const authenticator = anyOf([knows(tokenDigest('one')), knows(tokenDigest('two'))]);
  const both = await startApi(etcd.endpoint, {}, {authenticator});
  const ask = (token: string): Promise<Answer> => both.ask('POST', '/scan', {body: SCAN_BODY, token, headers: {'idempotency-key': key}});
  try {
    const first = await ask('one');
    expect((await ask('one')).body.scan_id).toBe(first.body.scan_id);
    expect((await ask('two')).body.scan_id).not.toBe(first.body.scan_id);
  } finally {
    await both.stop();
  }
});
