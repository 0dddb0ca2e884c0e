import {setImmediate as nextTurn} from 'node:timers/promises';
import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from '../model/block-record.ts';
import type {BadEntry, Entry} from '../model/scan-record.ts';
import type {EventHeader} from '../schema/blob.ts';
import type {Cluster} from '../schema/cluster.ts';
import {parseKey} from '../schema/keys.ts';
import type {Owner} from '../schema/owner.ts';
import type {Meta, Replica} from '../schema/replica.ts';
import {CacheContent} from './cache-content.ts';
import type {BacklogItem, Cache, Change, ScanIndex, ScanTable, Table} from './cache.ts';
import type {EtcdStore} from './etcd-store.ts';
import {RevisionWaiters} from './revision-waiters.ts';
import type {KeyValue, Revision} from './store.ts';
import {PrefixWatch} from './watch-stream.ts';
import type {WatchHandlers, WatchTimings} from './watch-stream.ts';
import type {WatchEvent} from './wire/watch-messages.ts';

export interface WatchCacheDeps {
  readonly store: EtcdStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly indexes: readonly ScanIndex[];
  readonly timings?: Partial<WatchTimings>;
  readonly random?: () => number;
}

/** What replicas watch: everything but `~blob` and `~log`. */
const WATCHED = '/';
/**
 * How many keys a page of the list asks for, by how large they turn out to be. Large, since etcd 3.4 walks the rest of its index for every page; what
 * a page brings is taken in by slices, so that nobody waits long.
 */
const FIRST_PAGE = 500;
const MAX_PAGE = 8000;
const PAGE_BYTES = 4 * 1024 * 1024;
const SLICE = 200;
const CATCH_UP_TIMEOUT_MS = 5000;
const LIST_BACKOFF_MS = 100;
const MAX_LIST_BACKOFF_MS = 2000;

/** What one list found: its revision, and which of the present entries it met. */
interface Listing {
  readonly revision: Revision;
  readonly met: ReadonlySet<object>;
}

/**
 * The watch cache over one etcd. Modes:
 *
 * - listing (at the start; after a compaction took events that were still to come; after the database was replaced): a paged range at one
 *   revision is compared with what is held; readers see the old content until the differences are applied in one go.
 * - watching (from the revision after the list): every etcd revision is applied as a whole, as it comes.
 */
export class WatchCache implements Cache {
  readonly #deps: WatchCacheDeps;
  readonly #watch: PrefixWatch;
  readonly #content: CacheContent;
  readonly #waiters: RevisionWaiters;
  #revision: Revision = 0;
  #currentAtMs = Number.NEGATIVE_INFINITY;
  readonly #ready = Promise.withResolvers<void>();
  #isReady = false;
  /** Ends the watch, so that a list follows. */
  #following = new AbortController();
  #mustReset = false;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  /** Lists done so far, the first included. */
  lists = 0;

  constructor(deps: WatchCacheDeps) {
    this.#deps = deps;
    this.#content = new CacheContent(deps.indexes, deps.log);
    this.#watch = new PrefixWatch(WATCHED, deps);
    this.#waiters = new RevisionWaiters(deps.clock, (wanted) => this.#watch.requestProgress(wanted));
    // Nobody need be waiting when a process stops before it was ready.
    this.#ready.promise.catch(() => {});
  }

  get revision(): Revision {
    return this.#revision;
  }

  get scans(): ScanTable {
    return this.#content.scans;
  }

  get ebs(): Table<EbRecord> {
    return this.#content.blocks.ebs;
  }

  get pbs(): Table<PbRecord> {
    return this.#content.blocks.pbs;
  }

  get deployments(): Table<DeployRecord> {
    return this.#content.blocks.deployments;
  }

  get scripts(): Table<ScriptRecord> {
    return this.#content.blocks.scripts;
  }

  get events(): ReadonlyMap<string, Entry<EventHeader>> {
    return this.#content.events;
  }

  get clusters(): ReadonlyMap<string, Entry<Cluster>> {
    return this.#content.clusters;
  }

  get replicas(): ReadonlyMap<string, Entry<Replica>> {
    return this.#content.replicas;
  }

  get leaders(): ReadonlyMap<string, Entry<Owner>> {
    return this.#content.leaders;
  }

  get meta(): Entry<Meta> | undefined {
    return this.#content.meta;
  }

  get bad(): ReadonlyMap<string, BadEntry> {
    return this.#content.bad;
  }

  /** Watch streams opened so far. */
  get connects(): number {
    return this.#watch.connects;
  }

  ageMs(): number {
    return this.#deps.clock.monotonicMs() - this.#currentAtMs;
  }

  expect(key: string, text: string, value: object): void {
    this.#content.expect(key, text, value);
  }

  backlog(): Iterable<BacklogItem> {
    return this.#content.backlog;
  }

  async ready(signal?: AbortSignal): Promise<void> {
    if (this.#isReady) return;
    if (signal === undefined) return this.#ready.promise;
    signal.throwIfAborted();
    const aborted = Promise.withResolvers<never>();
    const onAbort = (): void => aborted.reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, {once: true});
    try {
      await Promise.race([this.#ready.promise, aborted.promise]);
    } finally {
      signal.removeEventListener('abort', onAbort);
    }
  }

  onChange(listener: (changes: readonly Change[]) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    // Wrapped, so that the same function given twice is two listeners.
    const own = (changes: readonly Change[]): void => listener(changes);
    this.#listeners.add(own);
    signal.addEventListener('abort', () => this.#listeners.delete(own), {once: true});
  }

  waitFor(revision: Revision, timeoutMs: number): Promise<void> {
    if (this.#isReady && revision <= this.#revision) return Promise.resolve();
    return this.#waiters.wait(revision, timeoutMs);
  }

  async catchUp(signal?: AbortSignal): Promise<Revision> {
    const before = this.#revision;
    const revision = await this.#deps.store.currentRevision();
    signal?.throwIfAborted();
    // A linearizable revision is never below one that was applied before it was asked for, unless another database answered.
    if (revision < before) this.#reset(revision);
    await this.waitFor(revision, CATCH_UP_TIMEOUT_MS);
    return revision;
  }

  /** Keeps the cache up to date until `signal` aborts. Rejects only for a bug. */
  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.#list(signal);
        if (signal.aborted) return;
        this.#following = new AbortController();
        const end = await this.#watch.follow(this.#revision + 1, this.#handlers(signal), AbortSignal.any([signal, this.#following.signal]));
        if (end === 'compacted') this.#deps.log.warn({revision: this.#revision}, 'events were lost to a compaction; listing again');
      }
    } finally {
      this.#ready.reject(new ControlPlaneError('unavailable', 'the watch cache was stopped'));
    }
  }

  #handlers(signal: AbortSignal): WatchHandlers {
    return {
      onRevision: (revision, events) => this.#applyRevision(revision, events),
      onProgress: (revision) => {
        this.#markCurrent();
        if (revision > this.#revision) this.#advance(revision, true);
      },
      onBehind: () => {
        // A lagging member is ordinary; only a linearizable read can tell it from a restored backup.
        if (!signal.aborted) this.catchUp().catch(() => {});
      },
    };
  }

  /** Forgets the revision, not the content: another database, older than what was applied, has taken the place of the one that was watched. */
  #reset(revision: Revision): void {
    if (this.#mustReset) return;
    this.#mustReset = true;
    this.#deps.log.error({revision, applied: this.#revision}, 'the database went back in time, as after a restore; listing again');
    this.#following.abort();
  }

  // Listing

  /** Lists until it works once. */
  async #list(signal: AbortSignal): Promise<void> {
    const {log, random = Math.random} = this.#deps;
    for (let failures = 0; !signal.aborted; failures++) {
      try {
        this.#content.begin(this.#isReady);
        const listing = await this.#readAll(signal);
        await this.#content.removeUnmet(listing.met);
        const wasReady = this.#isReady;
        this.#content.publish();
        this.#mustReset = false;
        this.lists += 1;
        this.#isReady = true;
        this.#markCurrent();
        this.#advance(listing.revision, false);
        if (!wasReady) this.#ready.resolve();
        this.#tell([{kind: 'relist', revision: listing.revision}]);
        return;
      } catch (err) {
        this.#content.discard();
        if (signal.aborted) return;
        log.warn({err, failures}, 'listing failed; trying again');
        await sleep(Math.min(MAX_LIST_BACKOFF_MS, LIST_BACKOFF_MS * 2 ** Math.min(failures, 10)) * (0.5 + random() / 2), signal);
      }
    }
  }

  /** Reads page after page at one revision, and takes in what differs: at once while nobody may read yet, else into drafts. */
  async #readAll(signal: AbortSignal): Promise<Listing> {
    const {store} = this.#deps;
    const met = new Set<object>();
    let limit = FIRST_PAGE;
    let page = await store.range(WATCHED, {limit, signal});
    const {revision} = page;
    if (revision < this.#revision) this.#mustReset = true;
    for (;;) {
      const {entries, next: from} = page;
      const bytes = entries.reduce((sum, entry) => sum + entry.value.length, 0);
      if (entries.length > 0) limit = Math.max(8, Math.min(MAX_PAGE, Math.floor((PAGE_BYTES / (bytes + 1)) * entries.length)));
      // Asked for before this page is taken in, so that etcd and we work at the same time.
      const next = from === undefined ? undefined : store.range(WATCHED, {limit, revision, signal, from});
      next?.catch(() => {});
      for (const [i, entry] of entries.entries()) {
        this.#takeListed(entry, met);
        if (i % SLICE === SLICE - 1) await nextTurn();
      }
      if (!this.#isReady) this.#content.publish();
      if (next === undefined) return {revision, met};
      page = await next;
    }
  }

  #takeListed(kv: KeyValue, met: Set<object>): void {
    const ref = parseKey(kv.key);
    const present = this.#content.present(kv.key, ref);
    if (present !== undefined) {
      met.add(present);
      if (present.modRevision === kv.modRevision && present.createRevision === kv.createRevision && !this.#mustReset) return;
    }
    const entry = this.#content.put(ref, kv);
    if (entry !== undefined) met.add(entry);
  }

  // Watching

  #applyRevision(revision: Revision, events: readonly WatchEvent[]): void {
    const changes: Change[] = [];
    for (const {kind, kv} of events) {
      const ref = parseKey(kv.key);
      const present = this.#content.present(kv.key, ref);
      // An event that is not newer than what is held has been applied before.
      if (present !== undefined && present.modRevision >= kv.modRevision) continue;
      if (kind === 'put') this.#content.put(ref, kv);
      else if (present !== undefined) this.#content.remove(kv.key, ref);
      if (ref !== undefined) changes.push({kind: 'key', key: kv.key, ref, revision});
    }
    this.#content.publish();
    this.#markCurrent();
    if (revision > this.#revision) this.#advance(revision, false);
    if (changes.length > 0) this.#tell(changes);
  }

  #markCurrent(): void {
    this.#currentAtMs = this.#deps.clock.monotonicMs();
  }

  #advance(revision: Revision, byNotice: boolean): void {
    this.#revision = revision;
    this.#waiters.advance(revision, byNotice);
  }

  #tell(changes: readonly Change[]): void {
    for (const listener of this.#listeners) {
      try {
        listener(changes);
      } catch (err) {
        this.#deps.log.error({err}, 'a listener of the watch cache threw');
      }
    }
  }
}
