import {afterAll, beforeAll, expect, test} from 'vitest';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {grpcFailure} from '../../src/store/etcd-errors.ts';
import {within} from '../../src/store/etcd-member.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore, prefixEnd} from '../../src/store/etcd-store.ts';
import {PrefixWatch} from '../../src/store/watch-stream.ts';
import {encodeRange, encodeTxn} from '../../src/store/wire/kv-messages.ts';
import type {CompareRequest, RangeRequest, TxnRequest} from '../../src/store/wire/kv-messages.ts';
import type {WatchEvent} from '../../src/store/wire/watch-messages.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {seededRandom} from '../support/seeded-random.ts';
import {SimulatedEtcd} from '../support/simulated-etcd/simulated-etcd.ts';
import {VirtualTime} from '../support/virtual-time/virtual-time.ts';

let etcd: TestEtcd;
let store: EtcdStore;
beforeAll(async () => {
  etcd = await startEtcd({unsafeNoFsync: true});
  store = new EtcdStore(new EtcdMembers({endpoints: [etcd.endpoint]}));
  await store.currentRevision();
});
afterAll(async () => {
  store.members.close();
  await etcd.stop();
});

const KEYS = ['/a', '/a/1', '/a/2', '/a/20', '/b', '/b/é', '~c'].map((key) => Buffer.from(key));

/** Requests of all kinds that the store makes, and some that it never would. */
class Requests {
  readonly #random: () => number;
  /** The newest revision, and leases that are there or gone. */
  revision = 0;
  leases: readonly string[] = [];

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  pick<T>(of: readonly T[]): T {
    return of[Math.floor(this.#random() * of.length)] as T;
  }

  /** Mostly near the newest, sometimes one that has not come yet. */
  aRevision(): number {
    return Math.max(0, this.revision + 3 - Math.floor(this.#random() * 40));
  }

  range(): RangeRequest {
    const key = this.pick(KEYS);
    return {
      key,
      ...(this.#random() < 0.5 ? {rangeEnd: prefixEnd(key)} : this.#random() < 0.2 ? {rangeEnd: Buffer.from([0])} : {}),
      ...(this.#random() < 0.3 ? {limit: 1 + Math.floor(this.#random() * 3)} : {}),
      ...(this.#random() < 0.4 ? {revision: this.aRevision()} : {}),
      ...(this.#random() < 0.2 ? {keysOnly: true} : {}),
    };
  }

  txn(): TxnRequest {
    const count = (most: number): readonly undefined[] => Array.from({length: Math.floor(this.#random() * (most + 1))});
    return {
      compare: count(2).map(() => this.#compare()),
      success: count(4).map(() => this.#op()),
      failure: count(2).map(() => ({key: this.pick(KEYS)})),
    };
  }

  #compare(): CompareRequest {
    const key = this.pick(KEYS);
    return {
      key,
      ...(this.#random() < 0.3 ? {rangeEnd: prefixEnd(key)} : {}),
      target: this.pick(['create', 'mod']),
      result: this.pick(['equal', 'greater', 'less', 'less', 'greater']),
      revision: this.#random() < 0.3 ? 0 : this.aRevision(),
    };
  }

  #op(): TxnRequest['success'][number] {
    const key = this.pick(KEYS);
    if (this.#random() < 0.35) return {delete: {key, ...(this.#random() < 0.4 ? {rangeEnd: prefixEnd(key)} : {})}};
    const value = Buffer.from(String(this.#random()).slice(2, 8));
    return {put: {key, value, ...(this.#random() < 0.3 ? {lease: this.pick(this.leases)} : {})}};
  }
}

/** What came of a call, in a form that can be compared. */
async function outcome(call: () => unknown): Promise<unknown> {
  try {
    return await call();
  } catch (err) {
    const {code, details} = grpcFailure(err);
    if (code === -1) throw err;
    return {code, details};
  }
}

test('the model answers as etcd does, whatever is asked, and tells watchers of the same', async () => {
  const model = new SimulatedEtcd({time: new VirtualTime(), random: seededRandom(1)});
  const requests = new Requests(1);
  const member = store.members.preferred;
  // From here on both have the same past, also where others have used this etcd before.
  model.keys.revision = (await store.commit({compares: [], ops: [{put: '~begin', value: ''}]})).revision;
  await store.commit({compares: [], ops: [{delete: '~begin'}]});
  model.keys.revision += 1;
  await member.kv.compact({revision: model.keys.revision, physical: true}, within(5000));
  model.compact(model.keys.revision);
  const first = model.keys.revision + 1;
  const seen: {readonly revision: number; readonly events: readonly WatchEvent[]}[] = [];
  const stop = new AbortController();
  const watch = new PrefixWatch('', {store, clock: systemClock, log: silentLog});
  const onRevision = (revision: number, events: readonly WatchEvent[]): void => void seen.push({revision, events});
  const following = watch.follow(first, {onRevision, onProgress: () => {}, onBehind: () => {}}, stop.signal);
  const told: typeof seen = [];
  model.onWrite(({revision, changes}) => told.push({revision, events: changes.map(({event}) => event)}));

  const kinds = new Map<string, number>();
  for (let i = 0; i < 3000; i += 1) {
    requests.revision = model.keys.revision;
    if (i % 100 === 0) {
      const ID = String(first * 10_000 + i);
      await member.lease.leaseGrant({TTL: 3600, ID}, within(5000));
      model.grant(3600, ID);
      requests.leases = [...requests.leases, ID];
    } else if (i % 100 === 70) {
      const ID = requests.pick(requests.leases);
      const revoked = (): Promise<unknown> => member.lease.leaseRevoke({ID}, within(5000)).then(() => 'done');
      expect([i, await outcome(() => (model.revoke(ID), 'done'))]).toEqual([i, await outcome(revoked)]);
    } else if (i % 50 === 49) {
      const revision = requests.aRevision();
      const compacted = (): Promise<unknown> => member.kv.compact({revision, physical: true}, within(5000)).then(() => 'done');
      expect([i, revision, await outcome(() => (model.compact(revision), 'done'))]).toEqual([i, revision, await outcome(compacted)]);
    } else {
      const request = i % 3 === 0 ? {range: encodeRange(requests.range())} : {txn: encodeTxn(requests.txn())};
      const asked = await outcome(() => ('range' in request ? model.range(request.range) : model.txn(request.txn)));
      const answered = await outcome(() => ('range' in request ? member.range(request.range, within(5000)) : member.txn(request.txn, within(5000))));
      expect([i, asked]).toEqual([i, answered]);
      const kind = typeof asked === 'object' && asked !== null && 'details' in asked ? String(asked.details) : Object.keys(request).join();
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    }
  }
  // Every kind of answer has been met.
  expect([...kinds.keys()].sort()).toEqual([
    'etcdserver: duplicate key given in txn request',
    'etcdserver: mvcc: required revision has been compacted',
    'etcdserver: mvcc: required revision is a future revision',
    'etcdserver: requested lease not found',
    'range',
    'txn',
  ]);
  await eventually(() => seen.length >= told.length, {timeoutMs: 10_000});
  stop.abort();
  await following;
  const comparable = (revisions: typeof seen): unknown[] =>
    revisions.map(({revision, events}) => [revision, events.map(({kind, kv}) => (kind === 'put' ? {kind, kv} : {kind, key: kv.key}))]);
  expect(comparable(told)).toEqual(comparable(seen));
});
