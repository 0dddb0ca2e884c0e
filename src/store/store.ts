/**
 * etcd's cluster-wide counter. A plain number: at 10,000 writes a second 2^53 is reached after 28,000 years, and the border refuses what is not safe.
 */
export type Revision = number;

/** A lease id as etcd gives it: a decimal string, since it is a full int64. `'0'` means none. */
export type LeaseId = string;

export interface KeyValue {
  readonly key: string;
  readonly value: Buffer;
  readonly createRevision: Revision;
  readonly modRevision: Revision;
  readonly lease: LeaseId;
}

/** One condition of a transaction. `createRevision`/`modRevision` 0 means: absent. */
export type Compare =
  | {readonly key: string; readonly createRevision: Revision}
  | {readonly key: string; readonly modRevision: Revision}
  | {readonly key: string; readonly exists: true}
  /** No key with this prefix was created after the revision: what makes a list part of a transaction. */
  | {readonly prefix: string; readonly createdUpTo: Revision};

/** One write of a transaction. A `put` without `lease` detaches the key from any lease. */
export type Op =
  | {readonly put: string; readonly value: string | Uint8Array; readonly lease?: LeaseId}
  | {readonly delete: string}
  | {readonly deletePrefix: string};

export interface Commit {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

/** Refused: a compare did not hold, nothing was written. `found` has the present entry of each compared key (`undefined`: absent). */
export type CommitResult =
  | {readonly ok: true; readonly revision: Revision}
  | {readonly ok: false; readonly revision: Revision; readonly found: ReadonlyMap<string, KeyValue | undefined>};

export interface ReadOptions {
  /** Read as of this revision. */
  readonly revision?: Revision;
  readonly signal?: AbortSignal;
}

export interface RangeOptions extends ReadOptions {
  readonly limit?: number;
  readonly keysOnly?: boolean;
  /** Start at this key instead of at the prefix: or, for paging, where the page before said that the next one begins. */
  readonly from?: string | Buffer;
}

export interface RangeResult {
  readonly entries: readonly KeyValue[];
  readonly revision: Revision;
  readonly more: boolean;
  /** Where the next page begins; absent: this is the last. In bytes of etcd's own, where a key need not be text. */
  readonly next?: Buffer;
  /** Keys in the range, whatever the limit. Cheap: etcd reads no values for it. */
  readonly count: number;
}

/** Where an etcd's limits are, so that batches fit. */
export interface StoreLimits {
  /** Operations per transaction, compares and writes counted apart (etcd's `--max-txn-ops`, 128). */
  readonly operations: number;
  /** Bytes per transaction that batches are kept under (etcd refuses 1.5 MiB). */
  readonly bytes: number;
  /** Bytes of one value that is no blob. */
  readonly value: number;
}

/**
 * The configuration database. Keys are without the global prefix.
 *
 * Reads are linearizable unless said otherwise, and retried on another member while their deadline lasts. Writes are sent at most once.
 *
 * @throws ControlPlaneError `unavailable`: not reached, nothing was written. `unknown_outcome`: a write was sent and its reply lost.
 *   `too_many_operations`, `too_large`: above a limit. `forbidden`: refused by etcd's access control. `not_found`: a put names a lease that is gone.
 */
export interface Store {
  readonly limits: StoreLimits;
  get(key: string, options?: ReadOptions): Promise<KeyValue | undefined>;
  /** Keys that start with `prefix`, in order. */
  range(prefix: string, options?: RangeOptions): Promise<RangeResult>;
  /** One transaction; at most once. */
  commit(commit: Commit): Promise<CommitResult>;
  /**
   * A new lease that ends by itself after `ttlSeconds`: for keys that are to go away some day. Nobody keeps it alive.
   *
   * @see LeaseKeeper for a lease that says that a process is alive
   */
  grantLease(ttlSeconds: number): Promise<LeaseId>;
  /** Lets a lease live on for its TTL from now, once. @returns that TTL in seconds; 0: the lease is gone */
  renewLease(lease: LeaseId): Promise<number>;
  /** A linearizable revision. Calls that overlap share one that was sent after all of them began. */
  currentRevision(): Promise<Revision>;
  /** Whether the last exchange with etcd worked; `false` lets a caller answer 503 at once instead of after a deadline. */
  isReachable(): boolean;
}
