import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {EtcdStore} from '../store/etcd-store.ts';
import type {Levels} from '../store/paths.ts';
import type {ReadSet} from '../store/read-set.ts';
import type {Revision} from '../store/store.ts';
import type {PutOptions, Text} from '../store/put-options.ts';
import {runAttempts} from '../store/transact.ts';
import type {TransactOptions} from '../store/transact.ts';
import {ChangeWatch} from './change-watch.ts';
import {ClientTransaction} from './client-transaction.ts';
import {KeyWatch} from './key-watch.ts';
import type {KeyWatchOptions} from './key-watch.ts';
import {createKey, deleteKey, listKeys, listValues, readKey, updateKey} from './keys.ts';
import type {DeleteOptions, KeyText, Reading} from './keys.ts';
import {Claims} from './objects/block-ownership.ts';
import {grantLease} from './lease.ts';
import type {Lease} from './lease.ts';
import {Watcher} from './watcher.ts';
import type {WatcherOptions} from './watcher.ts';

export interface ConfigDatabaseDeps {
  readonly store: EtcdStore;
  readonly clock: Clock;
  readonly log: Log;
  /** Of the client's own lease. */
  readonly ttlSeconds: number;
  /** What owner keys say of this program. */
  readonly command: readonly string[];
}

/**
 * The configuration database, for programs. Made by `connect`; nothing is sent before something is asked of it.
 *
 * Everything rejects with a `ControlPlaneError`: its `code` says what to do, its `key` names the key. `unavailable`: nothing was written. `unknown_outcome`: the
 * reply of a write was lost, look what is there. `forbidden`: etcd's access control refuses.
 */
export class ConfigDatabase implements AsyncDisposable {
  readonly #deps: ConfigDatabaseDeps;
  readonly #claims: Claims;
  readonly #closed = new AbortController();
  readonly #leases = new Set<Lease>();
  readonly #watches = new Set<ChangeWatch>();
  #clientLease: Promise<Lease> | undefined;

  /** @internal Use `connect`. */
  constructor(deps: ConfigDatabaseDeps) {
    this.#deps = deps;
    this.#claims = new Claims(deps.command);
  }

  /** What a key holds now, or held at a revision. An absent key is no error. @throws ControlPlaneError `revision_conflict`: that revision was compacted */
  get(path: string, options: {readonly revision?: Revision} = {}): Promise<Reading> {
    return readKey(this.#open(), path, options.revision);
  }

  /** @returns the key's revision. @throws ControlPlaneError `already_exists`; `not_found`: the lease is gone */
  create(path: string, value: Text, options: PutOptions = {}): Promise<Revision> {
    return createKey(this.#open(), path, value, options);
  }

  /**
   * Keeps the key's lease, unless another is given. `expected`: the revision that the key must have, or the {@link Reading} that says it.
   *
   * @returns the key's new revision. @throws ControlPlaneError `not_found`; `revision_conflict`: it has changed since
   */
  update(path: string, value: Text, options: PutOptions & {readonly expected?: Revision | Reading} = {}): Promise<Revision> {
    return updateKey(this.#open(), path, value, options);
  }

  /** In one transaction. @returns the keys that were there to go. @throws ControlPlaneError `not_found`: nothing was deleted */
  delete(path: string, options: DeleteOptions = {}): Promise<readonly string[]> {
    return deleteKey(this.#open(), path, options);
  }

  /**
   * Keys whose text starts with `path`, sorted: `/pb/` lists the children of `/pb`, `/pb/a` its children that start with `a`. `recurse`: how many levels more,
   * or which levels exactly, counted from the path's own. All are read at one revision.
   */
  list(
    path: string,
    options: {readonly recurse?: Levels; readonly revision?: Revision} = {},
  ): Promise<{readonly keys: readonly string[]; readonly revision: Revision}> {
    return listKeys(this.#open(), path, options);
  }

  /** As {@link list}, with the text of each key, all of one revision. */
  values(
    path: string,
    options: {readonly recurse?: Levels; readonly revision?: Revision} = {},
  ): Promise<{readonly entries: readonly KeyText[]; readonly revision: Revision}> {
    return listValues(this.#open(), path, options);
  }

  /**
   * Runs `body` in an optimistic transaction and returns what it returned. On a conflict all is discarded, and the body runs again on a new snapshot:
   * side effects belong after it, or into `tx.onCommit`. A body that throws writes nothing.
   *
   * @throws ControlPlaneError `revision_conflict`: conflicts in all attempts. `too_many_operations`: more than etcd takes in one transaction. And what the
   *   body throws.
   */
  transact<T>(body: (tx: ClientTransaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
    return this.#transact(body, options);
  }

  /** A loop that runs again when something changes that it has read. See {@link Watcher}. */
  watcher(options: WatcherOptions = {}): Watcher {
    this.#open();
    return new Watcher(this.#changeWatch(), (body, hooks) => this.#transact(body, hooks), options);
  }

  /**
   * Changes of one key, or with `prefix` of all that start with the path, from this call on (or from a revision that is named). Read with `for await`.
   *
   * @throws ControlPlaneError `invalid`, while it is read `revision_conflict`: changes were compacted away before they could be told, read again
   */
  async watch(path: string, options: KeyWatchOptions = {}): Promise<KeyWatch> {
    const store = this.#open();
    const from = options.from ?? (await store.currentRevision()) + 1;
    const signal = options.signal === undefined ? this.#closed.signal : AbortSignal.any([options.signal, this.#closed.signal]);
    return new KeyWatch(path, from, this.#deps, {...options, signal});
  }

  /** A lease of its own, held until it is revoked: `await using lease = await db.lease()`. @throws ControlPlaneError `unavailable` after 10 s */
  async lease(options: {readonly ttlSeconds?: number} = {}): Promise<Lease> {
    const {members} = this.#open();
    const {clock, log, ttlSeconds} = this.#deps;
    const lease = await grantLease({members, clock, log}, options.ttlSeconds ?? ttlSeconds, this.#closed.signal);
    this.#leases.add(lease);
    void lease.ended.then(() => this.#leases.delete(lease));
    return lease;
  }

  /** The client's one lease, granted when it is first asked for, revoked by {@link close}. One that was lost stays lost; the next call is given another. */
  async clientLease(): Promise<Lease> {
    this.#open();
    const present = this.#clientLease;
    if (present !== undefined && !(await present).isLost) return present;
    if (this.#clientLease === present) {
      const granting = this.lease();
      this.#clientLease = granting;
      granting.catch(() => {
        if (this.#clientLease === granting) this.#clientLease = undefined;
      });
    }
    return this.clientLease();
  }

  /** Ends watches and watchers, revokes the leases (so everything attached to them goes at once), and closes the connections. */
  async close(): Promise<void> {
    if (this.#closed.signal.aborted) return;
    this.#closed.abort();
    for (const watch of this.#watches) watch.close();
    await Promise.allSettled([...this.#leases].map((lease) => lease.revoke()));
    this.#deps.store.members.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #transact<T>(
    body: (tx: ClientTransaction) => Promise<T>,
    options: TransactOptions & {readonly onSuccess?: (reads: ReadSet) => void},
  ): Promise<T> {
    const store = this.#open();
    let watch: ChangeWatch | undefined;
    try {
      return await runAttempts(() => new ClientTransaction(store, this.#deps.clock, this.#claims, options.signal), body, {
        ...options,
        untilChanged: async (reads, timeoutMs) => {
          watch ??= this.#changeWatch();
          const woken = await watch.wait(reads, timeoutMs, options.signal);
          if (woken === 'stopped') this.#open();
        },
      });
    } finally {
      watch?.close();
    }
  }

  #changeWatch(): ChangeWatch {
    const watch = new ChangeWatch({store: this.#deps.store, clock: this.#deps.clock, log: this.#deps.log}, () => this.#watches.delete(watch));
    this.#watches.add(watch);
    return watch;
  }

  #open(): EtcdStore {
    if (this.#closed.signal.aborted) throw new ControlPlaneError('wrong_state', 'this connection to the database has been closed');
    return this.#deps.store;
  }
}
