import {setImmediate as nextTurn} from 'node:timers/promises';
import {must, unreachable} from '../lib/assert.ts';
import {reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {BadEntry, Entry, ScanRecord} from '../model/scan-record.ts';
import {parseAdmission} from '../schema/admission.ts';
import {parseBacklogEntry} from '../schema/backlog.ts';
import {parseEventHeader, parseResultHeader} from '../schema/blob.ts';
import type {EventHeader} from '../schema/blob.ts';
import {parseCluster} from '../schema/cluster.ts';
import type {Cluster} from '../schema/cluster.ts';
import {parseControl} from '../schema/control.ts';
import {parseEwms} from '../schema/ewms.ts';
import {parseChain} from '../schema/chain.ts';
import {parseDeployment, parseDeploymentState} from '../schema/deployment.ts';
import {parseEbState, parseExecutionBlock} from '../schema/execution-block.ts';
import {parseJob} from '../schema/job.ts';
import {isBacklogKind} from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {parseLegacy} from '../schema/legacy.ts';
import {parseOwner} from '../schema/owner.ts';
import type {Owner} from '../schema/owner.ts';
import {parsePbState, parseProcessingBlock} from '../schema/processing-block.ts';
import {parseProgress} from '../schema/progress.ts';
import {parseMeta, parseReplica} from '../schema/replica.ts';
import type {Meta, Replica} from '../schema/replica.ts';
import {parseReport} from '../schema/report.ts';
import {parseScanSpec} from '../schema/scan.ts';
import {parseScript} from '../schema/script.ts';
import {parseScanState} from '../schema/state.ts';
import type {Parser} from '../schema/validate.ts';
import {BlockContent, isBlockRef} from './block-content.ts';
import {BacklogList} from './backlog-list.ts';
import type {BacklogItem, ScanIndex} from './cache.ts';
import {IndexedScans} from './indexed-scans.ts';
import {ScanDraft, entriesOf, entryOf, isBad, partOf} from './scan-draft.ts';
import type {AnyEntry, ScanRef, WaitingEntry} from './scan-draft.ts';
import {Sharing} from './sharing.ts';
import type {KeyValue} from './store.ts';

/** First path levels that are ours: a malformed key below one is bad; any other key is another program's. */
const ROOTS: ReadonlySet<string> = new Set(['meta', 'scan', 'eb', 'pb', 'script', 'deploy', 'backlog', 'event', 'cluster', 'replica', 'leader']);

/** More values than one process has on their way at once. */
const MAX_EXPECTED = 4096;

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
  legacy: parseLegacy,
  job: parseJob,
  report: parseReport,
  backlog: parseBacklogEntry,
  meta: parseMeta,
  event: parseEventHeader,
  cluster: parseCluster,
  replica: parseReplica,
  leader: parseOwner,
  eb: parseExecutionBlock,
  'eb-state': parseEbState,
  pb: parseProcessingBlock,
  'pb-admission': parseAdmission,
  'pb-state': parsePbState,
  'pb-owner': parseOwner,
  script: parseScript,
  deploy: parseDeployment,
  'deploy-state': parseDeploymentState,
  'deploy-owner': parseOwner,
} as const satisfies Record<KeyRef['kind'], Parser<object>>;

/**
 * What the watch cache holds: every key, parsed and filed, as one revision left it.
 *
 * Keys are put and removed one by one; what they change of scans is collected in drafts, which {@link publish} puts in the place of the records
 * they were made from. So nobody sees a revision in part.
 */
export class CacheContent {
  readonly scans: IndexedScans;
  readonly blocks = new BlockContent();
  readonly backlog = new BacklogList();
  readonly events = new Map<string, Entry<EventHeader>>();
  readonly clusters = new Map<string, Entry<Cluster>>();
  readonly replicas = new Map<string, Entry<Replica>>();
  readonly leaders = new Map<string, Entry<Owner>>();
  readonly bad = new Map<string, BadEntry>();
  meta: Entry<Meta> | undefined;
  readonly #log: Log;
  readonly #sharing = new Sharing();
  #drafts = new Map<string, ScanDraft>();
  /** See {@link expect}. */
  #expected = new Map<string, {readonly text: string; readonly value: object}>();
  /** Backlog entries of scans that have more than one, by scan and order: only the first in order shows. */
  #backlogOfMany = new Map<string, Map<string, WaitingEntry>>();
  /** What is to be changed outside the scans' records once a list is complete; `undefined`: change at once. */
  #keptBack: (() => void)[] | undefined;
  /** As it was when the list began. */
  #backlogOfManyBefore: Map<string, Map<string, WaitingEntry>> | undefined;

  constructor(indexes: readonly ScanIndex[], log: Log) {
    this.scans = new IndexedScans(indexes);
    this.#log = log;
  }

  /** What this process is about to write under a key: see `Cache`. */
  expect(key: string, text: string, value: object): void {
    // What never came back is forgotten with all the rest: at worst a few values are parsed.
    if (this.#expected.size >= MAX_EXPECTED) this.#expected = new Map();
    this.#expected.set(key, {text, value});
  }

  // A list

  /** A list begins. What it changes becomes visible page by page with {@link publish}; with `keepBack` all at once, with the last one. */
  begin(keepBack: boolean): void {
    this.#keptBack = keepBack ? [] : undefined;
    this.#backlogOfManyBefore = new Map([...this.#backlogOfMany].map(([id, entries]) => [id, new Map(entries)]));
  }

  /** The list has failed: forgets what it changed and was not published. */
  discard(): void {
    this.#drafts = new Map();
    this.#keptBack = undefined;
    this.#backlogOfMany = this.#backlogOfManyBefore ?? this.#backlogOfMany;
  }

  /** Takes out every entry that a list has not met. A few thousand scans at a time, so that nothing else waits long. */
  async removeUnmet(met: ReadonlySet<object>): Promise<void> {
    let count = 0;
    for (const scan of this.scans.values()) {
      for (const {part, entry} of entriesOf(scan)) if (!met.has(entry)) this.#removePart(scan.id, part, entry);
      if (++count % 2000 === 0) await nextTurn();
    }
    for (const [id, entries] of this.#backlogOfMany) {
      for (const [order, entry] of entries) if (!met.has(entry)) this.#removeWaiting(id, order);
    }
    for (const map of [this.events, this.clusters, this.replicas, this.leaders]) {
      for (const [name, entry] of map) if (!met.has(entry)) this.#change(() => map.delete(name));
    }
    for (const {entry, remove} of this.blocks.entries()) if (!met.has(entry)) this.#change(remove);
    if (this.meta !== undefined && !met.has(this.meta)) this.#change(() => (this.meta = undefined));
    for (const [key, entry] of this.bad) if (!met.has(entry)) this.#change(() => this.bad.delete(key));
  }

  /** Takes out a part of a scan unless a draft has replaced it meanwhile. */
  #removePart(id: string, part: string, entry: AnyEntry): void {
    const now = this.#drafts.get(id);
    if (now !== undefined && now.entry(part) !== entry) return;
    if (part.startsWith('backlog/') && !isBad(entry)) this.#removeWaiting(id, part.slice('backlog/'.length));
    else this.#draft(id).set(part, undefined);
  }

  // One key

  /** The entry that stands for a key now, what is not published included. */
  present(key: string, ref: KeyRef | undefined): AnyEntry | undefined {
    if (ref === undefined) return this.bad.get(key);
    if (isBlockRef(ref)) return this.blocks.present(ref);
    switch (ref.kind) {
      case 'meta':
        return this.meta ?? this.bad.get(key);
      case 'event':
        return this.events.get(ref.id) ?? this.bad.get(key);
      case 'cluster':
        return this.clusters.get(ref.name) ?? this.bad.get(key);
      case 'replica':
        return this.replicas.get(ref.id) ?? this.bad.get(key);
      case 'leader':
        return this.leaders.get(ref.controller) ?? this.bad.get(key);
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
    return draft === undefined ? entryOf(this.scans.get(ref.id), part) : draft.entry(part);
  }

  /** Takes in a key's new value. Returns the entry that stands for it now, if the key is ours. */
  put(ref: KeyRef | undefined, kv: KeyValue): AnyEntry | undefined {
    if (ref === undefined) {
      if (!ROOTS.has(kv.key.split('/', 2)[1] ?? '')) return undefined;
      return this.#putBad(kv, 'not a key of this system: a level is misspelt, missing or malformed');
    }
    if (ref.kind === 'backlog' && !isBacklogKind(ref.of)) return this.#putBad(kv, `nothing of the kind ${ref.of} waits for admission`);
    const entry = this.#parsed(ref, kv);
    if (isBad(entry)) this.#change(() => this.bad.set(kv.key, entry));
    else if (this.bad.has(kv.key)) this.#change(() => this.bad.delete(kv.key));
    this.#place(ref, entry);
    return entry;
  }

  #putBad(kv: KeyValue, reason: string): BadEntry {
    const entry = this.#badEntry(kv, reason);
    this.#change(() => this.bad.set(kv.key, entry));
    return entry;
  }

  #badEntry(kv: KeyValue, reason: string): BadEntry {
    const {key, createRevision, modRevision, lease} = kv;
    this.#log.warn({key, modRevision, reason}, 'a stored value is bad; it is left alone');
    return {key, reason, createRevision, modRevision, lease: lease === '0' ? '0' : this.#sharing.string(lease)};
  }

  #parsed(ref: KeyRef, kv: KeyValue): AnyEntry {
    const {createRevision, modRevision} = kv;
    const text = kv.value.toString('utf8');
    try {
      const value = this.#taken(kv.key, text) ?? this.#sharing.parsed<object>(ref.kind, text, () => PARSERS[ref.kind](text, kv.key));
      const lease = kv.lease === '0' ? '0' : this.#sharing.string(kv.lease);
      const entry: Entry<object> = {value, createRevision, modRevision, lease};
      return ref.kind === 'backlog' ? Object.assign(entry, {order: flat(ref.order)}) : entry;
    } catch (err) {
      return this.#badEntry(kv, reasonOf(err));
    }
  }

  /** What was expected under a key, if it came as it was expected. */
  #taken(key: string, text: string): object | undefined {
    const expected = this.#expected.get(key);
    if (expected === undefined) return undefined;
    this.#expected.delete(key);
    return expected.text === text ? this.#sharing.shared(expected.value) : undefined;
  }

  #place(ref: KeyRef, entry: AnyEntry): void {
    if (isBlockRef(ref)) {
      this.#change(() => this.blocks.set(ref, entry));
      return;
    }
    const good = isBad(entry) ? undefined : (entry as Entry<never>);
    switch (ref.kind) {
      case 'meta':
        this.#change(() => (this.meta = good));
        return;
      case 'event':
        this.#change(() => setOrDelete(this.events, ref.id, good));
        return;
      case 'cluster':
        this.#change(() => setOrDelete(this.clusters, ref.name, good));
        return;
      case 'replica':
        this.#change(() => setOrDelete(this.replicas, ref.id, good));
        return;
      case 'leader':
        this.#change(() => setOrDelete(this.leaders, ref.controller, good));
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
      case 'legacy':
      case 'job':
      case 'report':
        this.#draft(ref.id).set(partOf(ref), entry);
        return;
      default:
        unreachable(ref);
    }
  }

  /** Takes in that a key is gone. */
  remove(key: string, ref: KeyRef | undefined): void {
    const isBadKey = this.bad.delete(key);
    if (ref === undefined) return;
    if (isBlockRef(ref)) return this.blocks.set(ref, undefined);
    switch (ref.kind) {
      case 'meta':
        this.meta = undefined;
        return;
      case 'event':
        this.events.delete(ref.id);
        return;
      case 'cluster':
        this.clusters.delete(ref.name);
        return;
      case 'replica':
        this.replicas.delete(ref.id);
        return;
      case 'leader':
        this.leaders.delete(ref.controller);
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

  // All together

  #change(change: () => void): void {
    if (this.#keptBack === undefined) change();
    else this.#keptBack.push(change);
  }

  #draft(id: string): ScanDraft {
    let draft = this.#drafts.get(id);
    if (draft === undefined) {
      const before = this.scans.get(id);
      draft = new ScanDraft(before?.id ?? flat(id), before);
      this.#drafts.set(draft.id, draft);
    }
    return draft;
  }

  /** Makes everything visible that was put and removed: finished drafts take the place of the records they were made from. */
  publish(): void {
    for (const change of this.#keptBack ?? []) change();
    this.#keptBack = undefined;
    const moves = this.blocks.takeMoves();
    const removed: BacklogItem[] = [...moves.removed];
    const added: BacklogItem[] = [...moves.added];
    for (const draft of this.#drafts.values()) {
      const {id, before} = draft;
      const after = draft.publish();
      this.scans.replace(id, before, after);
      noteMove(id, before, after, removed, added);
    }
    // A new map: one that is cleared again and again keeps what it held reachable for the scavenger.
    this.#drafts = new Map();
    this.backlog.apply(removed, added);
  }
}

function noteMove(id: string, before: ScanRecord | undefined, after: ScanRecord | undefined, removed: BacklogItem[], added: BacklogItem[]): void {
  const from = before?.backlog?.order;
  const to = after?.backlog?.order;
  if (from === to) return;
  if (from !== undefined) removed.push({order: from, of: 'scan', id});
  if (to !== undefined) added.push({order: to, of: 'scan', id});
}

function setOrDelete<V>(map: Map<string, V>, key: string, value: V | undefined): void {
  if (value === undefined) map.delete(key);
  else map.set(map.has(key) ? key : flat(key), value);
}

/** A copy of a part of a key that does not keep the whole key in memory. */
function flat(text: string): string {
  return Buffer.from(text, 'latin1').toString('latin1');
}
