import {setImmediate as nextTurn} from 'node:timers/promises';
import {must, unreachable} from '../lib/assert.ts';
import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {BadEntry, Entry, ScanRecord} from '../model/scan-record.ts';
import {parseAdmission} from '../schema/admission.ts';
import {parseBacklogEntry} from '../schema/backlog.ts';
import {parseEventHeader, parseResultHeader} from '../schema/blob.ts';
import type {EventHeader} from '../schema/blob.ts';
import {parseCluster} from '../schema/cluster.ts';
import type {Cluster} from '../schema/cluster.ts';
import {parseControl} from '../schema/control.ts';
import {parseEwms} from '../schema/ewms.ts';
import {parseChain, parseJob} from '../schema/job.ts';
import {parseKey} from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {parseOwner} from '../schema/owner.ts';
import type {Owner} from '../schema/owner.ts';
import {parseProgress} from '../schema/progress.ts';
import {parseMeta, parseReplica} from '../schema/replica.ts';
import type {Meta, Replica} from '../schema/replica.ts';
import {parseReport} from '../schema/report.ts';
import {parseScanSpec} from '../schema/scan.ts';
import {parseScanState} from '../schema/state.ts';
import type {Parser} from '../schema/validate.ts';
import {BacklogList} from './backlog-list.ts';
import type {BacklogItem, Cache, Change, ScanIndex, ScanTable} from './cache.ts';
import type {EtcdStore} from './etcd-store.ts';
import {IndexedScans} from './indexed-scans.ts';
import {ScanDraft, entriesOf, entryOf, isBad, partOf} from './scan-draft.ts';
import type {AnyEntry, ScanRef, WaitingEntry} from './scan-draft.ts';
import {Sharing} from './sharing.ts';
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
/** First path levels that are ours: a malformed key below one is bad; any other key is another program's. */
const ROOTS: ReadonlySet<string> = new Set(['meta', 'scan', 'backlog', 'event', 'cluster', 'replica', 'leader']);

const PARSERS = {
  scan: parseScanSpec,
  control: parseControl,
  admission: parseAdmission,
  state: parseScanState,
  owner: parseOwner,
  chain: parseChain,
  progress: parseProgress,
  result: parseResultHeader,
  ewms: parseEwms,
  job: parseJob,
  report: parseReport,
  backlog: parseBacklogEntry,
  meta: parseMeta,
  event: parseEventHeader,
  cluster: parseCluster,
  replica: parseReplica,
  leader: parseOwner,
} as const satisfies Record<KeyRef['kind'], Parser<object>>;

/**
 * How many keys a page of the list asks for, by how large they turn out to be. Large, since etcd 3.4 walks the rest of its index for every page; what
 * a page brings is taken in by slices, so that nobody waits long.
 */
const FIRST_PAGE = 500;
const MAX_PAGE = 8000;
const PAGE_BYTES = 4 * 1024 * 1024;
const SLICE = 200;
/** How long a reader waits for the event of a write before the member is asked how far it is, and how often it is asked then. */
const NUDGE_MS = 5;
const MAX_NUDGE_MS = 250;
const CATCH_UP_TIMEOUT_MS = 5000;
const LIST_BACKOFF_MS = 100;
const MAX_LIST_BACKOFF_MS = 2000;

interface Waiter {
  readonly revision: Revision;
  readonly resolve: () => void;
}

/** What one list found: the new records of scans that differ, and which of the present entries it met. */
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
  readonly #sharing = new Sharing();
  readonly #watch: PrefixWatch;
  readonly #scans: IndexedScans;
  readonly #backlog = new BacklogList();
  /** Backlog entries of scans that have more than one, by scan and order: only the first in order shows. */
  #backlogOfMany = new Map<string, Map<string, WaitingEntry>>();
  readonly #events = new Map<string, Entry<EventHeader>>();
  readonly #clusters = new Map<string, Entry<Cluster>>();
  readonly #replicas = new Map<string, Entry<Replica>>();
  readonly #leaders = new Map<string, Entry<Owner>>();
  #meta: Entry<Meta> | undefined;
  readonly #bad = new Map<string, BadEntry>();
  #drafts = new Map<string, ScanDraft>();
  /** What a list is to change outside the scans' records, kept back until it is complete; `undefined`: change at once. */
  #keptBack: (() => void)[] | undefined;
  #revision: Revision = 0;
  #currentAtMs = Number.NEGATIVE_INFINITY;
  readonly #ready = Promise.withResolvers<void>();
  #isReady = false;
  /** Ends the watch, so that a list follows. */
  #following = new AbortController();
  #mustReset = false;
  readonly #listeners = new Set<(changes: readonly Change[]) => void>();
  #waiters: Waiter[] = [];
  #nudge: NodeJS.Timeout | undefined;
  #nudgeAfterMs = NUDGE_MS;
  /** Whether the last wait was ended by a progress notice: then writes outside move the revision, and waiting for an event is in vain. */
  #noticesHelp = false;
  /** Lists done so far, the first included. */
  lists = 0;

  constructor(deps: WatchCacheDeps) {
    this.#deps = deps;
    this.#scans = new IndexedScans(deps.indexes);
    this.#watch = new PrefixWatch(WATCHED, deps);
    // Nobody need be waiting when a process stops before it was ready.
    this.#ready.promise.catch(() => {});
  }

  get revision(): Revision {
    return this.#revision;
  }

  get scans(): ScanTable {
    return this.#scans;
  }

  get events(): ReadonlyMap<string, Entry<EventHeader>> {
    return this.#events;
  }

  get clusters(): ReadonlyMap<string, Entry<Cluster>> {
    return this.#clusters;
  }

  get replicas(): ReadonlyMap<string, Entry<Replica>> {
    return this.#replicas;
  }

  get leaders(): ReadonlyMap<string, Entry<Owner>> {
    return this.#leaders;
  }

  get meta(): Entry<Meta> | undefined {
    return this.#meta;
  }

  get bad(): ReadonlyMap<string, BadEntry> {
    return this.#bad;
  }

  /** Watch streams opened so far. */
  get connects(): number {
    return this.#watch.connects;
  }

  ageMs(): number {
    return this.#deps.clock.monotonicMs() - this.#currentAtMs;
  }

  backlog(): Iterable<BacklogItem> {
    return this.#backlog;
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
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        revision,
        resolve: () => {
          clearTimeout(timer);
          resolve();
        },
      };
      const timer = setTimeout(() => {
        this.#waiters = this.#waiters.filter((other) => other !== waiter);
        if (this.#waiters.length === 0) this.#endNudging();
        reject(new ControlPlaneError('unavailable', `the watch cache is behind: at revision ${this.#revision}, asked for ${revision}`));
      }, timeoutMs);
      this.#waiters.push(waiter);
      this.#scheduleNudge();
    });
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
      this.#endNudging();
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
      const backlogOfMany = new Map([...this.#backlogOfMany].map(([id, entries]) => [id, new Map(entries)]));
      try {
        if (this.#isReady) this.#keptBack = [];
        const listing = await this.#readAll(signal);
        await this.#removeUnmet(listing);
        const wasReady = this.#isReady;
        for (const change of this.#keptBack ?? []) change();
        this.#keptBack = undefined;
        this.#publish();
        this.#mustReset = false;
        this.lists += 1;
        this.#isReady = true;
        this.#markCurrent();
        this.#advance(listing.revision, false);
        if (!wasReady) this.#ready.resolve();
        this.#tell([{kind: 'relist', revision: listing.revision}]);
        return;
      } catch (err) {
        this.#drafts.clear();
        this.#keptBack = undefined;
        this.#backlogOfMany = backlogOfMany;
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
      const {entries, more} = page;
      const last = entries.at(-1);
      const bytes = entries.reduce((sum, entry) => sum + entry.value.length, 0);
      if (entries.length > 0) limit = Math.max(8, Math.min(MAX_PAGE, Math.floor((PAGE_BYTES / (bytes + 1)) * entries.length)));
      // Asked for before this page is taken in, so that etcd and we work at the same time.
      const next = more && last !== undefined ? store.range(WATCHED, {limit, revision, signal, from: `${last.key}\0`}) : undefined;
      next?.catch(() => {});
      for (const [i, entry] of entries.entries()) {
        this.#takeListed(entry, met);
        if (i % SLICE === SLICE - 1) await nextTurn();
      }
      if (!this.#isReady) this.#publish();
      if (next === undefined) return {revision, met};
      page = await next;
    }
  }

  #takeListed(kv: KeyValue, met: Set<object>): void {
    const ref = parseKey(kv.key);
    const present = this.#present(kv.key, ref);
    if (present !== undefined) {
      met.add(present);
      if (present.modRevision === kv.modRevision && present.createRevision === kv.createRevision && !this.#mustReset) return;
    }
    const entry = this.#put(ref, kv);
    if (entry !== undefined) met.add(entry);
  }

  /** Takes out every entry that a list has not met. A few thousand scans at a time, so that nothing else waits long. */
  async #removeUnmet({met}: Listing): Promise<void> {
    let count = 0;
    for (const scan of this.#scans.values()) {
      for (const {part, entry} of entriesOf(scan)) if (!met.has(entry)) this.#removePart(scan.id, part, entry);
      if (++count % 2000 === 0) await nextTurn();
    }
    for (const [id, entries] of this.#backlogOfMany) {
      for (const [order, entry] of entries) if (!met.has(entry)) this.#removeWaiting(id, order);
    }
    for (const map of [this.#events, this.#clusters, this.#replicas, this.#leaders]) {
      for (const [name, entry] of map) if (!met.has(entry)) this.#change(() => map.delete(name));
    }
    if (this.#meta !== undefined && !met.has(this.#meta)) this.#change(() => (this.#meta = undefined));
    for (const [key, entry] of this.#bad) if (!met.has(entry)) this.#change(() => this.#bad.delete(key));
  }

  /** Takes out a part of a scan unless a draft has replaced it meanwhile. */
  #removePart(id: string, part: string, entry: AnyEntry): void {
    const now = this.#drafts.get(id);
    if (now !== undefined && now.entry(part) !== entry) return;
    if (part.startsWith('backlog/') && !isBad(entry)) this.#removeWaiting(id, part.slice('backlog/'.length));
    else this.#draft(id).set(part, undefined);
  }

  // Watching

  #applyRevision(revision: Revision, events: readonly WatchEvent[]): void {
    const changes: Change[] = [];
    for (const {kind, kv} of events) {
      const ref = parseKey(kv.key);
      const present = this.#present(kv.key, ref);
      // An event that is not newer than what is held has been applied before.
      if (present !== undefined && present.modRevision >= kv.modRevision) continue;
      if (kind === 'put') this.#put(ref, kv);
      else if (present !== undefined) this.#remove(kv.key, ref);
      if (ref !== undefined) changes.push({kind: 'key', ref, revision});
    }
    this.#publish();
    this.#markCurrent();
    if (revision > this.#revision) this.#advance(revision, false);
    if (changes.length > 0) this.#tell(changes);
  }

  // One key

  #present(key: string, ref: KeyRef | undefined): AnyEntry | undefined {
    if (ref === undefined) return this.#bad.get(key);
    switch (ref.kind) {
      case 'meta':
        return this.#meta ?? this.#bad.get(key);
      case 'event':
        return this.#events.get(ref.id) ?? this.#bad.get(key);
      case 'cluster':
        return this.#clusters.get(ref.name) ?? this.#bad.get(key);
      case 'replica':
        return this.#replicas.get(ref.id) ?? this.#bad.get(key);
      case 'leader':
        return this.#leaders.get(ref.controller) ?? this.#bad.get(key);
      case 'backlog': {
        const many = this.#backlogOfMany.get(ref.id)?.get(ref.order);
        return many ?? this.#presentPart(ref);
      }
      default:
        return this.#presentPart(ref);
    }
  }

  #presentPart(ref: ScanRef): AnyEntry | undefined {
    const part = partOf(ref);
    const draft = this.#drafts.get(ref.id);
    return draft === undefined ? entryOf(this.#scans.get(ref.id), part) : draft.entry(part);
  }

  /** Takes in a key's new value. Returns the entry that stands for it now, if the key is ours. */
  #put(ref: KeyRef | undefined, kv: KeyValue): AnyEntry | undefined {
    if (ref === undefined) {
      if (!ROOTS.has(kv.key.split('/', 2)[1] ?? '')) return undefined;
      return this.#putBad(kv, 'not a key of this system: a level is misspelt, missing or malformed');
    }
    if (ref.kind === 'backlog' && ref.of !== 'scan') return this.#putBad(kv, `nothing of the kind ${ref.of} waits for admission`);
    const entry = this.#parsed(ref, kv);
    this.#change(() => setOrDelete(this.#bad, kv.key, isBad(entry) ? entry : undefined));
    this.#place(ref, entry);
    return entry;
  }

  #putBad(kv: KeyValue, reason: string): BadEntry {
    const entry = this.#badEntry(kv, reason);
    this.#change(() => this.#bad.set(kv.key, entry));
    return entry;
  }

  #badEntry(kv: KeyValue, reason: string): BadEntry {
    const {key, createRevision, modRevision, lease} = kv;
    this.#deps.log.warn({key, modRevision, reason}, 'a stored value is bad; it is left alone');
    return {key, reason, createRevision, modRevision, lease: lease === '0' ? '0' : this.#sharing.string(lease)};
  }

  #parsed(ref: KeyRef, kv: KeyValue): AnyEntry {
    const {createRevision, modRevision} = kv;
    const text = kv.value.toString('utf8');
    try {
      const value = this.#sharing.parsed<object>(ref.kind, text, () => PARSERS[ref.kind](text, kv.key));
      const lease = kv.lease === '0' ? '0' : this.#sharing.string(kv.lease);
      const entry: Entry<object> = {value, createRevision, modRevision, lease};
      return ref.kind === 'backlog' ? Object.assign(entry, {order: flat(ref.order)}) : entry;
    } catch (err) {
      return this.#badEntry(kv, reasonOf(err));
    }
  }

  #place(ref: KeyRef, entry: AnyEntry): void {
    const good = isBad(entry) ? undefined : (entry as Entry<never>);
    switch (ref.kind) {
      case 'meta':
        this.#change(() => (this.#meta = good));
        return;
      case 'event':
        this.#change(() => setOrDelete(this.#events, ref.id, good));
        return;
      case 'cluster':
        this.#change(() => setOrDelete(this.#clusters, ref.name, good));
        return;
      case 'replica':
        this.#change(() => setOrDelete(this.#replicas, ref.id, good));
        return;
      case 'leader':
        this.#change(() => setOrDelete(this.#leaders, ref.controller, good));
        return;
      case 'backlog':
        if (good !== undefined) {
          this.#draft(ref.id).set(partOf(ref), undefined); // What was bad there is so no more.
          this.#addWaiting(ref.id, good as unknown as WaitingEntry);
        } else {
          this.#removeWaiting(ref.id, ref.order);
          this.#draft(ref.id).set(partOf(ref), entry);
        }
        return;
      case 'scan':
      case 'control':
      case 'admission':
      case 'state':
      case 'owner':
      case 'chain':
      case 'progress':
      case 'result':
      case 'ewms':
      case 'job':
      case 'report':
        this.#draft(ref.id).set(partOf(ref), entry);
        return;
      default:
        unreachable(ref);
    }
  }

  #remove(key: string, ref: KeyRef | undefined): void {
    const isBadKey = this.#bad.delete(key);
    if (ref === undefined) return;
    switch (ref.kind) {
      case 'meta':
        this.#meta = undefined;
        return;
      case 'event':
        this.#events.delete(ref.id);
        return;
      case 'cluster':
        this.#clusters.delete(ref.name);
        return;
      case 'replica':
        this.#replicas.delete(ref.id);
        return;
      case 'leader':
        this.#leaders.delete(ref.controller);
        return;
      case 'backlog':
        if (isBadKey) this.#draft(ref.id).set(partOf(ref), undefined);
        else this.#removeWaiting(ref.id, ref.order);
        return;
      default:
        this.#draft(ref.id).set(partOf(ref), undefined);
    }
  }

  // A scan should wait once. Where an operator made it wait twice, the entry that is first in order shows, and the other when that has gone.

  #addWaiting(id: string, entry: WaitingEntry): void {
    const draft = this.#draft(id);
    const shown = draft.waiting;
    const many = this.#backlogOfMany.get(id);
    if (many === undefined && (shown === undefined || shown.order === entry.order)) {
      draft.set(`backlog/${entry.order}`, entry);
      return;
    }
    const all = many ?? new Map<string, WaitingEntry>();
    if (shown !== undefined && many === undefined) all.set(shown.order, shown);
    all.set(entry.order, entry);
    this.#backlogOfMany.set(id, all);
    this.#showFirst(id, all);
  }

  #removeWaiting(id: string, order: string): void {
    const many = this.#backlogOfMany.get(id);
    if (many === undefined) {
      this.#draft(id).set(`backlog/${order}`, undefined);
      return;
    }
    many.delete(order);
    this.#showFirst(id, many);
    if (many.size <= 1) this.#backlogOfMany.delete(id);
  }

  #showFirst(id: string, all: ReadonlyMap<string, WaitingEntry>): void {
    const draft = this.#draft(id);
    const first = [...all.keys()].sort((a, b) => (`${a}/` < `${b}/` ? -1 : 1))[0];
    if (draft.waiting !== undefined) draft.set(`backlog/${draft.waiting.order}`, undefined);
    if (first !== undefined) draft.set(`backlog/${first}`, must(all.get(first), 'listed'));
  }

  // One batch

  #change(change: () => void): void {
    if (this.#keptBack === undefined) change();
    else this.#keptBack.push(change);
  }

  #draft(id: string): ScanDraft {
    let draft = this.#drafts.get(id);
    if (draft === undefined) {
      const before = this.#scans.get(id);
      draft = new ScanDraft(before?.id ?? flat(id), before);
      this.#drafts.set(draft.id, draft);
    }
    return draft;
  }

  /** Puts the finished drafts in the place of the records they were made from. */
  #publish(): void {
    const removed: BacklogItem[] = [];
    const added: BacklogItem[] = [];
    for (const draft of this.#drafts.values()) {
      const before = this.#scans.get(draft.id);
      const after = draft.publish();
      this.#scans.replace(draft.id, after);
      noteMove(draft.id, before, after, removed, added);
    }
    this.#drafts.clear();
    this.#backlog.apply(removed, added);
  }

  #markCurrent(): void {
    this.#currentAtMs = this.#deps.clock.monotonicMs();
  }

  #advance(revision: Revision, byNotice: boolean): void {
    this.#revision = revision;
    if (this.#waiters.length === 0) return;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      if (waiter.revision > revision) waiting.push(waiter);
      else {
        this.#noticesHelp = byNotice;
        waiter.resolve();
      }
    }
    this.#waiters = waiting;
    if (waiting.length === 0) this.#endNudging();
  }

  /** While somebody waits: asks the member how far it is, after a moment in which the event will mostly have come by itself. */
  #scheduleNudge(): void {
    if (this.#nudge !== undefined) return;
    const ask = (): void =>
      this.#watch.requestProgress(this.#waiters.reduce((least, {revision}) => Math.min(least, revision), Number.MAX_SAFE_INTEGER));
    if (this.#noticesHelp) ask();
    this.#nudge = setTimeout(() => {
      this.#nudge = undefined;
      if (this.#waiters.length === 0) return;
      ask();
      this.#nudgeAfterMs = Math.min(MAX_NUDGE_MS, this.#nudgeAfterMs * 2);
      this.#noticesHelp = false; // Asked for by the timer from here on.
      this.#scheduleNudge();
    }, this.#nudgeAfterMs);
    this.#nudge.unref();
  }

  #endNudging(): void {
    clearTimeout(this.#nudge);
    this.#nudge = undefined;
    this.#nudgeAfterMs = NUDGE_MS;
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

function noteMove(id: string, before: ScanRecord | undefined, after: ScanRecord | undefined, removed: BacklogItem[], added: BacklogItem[]): void {
  const from = before?.backlog?.order;
  const to = after?.backlog?.order;
  if (from === to) return;
  if (from !== undefined) removed.push({order: from, id});
  if (to !== undefined) added.push({order: to, id});
}

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(map.has(key) ? key : flat(key), value);
}

/** A copy of a part of a key that does not keep the whole key in memory. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
