import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {grantFor, growthFor, holdBack, priorityOf, waitsForAdmission} from '../model/admission-plan.ts';
import type {ClusterFacts, FreeSlots, Grant} from '../model/admission-plan.ts';
import {attemptOf, isChained, modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {StartPace} from '../model/start-pace.ts';
import type {PacePolicy} from '../model/start-pace.ts';
import type {Admission} from '../schema/admission.ts';
import * as keys from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Cache, Change} from '../store/cache.ts';
import type {FencedWriter, Ownership} from '../store/contracts.ts';
import type {Commit, Compare, Op, Revision} from '../store/store.ts';
import {BlockScheduling, blockName, blockOfName} from './block-scheduling.ts';
import type {LoneController} from './controller.ts';
import type {ScanController} from './scan-controller.ts';
import {enlisting, moving, striking, unchanged} from './scan-backlog.ts';
import {SlotLedger} from './slot-ledger.ts';

export interface SchedulerDeps {
  readonly cache: Cache;
  readonly ownership: Ownership;
  readonly scans: ScanController;
  readonly clock: Clock;
  readonly log: Log;
  /** Transactions in flight at once. */
  readonly concurrency: number;
  readonly pace: PacePolicy;
  /** Where scripts of processing blocks run that name no cluster. */
  readonly defaultCluster: string;
  /** Called for a scan that this replica leads from now on. */
  enqueue(id: string): void;
  /** How many replicas are to try a scan before this one. */
  rank(record: ScanRecord): number;
}

/** How often everything is looked at although no change called for it. */
const RESYNC_MS = 30_000;
/** After a write that failed, before the same is tried again. */
const FAILED_PAUSE_MS = 1000;

/**
 * Decides which waiting scan, or processing block, may run: by priority, then age; capacity per cluster is what the stored admissions leave.
 *
 * It is the only writer of admissions, fenced by its leader key, so what it has written and seen is never more than what is used.
 * A scan that does not fit holds back the younger ones on the same clusters, so that nothing starves.
 */
export class Scheduler implements LoneController {
  readonly name = 'scheduler';
  readonly inputs: readonly KeyRef['kind'][] = ['scan', 'control', 'admission', 'state', 'pb', 'pb-admission', 'pb-state', 'backlog', 'cluster'];
  readonly outputs = ['/scan/[id]/admission', '/backlog/[order]/scan/[id]', '/pb/[id]/admission', '/backlog/[order]/pb/[id]'];
  readonly #deps: SchedulerDeps;
  #round: Round | undefined;

  constructor(deps: SchedulerDeps) {
    this.#deps = deps;
  }

  /** What is left of each cluster's capacity; `undefined` while another replica leads. */
  get free(): FreeSlots | undefined {
    return this.#round?.free();
  }

  async run(writer: FencedWriter, signal: AbortSignal): Promise<void> {
    this.#round = new Round(this.#deps, writer, signal);
    try {
      await this.#round.untilStopped();
    } finally {
      this.#round = undefined;
    }
  }
}

/** One leadership: what the leader knows, kept up to date by the cache's changes. */
class Round {
  readonly #deps: SchedulerDeps;
  readonly #writer: FencedWriter;
  readonly #signal: AbortSignal;
  readonly #slots = new SlotLedger();
  readonly #pace: StartPace;
  /** When the next scan may start that had to wait for its class' turn, in milliseconds from the last look. */
  #turnMs = Number.POSITIVE_INFINITY;
  /** Scans that run with fewer slots than they asked for. */
  readonly #short = new Set<string>();
  readonly #blocks: BlockScheduling;
  /** Scans, and names of blocks, whose backlog entry may have to be made, moved or removed. */
  readonly #dirty = new Set<string>();
  readonly #inFlight = new Map<string, Promise<void>>();
  #isWoken = true;
  #wake: () => void = () => {};
  readonly #engineOf = (cluster: string): string | undefined => this.#deps.cache.clusters.get(cluster)?.value.engine;

  constructor(deps: SchedulerDeps, writer: FencedWriter, signal: AbortSignal) {
    this.#deps = deps;
    this.#writer = writer;
    this.#signal = signal;
    this.#pace = new StartPace(deps.pace);
    this.#blocks = new BlockScheduling(
      {...deps, slots: this.#slots, write: (commit) => this.#write(commit), seen: (revision) => this.#seen(revision)},
      (name) => this.#dirty.add(name),
    );
  }

  async untilStopped(): Promise<void> {
    const {cache} = this.#deps;
    this.#takeAll();
    cache.onChange((changes) => this.#note(changes), this.#signal);
    this.#signal.addEventListener('abort', () => this.#wake(), {once: true});
    while (!this.#signal.aborted) {
      if (!this.#isWoken) {
        await new Promise<void>((resolve) => {
          const resync = setTimeout(() => {
            this.#takeAll();
            this.#wake();
          }, RESYNC_MS);
          const turn = this.#turnMs < RESYNC_MS ? setTimeout(() => this.#wake(), this.#turnMs) : undefined;
          this.#wake = () => {
            clearTimeout(resync);
            clearTimeout(turn);
            resolve();
          };
          if (this.#signal.aborted) this.#wake();
        });
      }
      if (this.#signal.aborted) break;
      this.#isWoken = false;
      this.#tidyBacklog();
      this.#admit();
      this.#grow();
    }
    await Promise.allSettled(this.#inFlight.values());
  }

  #note(changes: readonly Change[]): void {
    for (const change of changes) {
      if (change.kind === 'relist') this.#takeAll();
      else if (!this.#blocks.take(change.ref)) {
        switch (change.ref.kind) {
          case 'scan':
          case 'control':
          case 'admission':
          case 'state':
          case 'result':
          case 'chain':
            this.#takeOne(change.ref.id);
            break;
          case 'backlog':
            if (change.ref.of === 'scan') this.#takeOne(change.ref.id);
            break;
          case 'cluster':
            break;
          default:
            continue;
        }
      }
      this.#nudge();
    }
  }

  #nudge(): void {
    this.#isWoken = true;
    this.#wake();
  }

  #takeAll(): void {
    this.#slots.clearGranted();
    this.#short.clear();
    for (const record of this.#deps.cache.scans.values()) this.#takeOne(record.id);
    this.#blocks.takeAll();
    this.#isWoken = true;
  }

  #takeOne(id: string): void {
    const record = this.#deps.cache.scans.get(id);
    // What a damaged admission granted is in use all the same.
    const isDamaged = record?.bad?.has('admission') === true;
    this.#slots.setGranted(id, isDamaged ? (this.#slots.granted(id) ?? workersOf(record)) : record?.admission?.value.slots);
    if (record !== undefined && this.#pace.isLimited && !isChained(record))
      this.#pace.note(priorityOf(record), startOf(record), this.#deps.clock.now());
    if (record?.admission !== undefined && growthFor(record, EVERYTHING, this.#engineOf) !== undefined) this.#short.add(id);
    else this.#short.delete(id);
    if (record !== undefined && (record.backlog !== undefined || waitsForAdmission(record))) this.#dirty.add(id);
  }

  /** What is left of each cluster's capacity. */
  free(): FreeSlots {
    return this.#slots.free([...this.#deps.cache.clusters].map(([name, entry]) => [name, entry.value.capacity]));
  }

  #clusters(): ReadonlyMap<string, ClusterFacts> {
    const {cache} = this.#deps;
    const clusters = new Map<string, ClusterFacts>([...cache.clusters].map(([name, entry]) => [name, entry.value]));
    // One whose key is damaged has no slots, but it is there: its scans wait for the repair.
    for (const key of cache.bad.keys()) {
      const ref = keys.parseKey(key);
      if (ref?.kind === 'cluster') clusters.set(ref.name, {capacity: 0});
    }
    return clusters;
  }

  /** Backlog entries for scans put by hand or resumed; removal of those whose scan does not wait any more; a move when the priority was changed. */
  #tidyBacklog(): void {
    for (const name of this.#dirty) {
      if (this.#inFlight.has(name)) continue;
      if (this.#inFlight.size >= this.#deps.concurrency) return; // The rest when one of them is done.
      this.#dirty.delete(name);
      const block = blockOfName(name);
      const work = block === undefined ? this.#tidying(name) : this.#blocks.tidying(block);
      if (work !== undefined) this.#start(name, work);
    }
  }

  #tidying(id: string): (() => Promise<void>) | undefined {
    const record = this.#deps.cache.scans.get(id);
    if (record === undefined) return undefined;
    const waits = waitsForAdmission(record);
    const {backlog} = record;
    if (waits && backlog === undefined) return () => this.#enlist(record);
    if (!waits && backlog !== undefined && this.#mayStrike(record)) return async () => void (await this.#write(striking(record, backlog)));
    if (waits && backlog !== undefined && priorityOf(record) !== backlog.value.priority)
      return async () => void (await this.#write(moving(record, backlog)));
    return undefined;
  }

  /** A creation writes the backlog entry together with the scan; an entry without a scan is the janitor's, which waits before it removes. */
  #mayStrike(record: ScanRecord): boolean {
    return record.spec !== undefined && record.bad?.has('control') !== true && record.bad?.has('state') !== true;
  }

  async #enlist(record: ScanRecord): Promise<void> {
    await this.#write(enlisting(record, this.#deps.clock.now()));
    this.#deps.log.info({scanId: record.id, priority: priorityOf(record)}, 'put on the backlog');
  }

  #admit(): void {
    const {cache} = this.#deps;
    const clusters = this.#clusters();
    const free = this.free();
    const isOpen = (): boolean => [...free.values()].some((slots) => slots > 0);
    this.#turnMs = Number.POSITIVE_INFINITY;
    for (const {of, id} of cache.backlog()) {
      if (this.#inFlight.size >= this.#deps.concurrency) return;
      if (of === 'pb') {
        this.#admitBlock(id, free, clusters);
        if (!isOpen()) return;
        continue;
      }
      const record = cache.scans.get(id);
      if (record === undefined || this.#inFlight.has(id) || this.#slots.isReserved(id) || !waitsForAdmission(record)) continue;
      const nowMs = this.#deps.clock.now();
      // Scans are spread over time for the sake of what they all load at their start.
      const waitMs = isChained(record) ? 0 : this.#pace.waitMs(priorityOf(record), nowMs);
      if (waitMs > 0) {
        this.#turnMs = Math.min(this.#turnMs, waitMs);
        continue;
      }
      const grant = grantFor(record, free, clusters);
      if (grant === undefined) {
        // It waits for these clusters; nobody younger may take what it waits for.
        holdBack(record, free, clusters);
        if (!isOpen()) return;
        continue;
      }
      this.#reserve(id, grant, free);
      if (!isChained(record)) this.#pace.note(priorityOf(record), nowMs, nowMs);
      this.#start(id, () => this.#admitOne(record, grant));
    }
  }

  #admitBlock(id: string, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): void {
    const name = blockName(id);
    if (this.#inFlight.has(name) || this.#slots.isReserved(name)) return;
    const record = this.#blocks.waiting(id);
    const grant = record && this.#blocks.grant(record, free, clusters);
    if (record === undefined || grant === undefined) return;
    this.#reserve(name, grant, free);
    this.#start(name, () => this.#blocks.admit(record, grant));
  }

  #reserve(name: string, {slots}: Grant, free: FreeSlots): void {
    for (const [cluster, count] of Object.entries(slots)) free.set(cluster, (free.get(cluster) ?? 0) - count);
    this.#slots.reserve(name, slots);
  }

  async #admitOne(record: ScanRecord, grant: Grant): Promise<void> {
    const {id, backlog} = record;
    const {clock, log, ownership, scans} = this.#deps;
    const attempt = attemptOf(record);
    const admission: Admission = {
      attempt,
      slots: grant.slots,
      admitted_at: rfc3339(clock.now()),
      ...(grant.short === undefined ? {} : {short: grant.short}),
      ...(grant.external === undefined ? {} : {external: true}),
      ...(grant.server_cluster === undefined ? {} : {server_cluster: grant.server_cluster}),
    };
    const compares: Compare[] = [
      ...unchanged(record),
      {key: keys.admissionKey(id), modRevision: 0},
      // A hand-over that comes meanwhile makes the scan one of those whose jobs are none of ours.
      {key: keys.ewmsKey(id), modRevision: modRevisionOf(record, 'ewms')},
    ];
    const ops: Op[] = [putJson(keys.admissionKey(id), admission)];
    if (backlog !== undefined) {
      const key = keys.backlogKey(backlog.order, id);
      compares.push({key, modRevision: backlog.modRevision});
      ops.push({delete: key});
    }
    const isOurs = this.#deps.rank(record) === 0 && record.owner === undefined && Object.keys(grant.slots).length > 0;
    const prepared = isOurs ? await scans.prepareLaunch(record, admission) : undefined;
    if (prepared === undefined) {
      const revision = await this.#write({compares, ops});
      log.info({scanId: id, slots: grant.slots}, 'admitted');
      await this.#seen(revision);
      return;
    }
    // Our own replica is the first choice: admission, claim and launch intent are one transaction.
    const leader: Compare = {key: this.#writer.ownerKey, createRevision: this.#writer.createRevision};
    const fresh = prepared.compares.filter((compare) => !('key' in compare && compares.some((known) => 'key' in known && known.key === compare.key)));
    const claim = await ownership.campaign(keys.ownerKey(id), {compares: [leader, ...compares, ...fresh], ops: [...ops, ...prepared.ops]});
    if (claim.kind !== 'elected') {
      scans.dropPrepared(id);
      this.#dirty.add(id);
      return this.#settled(0);
    }
    log.info({scanId: id, slots: grant.slots}, 'admitted and claimed');
    const launched = scans.launchPrepared(id, claim.writer, claim.revision, prepared, record, admission);
    await this.#seen(claim.revision);
    await launched.catch((err: unknown) => log.error({err, scanId: id}, 'launch failed; the scan’s owner looks again'));
    this.#deps.enqueue(id);
  }

  /** Grants freed slots to scans that run with fewer than they asked; those that wait come first. */
  #grow(): void {
    if (this.#short.size === 0) return;
    const {cache} = this.#deps;
    const clusters = this.#clusters();
    const free = this.free();
    for (const {of, id} of cache.backlog()) {
      // Whoever waits for a cluster goes before whoever wants more of it.
      if (of === 'pb') {
        const block = this.#blocks.waiting(id);
        if (block !== undefined) this.#blocks.holdBack(block, free, clusters);
      } else {
        const record = cache.scans.get(id);
        if (record === undefined || !waitsForAdmission(record)) continue;
        holdBack(record, free, clusters);
      }
      if (![...free.values()].some((slots) => slots > 0)) return;
    }
    for (const id of this.#short) {
      if (this.#inFlight.size >= this.#deps.concurrency) return;
      const record = cache.scans.get(id);
      if (record?.admission === undefined || this.#inFlight.has(id) || this.#slots.isReserved(id)) continue;
      const slots = growthFor(record, free, this.#engineOf);
      if (slots === undefined) continue;
      const before = record.admission.value.slots;
      const more: Record<string, number> = {};
      for (const [cluster, count] of Object.entries(slots)) {
        const extra = count - (before[cluster] ?? 0);
        if (extra <= 0) continue;
        more[cluster] = extra;
        free.set(cluster, (free.get(cluster) ?? 0) - extra);
      }
      this.#slots.reserve(id, more);
      const next: Admission = {...record.admission.value, slots};
      const compares = [...unchanged(record), {key: keys.admissionKey(id), modRevision: record.admission.modRevision}];
      this.#start(id, async () => this.#seen(await this.#write({compares, ops: [putJson(keys.admissionKey(id), next)]})));
    }
  }

  /** A reservation may only end when the cache shows what was written: until then it is what counts. */
  async #seen(revision: Revision): Promise<void> {
    await this.#deps.cache.waitFor(revision, 10_000);
  }

  /**
   * Waits until the cache has seen everything that is stored after a pause: what was decided on was old, or a write may have happened whose reply was
   * lost. Before that nothing more may be decided about this scan, nor may its reserved slots be given to another.
   */
  async #settled(pauseMs: number): Promise<void> {
    const {cache} = this.#deps;
    for (let wait = pauseMs; !this.#signal.aborted; wait = FAILED_PAUSE_MS) {
      await sleep(wait, this.#signal);
      const isCurrent = await cache.catchUp(this.#signal).then(
        () => true,
        () => false,
      );
      if (isCurrent) return;
    }
  }

  /** @param id a scan's, or the name of a block */
  #start(id: string, work: () => Promise<void>): void {
    const done = work()
      .catch(async (err: unknown) => {
        if (this.#signal.aborted || hasCode(err, 'not_owner')) return;
        this.#dirty.add(id);
        if (hasCode(err, 'revision_conflict')) return this.#settled(0);
        this.#deps.log.error({err, id}, 'scheduling failed');
        // It may have happened, or be about to happen.
        await this.#settled(FAILED_PAUSE_MS);
      })
      .finally(() => {
        this.#inFlight.delete(id);
        this.#slots.release(id);
        this.#nudge();
      });
    this.#inFlight.set(id, done);
  }

  #write({compares, ops}: Commit): Promise<Revision> {
    return this.#writer.commit(compares, ops);
  }
}

/** When a scan was let run, in milliseconds since 1970; `NaN` if it was not, or nothing tells. */
function startOf({admission, state}: ScanRecord): number {
  return Date.parse(admission?.value.admitted_at ?? state?.value.started_at ?? '');
}

/** Worker processes of a scan's open tries, by cluster. */
function workersOf(record: ScanRecord): Readonly<Record<string, number>> {
  const slots: Record<string, number> = {};
  for (const {value: job} of record.jobs?.open.values() ?? []) {
    if (job.type !== 'scanner-server') slots[job.cluster] = (slots[job.cluster] ?? 0) + job.count;
  }
  return slots;
}

/** Free slots without end: to ask whether a scan would take more at all. */
const EVERYTHING: FreeSlots = {get: () => Number.MAX_SAFE_INTEGER} as unknown as FreeSlots;
