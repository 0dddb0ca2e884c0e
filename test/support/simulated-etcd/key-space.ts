import type {KeyValue, LeaseId, Revision} from '../../../src/store/store.ts';
import type {WatchEvent} from '../../../src/store/wire/watch-messages.ts';
import {compacted, futureRevision} from './grpc-error.ts';

/** Keys are held as one character per byte, so that they sort as bytes do. */
export type Key = string;

export function keyOf(bytes: Buffer): Key {
  return bytes.toString('latin1');
}

/** All keys from `start` up to `end`; without an end `start` alone. `'\0'` as the end: no end. */
export interface Span {
  readonly start: Key;
  readonly end?: Key | undefined;
}

export function isIn(key: Key, {start, end}: Span): boolean {
  if (end === undefined) return key === start;
  return key >= start && (end === '\0' || key < end);
}

/** What one write left of a key. */
interface Version {
  readonly kv: KeyValue;
  /** How often it has been written since its creation; 0: deleted. */
  readonly version: number;
}

export type Write =
  | {readonly kind: 'put'; readonly key: Key; readonly value: Buffer; readonly lease: LeaseId}
  | {readonly kind: 'delete'; readonly span: Span};

/** What one revision did, in the order of its transaction. */
export interface WrittenRevision {
  readonly revision: Revision;
  readonly changes: readonly {readonly key: Key; readonly event: WatchEvent}[];
}

/** Bytes of a version beside its key and value, about. */
const OVERHEAD_BYTES = 64;

/**
 * etcd's multi-version key space: every write is a revision, every revision can be read until it is compacted.
 *
 * @see https://etcd.io/docs/v3.5/learning/data_model/
 */
export class KeySpace {
  /** etcd begins with 1; the first write is 2. */
  revision: Revision = 1;
  /** -1: never compacted. */
  compactedTo: Revision = -1;
  /** Of all versions that are kept. */
  bytes = 0;
  /** Keys that have a version, sorted. */
  #keys: Key[] = [];
  readonly #versions = new Map<Key, Version[]>();
  #log: WrittenRevision[] = [];

  /**
   * Keys that are there at a revision, in order.
   *
   * @throws GrpcError for a revision that has been compacted, or has not come yet.
   */
  range(span: Span, revision: Revision = this.revision): KeyValue[] {
    if (revision > this.revision) throw futureRevision();
    if (revision < this.compactedTo) throw compacted();
    if (span.end === undefined) {
      const one = this.#at(span.start, revision);
      return one === undefined ? [] : [one];
    }
    const found: KeyValue[] = [];
    for (let i = this.#indexOf(span.start); i < this.#keys.length; i += 1) {
      const key = this.#keys[i] as Key;
      if (!isIn(key, span)) break;
      const kv = this.#at(key, revision);
      if (kv !== undefined) found.push(kv);
    }
    return found;
  }

  get(key: Key): KeyValue | undefined {
    return this.#at(key, this.revision);
  }

  /** Writes in one revision, in order. `undefined`: there was nothing to put and nothing to delete, so that nothing happened. */
  write(writes: readonly Write[]): WrittenRevision | undefined {
    const revision = this.revision + 1;
    const changes: WrittenRevision['changes'][number][] = [];
    for (const write of writes) {
      if (write.kind === 'put') {
        changes.push({key: write.key, event: {kind: 'put', kv: this.#put(write.key, write.value, write.lease, revision)}});
        continue;
      }
      for (const {key: text} of this.range(write.span)) {
        const kv: KeyValue = {key: text, value: Buffer.alloc(0), createRevision: 0, modRevision: revision, lease: '0'};
        const key = keyOf(Buffer.from(text));
        // An earlier deletion of the same transaction took it already.
        if (this.#at(key, revision) === undefined) continue;
        this.#add(key, {kv, version: 0});
        changes.push({key, event: {kind: 'delete', kv}});
      }
    }
    if (changes.length === 0) return undefined;
    this.revision = revision;
    const written = {revision, changes};
    this.#log.push(written);
    return written;
  }

  /** Revisions from `from` on, the oldest first. */
  *since(from: Revision): Iterable<WrittenRevision> {
    const first = this.#log[0]?.revision ?? 0;
    for (let i = Math.max(0, from - first); i < this.#log.length; i += 1) yield this.#log[i] as WrittenRevision;
  }

  /** Forgets what was overwritten or deleted up to a revision. @throws GrpcError for one that was compacted already, or has not come yet. */
  compact(revision: Revision): void {
    if (revision <= this.compactedTo) throw compacted();
    if (revision > this.revision) throw futureRevision();
    this.compactedTo = revision;
    // Of the revision itself deletions are lost, to watches too: etcd-io/etcd#18089.
    this.#log = this.#log
      .filter((one) => one.revision >= revision)
      .map((one) => (one.revision === revision ? {...one, changes: one.changes.filter(({event}) => event.kind !== 'delete')} : one));
    const kept: Key[] = [];
    for (const key of this.#keys) {
      const versions = this.#versions.get(key) as Version[];
      const newest = versions.findLastIndex(({kv}) => kv.modRevision <= revision);
      const isDeleted = newest >= 0 && versions[newest]?.version === 0;
      const dropped = versions.splice(0, isDeleted ? newest + 1 : Math.max(0, newest));
      for (const {kv} of dropped) this.bytes -= sizeOf(kv);
      if (versions.length > 0) kept.push(key);
      else this.#versions.delete(key);
    }
    this.#keys = kept;
  }

  #at(key: Key, revision: Revision): KeyValue | undefined {
    const found = this.#versions.get(key)?.findLast(({kv}) => kv.modRevision <= revision);
    return found === undefined || found.version === 0 ? undefined : found.kv;
  }

  #put(key: Key, value: Buffer, lease: LeaseId, revision: Revision): KeyValue {
    const last = this.#versions.get(key)?.at(-1);
    const before = last?.version === 0 ? undefined : last;
    const text = last?.kv.key ?? Buffer.from(key, 'latin1').toString();
    const kv: KeyValue = {key: text, value, createRevision: before?.kv.createRevision ?? revision, modRevision: revision, lease};
    this.#add(key, {kv, version: (before?.version ?? 0) + 1});
    return kv;
  }

  #add(key: Key, version: Version): void {
    this.bytes += sizeOf(version.kv);
    const versions = this.#versions.get(key);
    if (versions !== undefined) {
      versions.push(version);
      return;
    }
    this.#versions.set(key, [version]);
    this.#keys.splice(this.#indexOf(key), 0, key);
  }

  /** Where a key stands, or would. */
  #indexOf(key: Key): number {
    let low = 0;
    let high = this.#keys.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#keys[middle] as Key) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function sizeOf(kv: KeyValue): number {
  return kv.key.length + kv.value.length + OVERHEAD_BYTES;
}
