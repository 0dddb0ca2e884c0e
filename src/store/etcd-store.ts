import {assert, must} from '../lib/assert.ts';
import type {Clock} from '../lib/clock.ts';
import {systemClock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {sleep} from '../lib/sleep.ts';
import {isMemberFailure, readError, writeError} from './etcd-errors.ts';
import type {EtcdMember} from './etcd-member.ts';
import type {EtcdMembers} from './etcd-members.ts';
import type {
  Commit,
  CommitResult,
  Compare,
  KeyValue,
  LeaseId,
  Op,
  RangeOptions,
  RangeResult,
  ReadOptions,
  Revision,
  Store,
  StoreLimits,
} from './store.ts';
import {within} from './etcd-member.ts';
import {renewOnce} from './renew-lease.ts';
import {encodeRange, encodeTxn} from './wire/kv-messages.ts';
import type {CompareRequest, DeleteRequest, RangeRequest, TxnRequest} from './wire/kv-messages.ts';

export interface EtcdStoreOptions {
  /** Put before every key; `''` for none. */
  readonly prefix?: string;
  readonly limits?: Partial<StoreLimits>;
  /** etcd's `--max-request-bytes`: a larger transaction is refused here. */
  readonly requestBytes?: number;
  /** From the call of a read to its end, over all members tried. */
  readonly readTimeoutMs?: number;
  /** From the sending of a write to its end; then its outcome is unknown. */
  readonly writeTimeoutMs?: number;
  /** How long a write waits for a connection before it is `unavailable`. */
  readonly connectTimeoutMs?: number;
  readonly clock?: Clock;
  /** Told the bytes of each write before it is sent, so that the database's growth can be watched. */
  readonly onWrite?: (bytes: number) => void;
}

export const DEFAULT_LIMITS: StoreLimits = {operations: 128, bytes: 1024 * 1024, value: 512 * 1024};

/** etcd's default `--max-request-bytes`. */
const REQUEST_BYTES = 1.5 * 1024 * 1024;
/** Protocol overhead of one compare or operation beside its key and value, rounded up. */
const OVERHEAD_BYTES = 32;
/** A read is tried at least this long on a member before the next one is asked. */
const MIN_ATTEMPT_MS = 500;
const RETRY_PAUSE_MS = 50;
/** Revision reads under way at once: a caller that begins while one is under way joins the next, and need not wait for a slow one to end. */
const REVISION_READS = 2;
const PROBE_EVERY_MS = 500;

const ZERO = Buffer.from([0]);

/**
 * The configuration database in etcd.
 *
 * A read at a compacted revision is `revision_conflict`: begin again at a newer one. A put that names a lease which is gone is `not_found`, and
 * nothing is written. Values are views into the response they came in: copy one that is kept for long.
 */
export class EtcdStore implements Store {
  readonly limits: StoreLimits;
  readonly members: EtcdMembers;
  readonly #prefix: string;
  readonly #requestBytes: number;
  readonly #readTimeoutMs: number;
  readonly #writeTimeoutMs: number;
  readonly #connectTimeoutMs: number;
  readonly #clock: Clock;
  readonly #onWrite: ((bytes: number) => void) | undefined;
  #isReachable = true;
  #probedAt = Number.NEGATIVE_INFINITY;
  /** The revision read that has not been sent yet, and how many are under way. */
  #nextRevision: PromiseWithResolvers<Revision> | undefined;
  #revisionReads = 0;

  constructor(members: EtcdMembers, options: EtcdStoreOptions = {}) {
    this.members = members;
    this.limits = {...DEFAULT_LIMITS, ...options.limits};
    this.#prefix = options.prefix ?? '';
    this.#requestBytes = options.requestBytes ?? REQUEST_BYTES;
    this.#readTimeoutMs = options.readTimeoutMs ?? 2000;
    this.#writeTimeoutMs = options.writeTimeoutMs ?? 5000;
    this.#connectTimeoutMs = options.connectTimeoutMs ?? 1000;
    this.#clock = options.clock ?? systemClock;
    this.#onWrite = options.onWrite;
  }

  async get(key: string, options: ReadOptions = {}): Promise<KeyValue | undefined> {
    const request = encodeRange({key: this.keyBytes(key), ...(options.revision === undefined ? {} : {revision: options.revision})});
    const {entries} = await this.#read((member, ms) => member.range(request, within(ms)), key, options.signal);
    return entries[0] === undefined ? undefined : this.entry(entries[0]);
  }

  async range(prefix: string, options: RangeOptions = {}): Promise<RangeResult> {
    const {from = prefix} = options;
    const request = encodeRange({
      key: typeof from === 'string' ? this.keyBytes(from, true) : from,
      rangeEnd: this.rangeEnd(prefix),
      ...(options.limit === undefined ? {} : {limit: options.limit}),
      ...(options.revision === undefined ? {} : {revision: options.revision}),
      ...(options.keysOnly === true ? {keysOnly: true} : {}),
    });
    const response = await this.#read((member, ms) => member.range(request, within(ms)), prefix, options.signal);
    const {entries, more, count} = response;
    const last = entries.at(-1);
    const next = more && last !== undefined ? {next: Buffer.concat([response.lastKey ?? Buffer.from(last.key), ZERO])} : {};
    return {entries: entries.map((entry) => this.entry(entry)), revision: options.revision ?? response.revision, more, count, ...next};
  }

  async commit(commit: Commit): Promise<CommitResult> {
    const {request, compared, bytes} = this.#encode(commit);
    this.#onWrite?.(bytes);
    const response = await this.#write((member) => member.txn(request, within(this.#writeTimeoutMs)));
    const {revision, succeeded} = response;
    if (succeeded) return {ok: true, revision};
    const found = new Map<string, KeyValue | undefined>();
    for (const [i, key] of compared.entries()) {
      const [entry] = must(response.found[i], 'etcd answers every read');
      found.set(key, entry === undefined ? undefined : this.entry(entry));
    }
    return {ok: false, revision, found};
  }

  async grantLease(ttlSeconds: number): Promise<LeaseId> {
    // Where the reply is lost the lease stands unused until it ends: harmless.
    const {ID} = await this.#write((member) => member.lease.leaseGrant({TTL: ttlSeconds, ID: 0}, within(this.#writeTimeoutMs)));
    return ID;
  }

  renewLease(lease: LeaseId): Promise<number> {
    // As a read: it may be done again on another member, and only makes it live longer.
    return this.#read((member, ms) => renewOnce(member, lease, ms), undefined, undefined);
  }

  currentRevision(): Promise<Revision> {
    if (this.#nextRevision === undefined) {
      this.#nextRevision = Promise.withResolvers<Revision>();
      // A microtask later, so that callers of the same moment share it.
      if (this.#revisionReads < REVISION_READS) queueMicrotask(() => this.#sendRevisionRead());
    }
    return this.#nextRevision.promise;
  }

  isReachable(): boolean {
    // Callers that are told "no" stop asking etcd, so somebody else has to find out that it is back.
    if (!this.#isReachable && this.#clock.monotonicMs() - this.#probedAt > PROBE_EVERY_MS) {
      this.#probedAt = this.#clock.monotonicMs();
      this.currentRevision().catch(() => {});
    }
    return this.#isReachable;
  }

  /** A key as etcd knows it. An empty one, which etcd refuses, becomes the first possible key if it begins a range. */
  keyBytes(key: string, isRangeStart = false): Buffer {
    const bytes = Buffer.from(this.#prefix + key);
    return bytes.length === 0 && isRangeStart ? ZERO : bytes;
  }

  /** The first key after all that start with `prefix`. */
  rangeEnd(prefix: string): Buffer {
    return prefixEnd(Buffer.from(this.#prefix + prefix));
  }

  /** An entry of ours from one of etcd's: its key without the prefix. */
  entry(entry: KeyValue): KeyValue {
    return this.#prefix === '' ? entry : {...entry, key: entry.key.slice(this.#prefix.length)};
  }

  #sendRevisionRead(): void {
    const waiting = this.#nextRevision;
    if (waiting === undefined || this.#revisionReads >= REVISION_READS) return;
    this.#nextRevision = undefined;
    this.#revisionReads += 1;
    // A key of ours, since a user may be allowed no others; whether it exists does not matter.
    const request = encodeRange({key: this.keyBytes('/meta'), keysOnly: true});
    this.#read((member, ms) => member.range(request, within(ms)), undefined, undefined)
      .then(({revision}) => revision)
      .finally(() => {
        this.#revisionReads -= 1;
        this.#sendRevisionRead();
      })
      .then(waiting.resolve, waiting.reject);
  }

  /** Tries members until one answers or the deadline has passed. */
  async #read<T>(send: (member: EtcdMember, timeoutMs: number) => Promise<T>, key: string | undefined, signal: AbortSignal | undefined): Promise<T> {
    const deadline = this.#clock.monotonicMs() + this.#readTimeoutMs;
    for (let attempt = 0; ; attempt += 1) {
      signal?.throwIfAborted();
      const left = deadline - this.#clock.monotonicMs();
      const member = await this.members.connected(Math.max(left, 0));
      if (member === undefined) {
        this.#isReachable = false;
        throw new ControlPlaneError('unavailable', 'the database cannot be reached', key === undefined ? {} : {key});
      }
      const membersLeft = Math.max(1, this.members.members.length - attempt);
      try {
        const result = await send(member, Math.max(1, Math.min(left, Math.max(left / membersLeft, MIN_ATTEMPT_MS))));
        this.#isReachable = true;
        this.members.reportSuccess(member);
        return result;
      } catch (err) {
        const error = readError(err, key);
        if (isMemberFailure(err)) this.members.reportFailure(member);
        if (error.code !== 'unavailable') throw error;
        if (deadline - this.#clock.monotonicMs() <= RETRY_PAUSE_MS) {
          this.#isReachable = false;
          throw error;
        }
        if (attempt + 1 >= this.members.members.length) await sleep(RETRY_PAUSE_MS, signal);
      }
    }
  }

  /** Sends a write once; again on another member only where it is proven that etcd has not begun with it. */
  async #write<T>(send: (member: EtcdMember) => Promise<T>): Promise<T> {
    const tried = new Set<EtcdMember>();
    let refusal: ControlPlaneError | undefined;
    for (;;) {
      const member = await this.members.connected(this.#connectTimeoutMs, tried);
      if (member === undefined) {
        this.#isReachable = false;
        throw refusal ?? new ControlPlaneError('unavailable', 'the database cannot be reached');
      }
      try {
        const result = await send(member);
        this.#isReachable = true;
        this.members.reportSuccess(member);
        return result;
      } catch (err) {
        const error = writeError(err);
        if (isMemberFailure(err)) {
          this.members.reportFailure(member);
          this.#isReachable = false;
        }
        if (error.code !== 'unavailable' || !isMemberFailure(err)) throw error;
        tried.add(member);
        refusal = error;
      }
    }
  }

  /** The transaction as etcd takes it. `compared`: the single keys that are read in case of refusal, in order. */
  #encode(commit: Commit): {request: Buffer; compared: readonly string[]; bytes: number} {
    const {compares, ops} = commit;
    const {operations, value: valueLimit} = this.limits;
    if (compares.length > operations || ops.length > operations) {
      const detail = `${Math.max(compares.length, ops.length)} operations in one transaction, ${operations} are allowed`;
      throw new ControlPlaneError('too_many_operations', detail);
    }
    let bytes = 0;
    const compare: CompareRequest[] = [];
    const compared: string[] = [];
    const failure: RangeRequest[] = [];
    const seen = new Set<string>();
    for (const one of compares) {
      const encoded = this.#compare(one);
      compare.push(encoded);
      bytes += encoded.key.length + OVERHEAD_BYTES;
      if ('prefix' in one || seen.has(one.key)) continue;
      seen.add(one.key);
      compared.push(one.key);
      failure.push({key: encoded.key});
      bytes += encoded.key.length + OVERHEAD_BYTES;
    }
    const success: TxnRequest['success'][number][] = [];
    for (const op of ops) {
      if ('put' in op) {
        const key = this.keyBytes(op.put);
        const value = toBytes(op.value);
        if (value.length > valueLimit && op.put.startsWith('/')) {
          throw new ControlPlaneError('too_large', `${op.put} would have ${value.length} bytes, ${valueLimit} are allowed`, {key: op.put});
        }
        bytes += key.length + value.length + OVERHEAD_BYTES;
        success.push({put: op.lease === undefined || op.lease === '0' ? {key, value} : {key, value, lease: op.lease}});
      } else {
        const deletion = 'delete' in op ? {key: this.keyBytes(op.delete)} : this.#deletion(op.deletePrefix);
        bytes += deletion.key.length + OVERHEAD_BYTES;
        success.push({delete: deletion});
      }
    }
    if (bytes > this.#requestBytes) {
      throw new ControlPlaneError('too_large', `a transaction of ${bytes} bytes, ${this.#requestBytes} are allowed`);
    }
    return {request: encodeTxn({compare, success, failure}, bytes), compared, bytes};
  }

  #compare(compare: Compare): CompareRequest {
    if ('prefix' in compare) {
      const key = this.keyBytes(compare.prefix, true);
      return {key, rangeEnd: this.rangeEnd(compare.prefix), target: 'create', result: 'less', revision: compare.createdUpTo + 1};
    }
    const key = this.keyBytes(compare.key);
    if ('exists' in compare) return {key, target: 'create', result: 'greater', revision: 0};
    if ('createRevision' in compare) return {key, target: 'create', result: 'equal', revision: compare.createRevision};
    return {key, target: 'mod', result: 'equal', revision: compare.modRevision};
  }

  #deletion(prefix: string): DeleteRequest {
    assert(prefix !== '', 'nobody deletes everything');
    return {key: this.keyBytes(prefix), rangeEnd: this.rangeEnd(prefix)};
  }
}

/** The first key after all that start with these bytes; one zero byte (etcd's "no end") if there is none. */
export function prefixEnd(prefix: Buffer): Buffer {
  for (let i = prefix.length - 1; i >= 0; i -= 1) {
    const byte = prefix[i] as number;
    if (byte === 0xff) continue;
    const end = Buffer.from(prefix.subarray(0, i + 1));
    end[i] = byte + 1;
    return end;
  }
  return ZERO;
}

export function toBytes(value: string | Uint8Array): Buffer {
  if (typeof value === 'string') return Buffer.from(value);
  return Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);
}

/** Bytes that a write of `ops` takes in a transaction. */
export function sizeOf(ops: readonly Op[]): number {
  let bytes = 0;
  for (const op of ops) {
    const key = 'put' in op ? op.put : 'delete' in op ? op.delete : op.deletePrefix;
    bytes += key.length + OVERHEAD_BYTES;
    if ('put' in op) bytes += typeof op.value === 'string' ? Buffer.byteLength(op.value) : op.value.length;
  }
  return bytes;
}
