import {Etcd3} from 'etcd3';
import type {IOptions, Lease, Watcher} from 'etcd3';
import {must} from '../../src/lib/assert.ts';
import {newScanId} from '../../src/schema/ids.ts';
import {closedLoop} from '../lib/load.ts';
import type {LoadResult} from '../lib/load.ts';
import {msBetween, nowNs} from '../lib/machine.ts';
import {serve} from '../lib/remote.ts';
import {copier, varied} from '../lib/template.ts';
import type {Template} from '../lib/template.ts';

/** etcd3 as its documentation says to switch off retries and circuit breakers. */
const NOOP = {execute: (fn: () => unknown) => fn()} as unknown as NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** `ICompare` in numbers: etcd3 gives the enums only as `const` objects of its own. */
const EQUAL = 0;
const CREATE = 1;

let client: Etcd3 | undefined;
const etcd = (): Etcd3 => must(client, 'connected first');

function createClient(endpoint: string): Etcd3 {
  return new Etcd3({hosts: endpoint, faultHandling: {host: () => NOOP, global: NOOP}});
}

function useEtcd(endpoint: string): void {
  client?.close();
  client = createClient(endpoint);
}

/** One transaction per scan: refused if the scan exists, else all its keys. `inFlight` of them under way. */
async function createScans(template: Template, inFlight: number, seconds: number): Promise<LoadResult> {
  const copy = copier(template);
  return closedLoop(inFlight, seconds, async () => {
    const id = newScanId(Date.now());
    const puts = copy(id).map(({key, value}) => etcd().put(key).value(value));
    const result = await etcd()
      .if(`/scan/${id}`, 'Create', '==', 0)
      .then(...puts)
      .commit();
    if (!result.succeeded) throw new Error('refused');
  });
}

/** Calls back for each put below the prefix that {@link roundTrips} writes to. Never cancelled: etcd3 throws out of nowhere when its last watcher is. */
let watcher: Promise<Watcher> | undefined;
let onPut: (atNs: bigint) => void = () => {};

/** From before a put is sent to its event on a watch that another client has open, in milliseconds; one at a time. */
async function roundTrips(endpoint: string, value: string, count: number, everyMs: number): Promise<Float64Array> {
  watcher ??= createClient(endpoint).watch().prefix('/bench/round-trip/').create();
  (await watcher).removeAllListeners('put').on('put', () => onPut(nowNs()));
  const taken: number[] = [];
  for (let n = -1; n < count; n++) {
    await new Promise((resolve) => setTimeout(resolve, everyMs));
    const arrived = new Promise<bigint>((resolve) => (onPut = resolve));
    const sent = nowNs();
    const [at] = await Promise.all([arrived, etcd().put(`/bench/round-trip/${n}`).value(value)]);
    if (n >= 0) taken.push(msBetween(sent, at)); // the first one opens connections
  }
  return Float64Array.from(taken);
}

/** Seconds that claiming `count` owner keys takes: compare-and-set, `batch` keys per transaction, `inFlight` of these under way. They are given up again. */
async function claims(owner: string, count: number, batch: number, inFlight: number): Promise<number> {
  const lease: Lease = etcd().lease(60);
  const id = await lease.grant();
  const stamp = Date.now().toString(36);
  const keys = Array.from({length: count}, (_, n) => `/bench/claim-${stamp}/${n}/owner`);
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < keys.length) {
      const mine = keys.slice(next, (next += batch));
      const result = await etcd().kv.txn({
        compare: mine.map((key) => ({key: Buffer.from(key), target: CREATE, result: EQUAL, create_revision: '0'})),
        success: mine.map((key) => ({request_put: {key: Buffer.from(key), value: Buffer.from(owner), lease: id}})),
      });
      if (!result.succeeded) throw new Error('a claim was refused');
    }
  };
  const start = nowNs();
  await Promise.all(Array.from({length: inFlight}, lane));
  const seconds = msBetween(start, nowNs()) / 1000;
  await lease.revoke();
  return seconds;
}

/** Stores `count` copies of a scan, varied as real ones are; resolves with their ids and the bytes stored. */
async function fill(template: Template, count: number, idOf?: readonly string[]): Promise<{ids: readonly string[]; bytes: number}> {
  const copy = copier(template);
  const perTransaction = Math.max(1, Math.floor(100 / template.entries.length));
  const ids = idOf ?? Array.from({length: count}, () => newScanId(Date.now() - Math.random() * 1e9));
  let next = 0;
  let bytes = 0;
  const lane = async (): Promise<void> => {
    while (next < ids.length) {
      const mine = ids.slice(next, (next += perTransaction));
      const entries = mine.flatMap((id) => copy(id).map(({key, value}) => ({key: Buffer.from(key), value: Buffer.from(varied(value))})));
      bytes += entries.reduce((sum, {key, value}) => sum + key.length + value.length, 0);
      await etcd().kv.txn({success: entries.map((entry) => ({request_put: entry}))});
    }
  };
  await Promise.all(Array.from({length: 8}, lane));
  return {ids, bytes};
}

/** Those of the first `limit` keys with `prefix` whose text holds `part`. */
async function read(prefix: string, part: string, limit = 100): Promise<readonly {key: string; value: string}[]> {
  const found = await etcd().getAll().prefix(prefix).limit(limit).strings();
  return Object.entries(found)
    .filter(([key]) => key.includes(part))
    .map(([key, value]) => ({key, value}));
}

async function put(key: string, value: string): Promise<void> {
  await etcd().put(key).value(value);
}

async function remove(keys: readonly string[]): Promise<void> {
  for (let at = 0; at < keys.length; at += 100) {
    await etcd().kv.txn({success: keys.slice(at, at + 100).map((key) => ({request_delete_range: {key: Buffer.from(key)}}))});
  }
}

async function removeAll(prefix: string): Promise<void> {
  await etcd().delete().prefix(prefix);
}

/** The database's revision: it moves with every write. */
async function revision(): Promise<string> {
  return (await etcd().kv.range({key: Buffer.from('/meta')})).header.revision;
}

const methods = {useEtcd, createScans, roundTrips, claims, fill, read, put, remove, removeAll, revision};
export type RawEtcd = typeof methods;
serve(methods);
