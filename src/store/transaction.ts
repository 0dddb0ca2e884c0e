import {ControlPlaneError} from '../lib/errors.ts';
import {toBytes} from './etcd-store.ts';
import {checkKey, listing} from './paths.ts';
import type {Levels} from './paths.ts';
import {leaseId, textOf} from './put-options.ts';
import type {PutOptions, Text} from './put-options.ts';
import {ReadSet} from './read-set.ts';
import type {Compare, KeyValue, LeaseId, Op, Revision, Store} from './store.ts';

export interface LoopOptions {
  /** Whether to wait until something that was read changes. Default `false`. */
  readonly wait?: boolean;
  /** Waits no longer than this. */
  readonly timeoutMs?: number;
}

/** A key as a transaction sees it, own writes included: of a key that it has written itself, the revisions are 0. */
export interface SeenEntry {
  readonly text: string;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly lease: LeaseId;
}

export interface ListOptions {
  /** Levels below the path's own that are listed too, or a set of exactly those that are. Default 0. */
  readonly recurse?: Levels;
  /**
   * Whether a listed key that is deleted meanwhile is a conflict. Default `true`; takes one compare for each listed key, of which etcd allows 128.
   */
  readonly noticeDeletes?: boolean;
  /**
   * Whether a key that comes into the list meanwhile is one, and with it any that comes below: one compare for the whole list. Default `true`. What is
   * created itself is compared in any case.
   */
  readonly noticeCreates?: boolean;
}

/** What this transaction will write to a key: the last operation counts. */
type Write = {readonly kind: 'put'; readonly value: Buffer; readonly lease: LeaseId} | {readonly kind: 'delete'};

/**
 * One attempt of `transact`: a snapshot of the database with own writes on top.
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
  readonly #readSet = new ReadSet();
  readonly #writes = new Map<string, Write>();
  readonly #callbacks: ((revision: Revision) => void)[] = [];
  #isOver = false;
  #committedAt: Revision | undefined;
  #isDiscarded = false;
  #again: LoopOptions | undefined;

  /** @internal Use `transact`. */
  constructor(store: Store, signal?: AbortSignal) {
    this.#store = store;
    this.#signal = signal;
  }

  /** The text stored under a key, or `undefined`. */
  async get(key: string): Promise<string | undefined> {
    return (await this.find(key))?.text;
  }

  /** As {@link get}, with the key's lease and revisions. */
  async find(key: string): Promise<SeenEntry | undefined> {
    this.#checkKey(key);
    const write = this.#writes.get(key);
    if (write !== undefined) {
      return write.kind === 'put' ? {text: write.value.toString(), createRevision: 0, modRevision: 0, lease: write.lease} : undefined;
    }
    const entry = await this.#read(key);
    if (entry === undefined) return undefined;
    const {value, createRevision, modRevision, lease} = entry;
    return {text: value.toString(), createRevision, modRevision, lease};
  }

  /** @throws ControlPlaneError `already_exists` */
  async create(key: string, value: Text, options: PutOptions = {}): Promise<void> {
    if ((await this.#present(key)) !== undefined) {
      throw new ControlPlaneError('already_exists', `cannot create ${key}, as it already exists`, {key});
    }
    this.#put(key, value, leaseId(options.lease) ?? '0');
  }

  /** Keeps the key's lease, unless another is given. @throws ControlPlaneError `not_found` */
  async update(key: string, value: Text, options: PutOptions = {}): Promise<void> {
    const present = await this.#present(key);
    if (present === undefined) throw new ControlPlaneError('not_found', `cannot update ${key}, as it does not exist`, {key});
    this.#put(key, value, leaseId(options.lease) ?? present.lease);
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
    const wanted = listing(path, options.recurse);
    const stored = (await this.#range(path)).filter(wanted.has);
    this.#readSet.addList(wanted, await (this.#snapshot as Promise<Revision>));
    if (options.noticeCreates !== false) this.#listed.set(path, await (this.#snapshot as Promise<Revision>));
    if (options.noticeDeletes !== false) for (const key of stored) this.#mustExist.add(key);
    const keys = new Set(stored);
    for (const [key, write] of this.#writes) {
      if (!wanted.has(key)) continue;
      if (write.kind === 'put') keys.add(key);
      else keys.delete(key);
    }
    return [...keys].sort();
  }

  /** Called once, with the commit's revision, after a commit that wrote something. Side effects belong here: bodies run several times. */
  onCommit(callback: (revision: Revision) => void): void {
    this.#checkOpen();
    this.#callbacks.push(callback);
  }

  /** Has the body run again, as a new transaction, once this one has gone through; what it returns then counts. */
  loop(options: LoopOptions = {}): void {
    this.#checkOpen();
    this.#again = options;
  }

  /** Writes nothing of this transaction: what the body returns is returned, and nothing else happens. */
  discard(): void {
    this.#checkOpen();
    this.#isDiscarded = true;
    this.#isOver = true;
  }

  /** @internal Whether {@link discard} was called. */
  get isDiscarded(): boolean {
    return this.#isDiscarded;
  }

  /** @internal What {@link loop} was called with, if it was. */
  get again(): LoopOptions | undefined {
    return this.#again;
  }

  /** @internal */
  get reads(): ReadSet {
    return this.#readSet;
  }

  /** @internal Whether it went through: then {@link announce} is due. Nothing to write: it did, without asking etcd. */
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
    if (result.ok) this.#committedAt = result.revision;
    return result.ok;
  }

  /** @internal Tells the callbacks of a commit that wrote something. */
  announce(): void {
    if (this.#committedAt === undefined) return;
    for (const callback of this.#callbacks) callback(this.#committedAt);
  }

  /** @internal Further use is refused. */
  close(): void {
    this.#isOver = true;
  }

  #compares(): Compare[] {
    const compares: Compare[] = [];
    const listed = [...this.#listed.keys()];
    const isInList = (key: string): boolean => listed.some((prefix) => key.startsWith(prefix));
    // That nothing was created in a listed range says as much of each absent key in it.
    for (const [key, entry] of this.#seen) if (entry !== undefined || !isInList(key)) compares.push({key, modRevision: entry?.modRevision ?? 0});
    for (const [prefix, createdUpTo] of this.#listed) {
      if (!listed.some((other) => other !== prefix && prefix.startsWith(other))) compares.push({prefix, createdUpTo});
    }
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

  #put(key: string, value: Text, lease: LeaseId): void {
    this.#checkOpen();
    this.#writes.set(key, {kind: 'put', value: toBytes(textOf(value, key)), lease});
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
      ).then(async (entry) => {
        this.#seen.set(key, entry);
        this.#readSet.addKey(key, await (this.#snapshot as Promise<Revision>));
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
      ).then(({entries}) => entries.map((entry) => entry.key));
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
    checkKey(key);
  }

  #checkOpen(): void {
    if (this.#isOver) throw new ControlPlaneError('wrong_state', 'this transaction is over; it was committed, or its body ran again');
  }
}
