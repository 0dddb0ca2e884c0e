import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import {toBytes} from './etcd-store.ts';
import type {Compare, KeyValue, LeaseId, Op, Revision, Store} from './store.ts';

export interface TransactOptions {
  /** How often the body is run again after a conflict. Default 64. */
  readonly maxRetries?: number;
  readonly signal?: AbortSignal;
}

export interface PutOptions {
  /** The lease that the key is attached to; `'0'` for none. */
  readonly lease?: LeaseId;
}

export interface ListOptions {
  /** How many levels below the path's own are listed too. Default 0. */
  readonly recurse?: number;
  /**
   * Whether a listed key that is deleted meanwhile is a conflict. Default `true`; takes one compare for each listed key, of which etcd allows 128.
   * Keys that are added are always noticed, by one compare for the whole list.
   */
  readonly noticeDeletes?: boolean;
}

/** What this transaction will write to a key: the last operation counts. */
type Write = {readonly kind: 'put'; readonly value: Buffer; readonly lease: LeaseId} | {readonly kind: 'delete'};

const MAX_RETRIES = 64;

/**
 * One attempt of {@link transact}: a snapshot of the database with own writes on top.
 *
 * The first read fixes the revision at which all reads of the attempt are made. Writes are kept back until the commit; own reads and lists see them.
 * Values are text.
 */
export class Transaction {
  readonly #store: Store;
  readonly #signal: AbortSignal | undefined;
  /** The revision of the snapshot, once a read has fixed it. */
  #snapshot: Promise<Revision> | undefined;
  readonly #reads = new Map<string, Promise<KeyValue | undefined>>();
  readonly #lists = new Map<string, Promise<readonly string[]>>();
  /** What the commit has to compare of the reads. */
  readonly #seen = new Map<string, KeyValue | undefined>();
  readonly #listed = new Map<string, Revision>();
  readonly #mustExist = new Set<string>();
  readonly #writes = new Map<string, Write>();
  readonly #callbacks: ((revision: Revision) => void)[] = [];
  #isOver = false;

  /** @internal Use {@link transact}. */
  constructor(store: Store, signal?: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** The text stored under a key, or `undefined`. */
  async get(key: string): Promise<string | undefined> {
    this.#checkKey(key);
    const write = this.#writes.get(key);
    if (write !== undefined) return write.kind === 'put' ? write.value.toString() : undefined;
    return (await this.#read(key))?.value.toString();
  }

  /** @throws ControlPlaneError `already_exists` */
  async create(key: string, value: string, options: PutOptions = {}): Promise<void> {
    if ((await this.#present(key)) !== undefined) {
      throw new ControlPlaneError('already_exists', `cannot create ${key}, as it already exists`, {key});
    }
    this.#put(key, value, options.lease ?? '0');
  }

  /** Keeps the key's lease, unless another is given. @throws ControlPlaneError `not_found` */
  async update(key: string, value: string, options: PutOptions = {}): Promise<void> {
    const present = await this.#present(key);
    if (present === undefined) throw new ControlPlaneError('not_found', `cannot update ${key}, as it does not exist`, {key});
    this.#put(key, value, options.lease ?? present.lease);
  }

  /** With `mustExist: false` the key is not even read. @throws ControlPlaneError `not_found` */
  async delete(key: string, options: {readonly mustExist?: boolean} = {}): Promise<void> {
    this.#checkKey(key);
    if (options.mustExist !== false && (await this.#present(key)) === undefined) {
      throw new ControlPlaneError('not_found', `cannot delete ${key}, it does not exist`, {key});
    }
    this.#checkOpen();
    this.#writes.set(key, {kind: 'delete'});
  }

  /**
   * Keys whose text starts with `path`, at the path's own level: `/pb/` lists the children of `/pb`, `/pb/a` its children that start with `a`.
   * Sorted. The list is part of the transaction: a key added or deleted meanwhile is a conflict, a changed value is not.
   */
  async list(path: string, options: ListOptions = {}): Promise<string[]> {
    this.#checkOpen();
    if (!/^[/~]/.test(path)) throw new ControlPlaneError('invalid', `a path must start with "/": ${path}`, {key: path});
    const level = levelOf(path);
    const isListed = (key: string): boolean => key.startsWith(path) && levelOf(key) - level <= (options.recurse ?? 0);
    const stored = (await this.#range(path)).filter(isListed);
    if (options.noticeDeletes !== false) for (const key of stored) this.#mustExist.add(key);
    const keys = new Set(stored);
    for (const [key, write] of this.#writes) {
      if (!isListed(key)) continue;
      if (write.kind === 'put') keys.add(key);
      else keys.delete(key);
    }
    return [...keys].sort();
  }

  /** Called once, with the commit's revision, after a commit that wrote something. Must not throw. Side effects belong here: bodies run several times. */
  onCommit(callback: (revision: Revision) => void): void {
    this.#checkOpen();
    this.#callbacks.push(callback);
  }

  /** @internal Whether it went through. Nothing to write: it did, without asking etcd. */
  async commit(): Promise<boolean> {
    this.#checkOpen();
    this.#isOver = true;
    if (this.#writes.size === 0) return true;
    const compares = this.#compares();
    const ops: Op[] = [];
    for (const [key, write] of this.#writes) {
      ops.push(write.kind === 'delete' ? {delete: key} : {put: key, value: write.value, lease: write.lease});
    }
    const {operations} = this.#store.limits;
    if (compares.length > operations) {
      const detail = `the transaction depends on ${compares.length} keys, ${operations} are allowed (a list takes one for each key, unless noticeDeletes is off)`;
      throw new ControlPlaneError('too_many_operations', detail);
    }
    const result = await this.#store.commit({compares, ops});
    if (!result.ok) return false;
    for (const callback of this.#callbacks) callback(result.revision);
    return true;
  }

  /** @internal Further use is refused. */
  close(): void {
    this.#isOver = true;
  }

  #compares(): Compare[] {
    const compares: Compare[] = [];
    for (const [key, entry] of this.#seen) compares.push({key, modRevision: entry?.modRevision ?? 0});
    for (const [prefix, createdUpTo] of this.#listed) compares.push({prefix, createdUpTo});
    for (const key of this.#mustExist) if (!this.#seen.has(key)) compares.push({key, exists: true});
    return compares;
  }

  /** What stands under a key for this transaction, own writes included. */
  async #present(key: string): Promise<{readonly lease: LeaseId} | undefined> {
    this.#checkKey(key);
    const write = this.#writes.get(key);
    if (write !== undefined) return write.kind === 'put' ? write : undefined;
    return this.#read(key);
  }

  #put(key: string, value: string, lease: LeaseId): void {
    this.#checkOpen();
    this.#writes.set(key, {kind: 'put', value: toBytes(value), lease});
  }

  #read(key: string): Promise<KeyValue | undefined> {
    let reading = this.#reads.get(key);
    if (reading === undefined) {
      reading = this.#at(
        // The exact key is the first of those that start with it; unlike a get, a range says at which revision it was read.
        async () => {
          const {entries, revision} = await this.#store.range(key, {limit: 1, ...this.#readOptions()});
          return {result: entries[0]?.key === key ? entries[0] : undefined, revision};
        },
        (revision) => this.#store.get(key, {revision, ...this.#readOptions()}),
      ).then((entry) => {
        this.#seen.set(key, entry);
        return entry;
      });
      this.#reads.set(key, reading);
    }
    return reading;
  }

  #range(prefix: string): Promise<readonly string[]> {
    let listing = this.#lists.get(prefix);
    if (listing === undefined) {
      const read = async (revision?: Revision) =>
        this.#store.range(prefix, {keysOnly: true, ...(revision === undefined ? {} : {revision}), ...this.#readOptions()});
      listing = this.#at(
        async () => {
          const result = await read();
          return {result, revision: result.revision};
        },
        (revision) => read(revision),
      ).then(({entries, revision}) => {
        this.#listed.set(prefix, revision);
        return entries.map((entry) => entry.key);
      });
      this.#lists.set(prefix, listing);
    }
    return listing;
  }

  /** Reads at the snapshot's revision. The first read (others wait for it) reads what is newest, and so fixes the snapshot. */
  async #at<T>(first: () => Promise<{readonly result: T; readonly revision: Revision}>, later: (revision: Revision) => Promise<T>): Promise<T> {
    if (this.#snapshot !== undefined) return later(await this.#snapshot);
    const reading = first();
    this.#snapshot = reading.then(({revision}) => revision);
    // Others get its failure from their own await.
    this.#snapshot.catch(() => {});
    return (await reading).result;
  }

  #readOptions(): {readonly signal?: AbortSignal} {
    return this.#signal === undefined ? {} : {signal: this.#signal};
  }

  #checkKey(key: string): void {
    this.#checkOpen();
    if (!/^[/~]/.test(key)) throw new ControlPlaneError('invalid', `a path must start with "/": ${key}`, {key});
    if (key.endsWith('/')) throw new ControlPlaneError('invalid', `a path must not have a trailing "/": ${key}`, {key});
  }

  #checkOpen(): void {
    if (this.#isOver) throw new ControlPlaneError('wrong_state', 'this transaction is over; it was committed, or its body ran again');
  }
}

/**
 * Runs `body` in an optimistic transaction and returns what it returned. On a conflict everything is discarded and the body runs again on a new
 * snapshot, at once.
 *
 * A body that throws writes nothing, and is not run again unless it threw `revision_conflict` (as a read does whose snapshot was compacted away).
 * A body that writes nothing succeeds without asking etcd to commit.
 *
 * @throws ControlPlaneError `revision_conflict`: conflicts in all attempts. `too_many_operations`: more than etcd takes in one transaction.
 *   `unknown_outcome`: the commit's reply was lost; it may have happened. `unavailable`. And what the body throws.
 */
export async function transact<T>(store: Store, body: (tx: Transaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
  const maxRetries = options.maxRetries ?? MAX_RETRIES;
  for (let attempt = 0; attempt <= maxRetries; attempt += 1) {
    options.signal?.throwIfAborted();
    const tx = new Transaction(store, options.signal);
    try {
      const result = await body(tx);
      if (await tx.commit()) return result;
    } catch (err) {
      if (!hasCode(err, 'revision_conflict')) throw err;
    } finally {
      tx.close();
    }
  }
  throw new ControlPlaneError('revision_conflict', `the transaction did not succeed after ${maxRetries} retries`);
}

/** Slashes in a path. */
function levelOf(path: string): number {
  let level = 0;
  for (const character of path) if (character === '/') level += 1;
  return level;
}
