import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import type {ClusterFacts, FreeSlots, Grant} from '../model/admission-plan.ts';
import {demandOfBlock, grantForBlock, holdBackForBlock, waitsForSlots} from '../model/block-admission.ts';
import type {WaitingLookups} from '../model/block-admission.ts';
import {revisionOf} from '../model/block-record.ts';
import type {PbRecord} from '../model/block-record.ts';
import {MAX_AT_ONCE} from '../model/block-write.ts';
import type {Entry} from '../model/scan-record.ts';
import type {Admission} from '../schema/admission.ts';
import {backlogOrder} from '../schema/backlog.ts';
import type {BacklogEntry} from '../schema/backlog.ts';
import * as keys from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Cache} from '../store/cache.ts';
import type {Commit, Compare, Revision} from '../store/store.ts';
import {BlockIndex} from './block-index.ts';
import type {SlotLedger} from './slot-ledger.ts';

export interface BlockSchedulingDeps {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly log: Log;
  /** Where scripts run that name no cluster. */
  readonly defaultCluster: string;
  readonly slots: SlotLedger;
  /** One fenced transaction. */
  write(commit: Commit): Promise<Revision>;
  /** Resolves when the cache shows what was written. */
  seen(revision: Revision): Promise<void>;
}

/** What a processing block is called among scans: no scan's id has a slash. */
export const blockName = (id: string): string => `pb/${id}`;

/** The block's id, where a name is one's. */
export function blockOfName(name: string): string | undefined {
  return name.startsWith('pb/') ? name.slice('pb/'.length) : undefined;
}

/** The scheduler's part that is about processing blocks: who waits, where in the backlog, and what is granted. */
export class BlockScheduling {
  readonly #deps: BlockSchedulingDeps;
  readonly #look: WaitingLookups;
  readonly #index: BlockIndex;
  readonly #isDue: (name: string) => void;

  /** @param isDue called with the name of a block whose place in the backlog is to be looked at: {@link tidying} */
  constructor(deps: BlockSchedulingDeps, isDue: (name: string) => void) {
    const {cache} = deps;
    this.#deps = deps;
    this.#isDue = isDue;
    this.#index = new BlockIndex(cache);
    this.#look = {pb: (id) => cache.pbs.get(id), script: (id) => cache.scripts.get(id), deployment: (id) => cache.deployments.get(id)};
  }

  /** Takes in all blocks anew; what they were granted is counted again. */
  takeAll(): void {
    for (const {id} of this.#index.known()) this.#index.takePb(id);
    for (const {id} of this.#deps.cache.pbs) {
      this.#index.takePb(id);
      this.#takeOne(id);
    }
  }

  /** Takes in a changed key. @returns whether it was about a block */
  take(ref: KeyRef): boolean {
    if (ref.kind === 'pb' || ref.kind === 'pb-state') {
      const {hasOutcomeChanged} = this.#index.takePb(ref.id);
      this.#takeOne(ref.id);
      if (hasOutcomeChanged) for (const id of this.#index.dependentsOf(ref.id)) this.#takeOne(id);
      return true;
    }
    if (ref.kind !== 'pb-admission' && !(ref.kind === 'backlog' && ref.of === 'pb')) return false;
    this.#takeOne(ref.id);
    return true;
  }

  #takeOne(id: string): void {
    const {cache, slots} = this.#deps;
    const record = cache.pbs.get(id);
    const name = blockName(id);
    // What a damaged admission granted is in use all the same.
    const isDamaged = record?.bad?.has('admission') === true;
    slots.setGranted(name, isDamaged ? (slots.granted(name) ?? this.#wantedBy(record)) : record?.admission?.value.slots);
    if (record !== undefined && (record.waiting !== undefined || waitsForSlots(record, this.#look))) this.#isDue(name);
  }

  #wantedBy(record: PbRecord): Readonly<Record<string, number>> {
    const {cluster, slots} = demandOfBlock(record, this.#look, this.#deps.defaultCluster);
    return {[cluster]: slots};
  }

  /** What is to be done about a block's place in the backlog; `undefined`: nothing. */
  tidying(id: string): (() => Promise<void>) | undefined {
    const record = this.#deps.cache.pbs.get(id);
    if (record === undefined) return undefined;
    const [first, ...more] = placesOf(record);
    if (waitsForSlots(record, this.#look)) {
      if (first === undefined) return () => this.#enlist(record);
      if (more.length > 0) return () => this.#strike(record, more);
      return first.entry.value.priority === priorityOf(record) ? undefined : () => this.#move(record, first);
    }
    // What is damaged is left as it is until it is repaired.
    if (first === undefined || ['spec', 'state', 'admission'].some((part) => record.bad?.has(part))) return undefined;
    return () => this.#strike(record, [first, ...more]);
  }

  async #enlist(record: PbRecord): Promise<void> {
    const {clock, log} = this.#deps;
    const priority = priorityOf(record);
    const nowMs = clock.now();
    const entry: BacklogEntry = {timestamp: nowMs / 1000, priority, pending_timestamp: 0, next_attempt: 0};
    const key = keys.backlogKey(backlogOrder(priority, nowMs), record.id, 'pb');
    const revision = await this.#deps.write({compares: [{key, modRevision: 0}, ...unchanged(record)], ops: [putJson(key, entry)]});
    log.info({pbId: record.id, priority}, 'put on the backlog');
    // Until that shows, it would get a second place, at another time.
    await this.#deps.seen(revision);
  }

  async #strike(record: PbRecord, places: readonly Place[]): Promise<void> {
    const some = places.slice(0, MAX_AT_ONCE);
    await this.#deps.write({compares: [...some.map(compareOf), ...unchanged(record)], ops: some.map(({key}) => ({delete: key}))});
  }

  async #move(record: PbRecord, from: Place): Promise<void> {
    const priority = priorityOf(record);
    const to = keys.backlogKey(backlogOrder(priority, from.entry.value.timestamp * 1000), record.id, 'pb');
    const entry = putJson(to, {...from.entry.value, priority});
    await this.#deps.write({compares: [compareOf(from), ...unchanged(record)], ops: from.key === to ? [entry] : [{delete: from.key}, entry]});
  }

  /** The block, if it waits: what is on the backlog need not. */
  waiting(id: string): PbRecord | undefined {
    const record = this.#deps.cache.pbs.get(id);
    return record !== undefined && waitsForSlots(record, this.#look) ? record : undefined;
  }

  /** What a waiting block gets now; `undefined`: it waits, and nobody younger may take what it waits for. */
  grant(record: PbRecord, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): Grant | undefined {
    const demand = demandOfBlock(record, this.#look, this.#deps.defaultCluster);
    const grant = grantForBlock(demand, free, clusters);
    if (grant === undefined) holdBackForBlock(demand, free, clusters);
    return grant;
  }

  /** Keeps what a waiting block waits for from those that only want more. */
  holdBack(record: PbRecord, free: FreeSlots, clusters: ReadonlyMap<string, ClusterFacts>): void {
    holdBackForBlock(demandOfBlock(record, this.#look, this.#deps.defaultCluster), free, clusters);
  }

  async admit(record: PbRecord, {slots, short}: Grant): Promise<void> {
    const {clock, log} = this.#deps;
    const {id} = record;
    const admission: Admission = {attempt: 1, slots, admitted_at: rfc3339(clock.now()), ...(short === undefined ? {} : {short})};
    const places = placesOf(record).slice(0, MAX_AT_ONCE);
    const key = keys.pbAdmissionKey(id);
    const revision = await this.#deps.write({
      compares: [...unchanged(record), {key, modRevision: 0}, ...places.map(compareOf)],
      ops: [putJson(key, admission), ...places.map((place) => ({delete: place.key}))],
    });
    log.info({pbId: id, slots}, 'admitted');
    await this.#deps.seen(revision);
  }
}

/** One entry in the backlog. */
interface Place {
  readonly key: string;
  readonly entry: Entry<BacklogEntry>;
}

/** First to be admitted first. There should be one. */
function placesOf({id, waiting}: PbRecord): readonly Place[] {
  const orders = [...(waiting?.keys() ?? [])].toSorted((a, b) => (`${a}/` < `${b}/` ? -1 : 1));
  return orders.map((order) => ({key: keys.backlogKey(order, id, 'pb'), entry: waiting?.get(order) as Entry<BacklogEntry>}));
}

const compareOf = ({key, entry}: Place): Compare => ({key, modRevision: entry.modRevision});

const priorityOf = ({spec}: PbRecord): number => spec?.value.priority ?? 0;

/** The block and its state, as they were decided on. What it depends on is done, and stays so. */
function unchanged(record: PbRecord): Compare[] {
  return [
    {key: keys.pbKey(record.id), modRevision: revisionOf(record, 'spec')},
    {key: keys.pbStateKey(record.id), modRevision: revisionOf(record, 'state')},
  ];
}
