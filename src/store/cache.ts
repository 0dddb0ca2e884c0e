import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from '../model/block-record.ts';
import type {Entry, BadEntry, ScanRecord} from '../model/scan-record.ts';
import type {EventHeader} from '../schema/blob.ts';
import type {Cluster} from '../schema/cluster.ts';
import type {BacklogKind, KeyRef} from '../schema/keys.ts';
import type {Owner} from '../schema/owner.ts';
import type {Meta, Replica} from '../schema/replica.ts';
import type {Revision} from './store.ts';

/** What changed: one key, at one revision. A hint to look again, never the new value. `relist` stands for "anything may have changed". */
export type Change =
  | {readonly kind: 'key'; readonly key: string; readonly ref: KeyRef; readonly revision: Revision}
  | {readonly kind: 'relist'; readonly revision: Revision};

/** An equality index over scans: the value under which a scan is found, or `undefined` for not at all. */
export interface ScanIndex {
  readonly name: string;
  of(scan: ScanRecord): string | undefined;
}

/** All scans, by id. Iteration is in no promised order. */
export interface ScanTable {
  readonly size: number;
  get(id: string): ScanRecord | undefined;
  values(): IterableIterator<ScanRecord>;
  /** Ids of the scans that the index `name` files under `value`. */
  idsBy(name: string, value: string): ReadonlySet<string>;
}

/** One waiting scan or processing block. */
export interface BacklogItem {
  readonly order: string;
  readonly of: BacklogKind;
  readonly id: string;
}

/** All objects of one kind, by id. Iteration is in no promised order. */
export interface Table<R> extends Iterable<R> {
  readonly size: number;
  get(id: string): R | undefined;
}

/**
 * What is stored under `/`, kept in memory by one watch: typed, indexed, at one revision.
 *
 * A whole etcd revision is applied before any listener runs, so a reader never sees half a transaction.
 */
export interface Cache {
  /** The revision up to which everything has been applied. Never decreases. */
  readonly revision: Revision;
  /** Milliseconds since the cache was last known to be current (an event, a progress notice or a relist). */
  ageMs(): number;
  /** Resolves when the first list has been applied. */
  ready(signal?: AbortSignal): Promise<void>;
  readonly scans: ScanTable;
  readonly ebs: Table<EbRecord>;
  readonly pbs: Table<PbRecord>;
  readonly deployments: Table<DeployRecord>;
  /** By `kind:name:version`. */
  readonly scripts: Table<ScriptRecord>;
  /** What waits, first to be admitted first. */
  backlog(): Iterable<BacklogItem>;
  readonly events: ReadonlyMap<string, Entry<EventHeader>>;
  readonly clusters: ReadonlyMap<string, Entry<Cluster>>;
  readonly replicas: ReadonlyMap<string, Entry<Replica>>;
  readonly leaders: ReadonlyMap<string, Entry<Owner>>;
  readonly meta: Entry<Meta> | undefined;
  /** Keys whose value does not parse, and why. */
  readonly bad: ReadonlyMap<string, BadEntry>;
  /**
   * Tells of a value that this process is about to write: should the key come with exactly this text, the value need not be parsed again. A hint.
   *
   * @param value what the text parses to; it is frozen when the text comes
   */
  expect(key: string, text: string, value: object): void;
  /** Called after each applied revision, once with all its changes. Listeners must not throw. */
  onChange(listener: (changes: readonly Change[]) => void, signal: AbortSignal): void;
  /** Resolves once `revision` has been applied. @throws ControlPlaneError `unavailable` after `timeoutMs`. */
  waitFor(revision: Revision, timeoutMs: number): Promise<void>;
  /**
   * Makes the next look at the cache a linearizable read: asks etcd for its revision (calls that overlap share the question) and waits until that
   * has been applied. @returns the revision. @throws ControlPlaneError `unavailable`: etcd was not reached, or its events did not come in time.
   */
  catchUp(signal?: AbortSignal): Promise<Revision>;
}
