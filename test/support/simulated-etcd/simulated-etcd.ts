import type {KeyValue, LeaseId, Revision} from '../../../src/store/store.ts';
import type {CompareRequest, RangeResponse, TxnRequest, TxnResponse} from '../../../src/store/wire/kv-messages.ts';
import type {WatchResponse} from '../../../src/store/wire/watch-messages.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';
import {duplicateKey, emptyKey, leaseNotFound, messageTooLarge, noSpace, requestTooLarge, tooManyOps} from './grpc-error.ts';
import {KeySpace, isIn, keyOf} from './key-space.ts';
import type {Span, Write, WrittenRevision} from './key-space.ts';
import {LeaseTable} from './lease-table.ts';
import {decodeRangeRequest, decodeTxnRequest} from './requests.ts';
import {WatchSession} from './watch-session.ts';

export interface SimulatedEtcdOptions {
  readonly time: VirtualTime;
  /** Decides the lags of the server and the ids of leases. */
  readonly random: () => number;
  /** Before 3.4.25 and 3.5.9 progress notices are not in order with events. */
  readonly version?: string;
  /** `--quota-backend-bytes` */
  readonly quotaBytes?: number;
  /** Responses of a watch with more bytes of events are cut. */
  readonly fragmentBytes?: number;
}

/** `--max-txn-ops`, `--max-request-bytes`, and what gRPC takes at all. */
const MAX_OPS = 128;
const MAX_REQUEST_BYTES = 1.5 * 1024 * 1024;
const MAX_MESSAGE_BYTES = 2 * 1024 * 1024;

/**
 * A model of etcd in memory: the part of it that the store relies on, at the level of its gRPC services, with etcd's own words in its errors.
 *
 * It is one state machine, as a cluster is for those who read linearizably; every call takes effect at one moment. What happens on the way to it and
 * back is the links' business. Times are virtual.
 */
export class SimulatedEtcd {
  readonly keys = new KeySpace();
  readonly leases: LeaseTable;
  readonly version: string;
  /** Whether the NOSPACE alarm stands: then only what adds nothing is taken. */
  hasNoSpaceAlarm = false;
  isDown = false;
  readonly #options: SimulatedEtcdOptions;
  readonly #sessions = new Set<WatchSession>();
  readonly #listeners: ((written: WrittenRevision) => void)[] = [];
  readonly #onDown: (() => void)[] = [];
  readonly #onUp: (() => void)[] = [];
  #dbSize = 0;

  constructor(options: SimulatedEtcdOptions) {
    this.#options = options;
    this.version = options.version ?? '3.5.21';
    this.leases = new LeaseTable(options.time, options.random, (id) => {
      if (!this.isDown) this.revoke(id);
    });
  }

  get time(): VirtualTime {
    return this.#options.time;
  }

  // Key-value service

  range(request: Buffer): RangeResponse {
    const {key, rangeEnd, revision, limit = 0, keysOnly} = decodeRangeRequest(request);
    if (key.length === 0) throw emptyKey();
    const found = this.keys.range(
      {start: keyOf(key), end: rangeEnd === undefined ? undefined : keyOf(rangeEnd)},
      revision === 0 ? undefined : revision,
    );
    const entries = limit > 0 ? found.slice(0, limit) : found;
    return {
      revision: this.keys.revision,
      entries: keysOnly === true ? entries.map((kv) => ({...kv, value: Buffer.alloc(0)})) : entries,
      more: entries.length < found.length,
      count: found.length,
    };
  }

  txn(request: Buffer): TxnResponse {
    if (request.length > MAX_MESSAGE_BYTES) throw messageTooLarge(request.length);
    const txn = decodeTxnRequest(request);
    if (Math.max(txn.compare.length, txn.success.length, txn.failure.length) > MAX_OPS) throw tooManyOps();
    const writes = writesOf(txn);
    if (request.length > MAX_REQUEST_BYTES) throw requestTooLarge();
    if (!txn.compare.every((compare) => this.#holds(compare))) {
      const found = txn.failure.map(({key}) => this.keys.range({start: keyOf(key)}));
      return {revision: this.keys.revision, succeeded: false, found};
    }
    this.#write(writes);
    return {revision: this.keys.revision, succeeded: true, found: []};
  }

  compact(revision: Revision): void {
    this.keys.compact(revision);
  }

  // Lease service

  grant(ttlSeconds: number, id: LeaseId): {readonly id: LeaseId; readonly ttlSeconds: number} {
    return this.leases.grant(ttlSeconds, id);
  }

  /** The keys go with it, in one revision. @throws GrpcError */
  revoke(id: LeaseId): void {
    const keys = this.leases.revoke(id);
    this.#write(keys.map((start) => ({kind: 'delete', span: {start}})));
  }

  // Watch service

  openWatch(send: (response: WatchResponse, overtakes?: boolean) => void): WatchSession {
    const {time, random, fragmentBytes = MAX_REQUEST_BYTES} = this.#options;
    const session = new WatchSession({keys: this.keys, time, random, version: this.version, fragmentBytes, send});
    this.#sessions.add(session);
    return session;
  }

  closeWatch(session: WatchSession): void {
    session.close();
    this.#sessions.delete(session);
  }

  // Maintenance service

  /** Bytes: of the file, which never shrinks by itself, and of what is in use. */
  sizes(): {readonly dbSize: number; readonly inUse: number} {
    this.#dbSize = Math.max(this.#dbSize, this.keys.bytes);
    return {dbSize: this.#dbSize, inUse: this.keys.bytes};
  }

  defragment(): void {
    this.#dbSize = this.keys.bytes;
  }

  disarm(): void {
    this.hasNoSpaceAlarm = false;
  }

  // From outside: what an operator does with etcdctl, at once

  get(key: string): KeyValue | undefined {
    return this.keys.get(keyOf(Buffer.from(key)));
  }

  list(prefix: string): readonly KeyValue[] {
    const start = keyOf(Buffer.from(prefix));
    return this.keys.range({start, end: '\0'}).filter(({key}) => key.startsWith(prefix));
  }

  put(key: string, value: string): Revision {
    this.#write([{kind: 'put', key: keyOf(Buffer.from(key)), value: Buffer.from(value), lease: '0'}]);
    return this.keys.revision;
  }

  delete(key: string): void {
    this.#write([{kind: 'delete', span: {start: keyOf(Buffer.from(key))}}]);
  }

  /** Calls back after each revision. */
  onWrite(listener: (written: WrittenRevision) => void): void {
    this.#listeners.push(listener);
  }

  /** Ends all watches from etcd's side. */
  cancelWatches(reason: string): void {
    for (const session of this.#sessions) session.cancel(reason);
  }

  // Coming and going

  /** kill -9 of etcd. What was answered is kept. */
  crash(): void {
    this.isDown = true;
    for (const tell of this.#onDown) tell();
  }

  /** It is back, on the same data; leases begin anew. */
  restart(): void {
    this.isDown = false;
    this.leases.renewAll();
    for (const tell of this.#onUp) tell();
  }

  onDown(tell: () => void): void {
    this.#onDown.push(tell);
  }

  onUp(tell: () => void): void {
    this.#onUp.push(tell);
  }

  #holds({key, rangeEnd, target, result, revision}: CompareRequest): boolean {
    const span: Span = {start: keyOf(key), end: rangeEnd === undefined ? undefined : keyOf(rangeEnd)};
    const found = this.keys.range(span);
    // What is not there has revisions of 0.
    const present = found.length === 0 ? [0] : found.map((kv) => (target === 'create' ? kv.createRevision : kv.modRevision));
    return present.every((one) => (result === 'equal' ? one === revision : result === 'greater' ? one > revision : one < revision));
  }

  /** @throws GrpcError if a lease is not there, or there is no room: then nothing is written. */
  #write(writes: readonly Write[]): void {
    for (const write of writes) if (write.kind === 'put' && write.lease !== '0' && !this.leases.has(write.lease)) throw leaseNotFound();
    const {quotaBytes = Number.POSITIVE_INFINITY} = this.#options;
    if (writes.some(({kind}) => kind === 'put')) {
      const adds = writes.reduce((sum, write) => sum + (write.kind === 'put' ? write.value.length : 0), 0);
      if (this.sizes().dbSize + adds > quotaBytes) this.hasNoSpaceAlarm = true;
      if (this.hasNoSpaceAlarm) throw noSpace();
    }
    const written = this.keys.write(writes);
    if (written === undefined) return;
    for (const {key, event} of written.changes) this.leases.attach(key, event.kv.lease);
    for (const session of this.#sessions) session.note(written);
    for (const listener of this.#listeners) listener(written);
  }
}

/** @throws GrpcError for a key that is written twice, or is empty. */
function writesOf({success}: TxnRequest): readonly Write[] {
  const writes = success.map((op): Write => {
    if ('put' in op) return {kind: 'put', key: keyOf(op.put.key), value: op.put.value, lease: op.put.lease ?? '0'};
    const {key, rangeEnd} = op.delete;
    return {kind: 'delete', span: {start: keyOf(key), end: rangeEnd === undefined ? undefined : keyOf(rangeEnd)}};
  });
  const put = new Set<string>();
  for (const write of writes) {
    if ((write.kind === 'put' ? write.key : write.span.start) === '') throw emptyKey();
    if (write.kind !== 'put') continue;
    if (put.has(write.key) || writes.some((other) => other.kind === 'delete' && isIn(write.key, other.span))) throw duplicateKey();
    put.add(write.key);
  }
  return writes;
}
