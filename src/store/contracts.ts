import type {Commit, CommitResult, Compare, LeaseId, Op, Revision} from './store.ts';

/**
 * One lease per process, kept alive on the monotonic clock.
 *
 * States: `none` (not granted yet), `held` (the deadline, counted from before the last acknowledged renewal was sent, has not passed),
 * `lost` (it has passed, or etcd said that the lease is gone). After `lost` a new lease is granted by itself, with a new id.
 */
export interface LeaseKeeper {
  readonly ttlSeconds: number;
  /** The lease, while we may act on it; `undefined` otherwise. Looks at the clock on every call. */
  current(): LeaseId | undefined;
  /** Resolves with a held lease. */
  acquire(signal: AbortSignal): Promise<LeaseId>;
  /** Called with the lost lease's id. From then on nothing may be done in its name. */
  onLost(listener: (lease: LeaseId) => void, signal: AbortSignal): void;
  /** Asks etcd now instead of at the next renewal: for who has reason to think that the lease is gone. */
  check(): void;
  /** Keeps the lease until `signal` aborts; then revokes it, so that everything attached to it goes at once. */
  run(signal: AbortSignal): Promise<void>;
}

/** A write in the name of an owner key: refused unless that key's create revision still stands and the lease's deadline has not passed. */
export interface FencedWriter {
  /** The owner key, and the create revision that proves it is ours. */
  readonly ownerKey: string;
  readonly createRevision: Revision;
  /** Whether we may still act: lease held, owner key not seen gone. A hint; the proof is {@link commit}. */
  isOwner(): boolean;
  /**
   * One transaction, with the owner compare added. One that deletes the owner key itself is a resignation: with it the writer ends.
   *
   * @throws ControlPlaneError `not_owner`: the owner key is not ours any more. `revision_conflict`: one of the caller's own compares failed.
   *   `unknown_outcome`, `unavailable`: as {@link Store.commit}; the caller looks again.
   */
  commit(compares: readonly Compare[], ops: readonly Op[]): Promise<Revision>;
  /** Deletes the owner key if it is still ours. Never throws for a key that is gone already. */
  resign(): Promise<void>;
}

/** What may travel with a claim, so that admission, claim and launch intent are one transaction. */
export interface ClaimExtra {
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

export type Claim =
  | {readonly kind: 'elected'; readonly writer: FencedWriter; readonly revision: Revision}
  /** Another holds it, or a compare of the extra failed. */
  | {readonly kind: 'refused'; readonly result: CommitResult}
  /** No lease is held now. */
  | {readonly kind: 'no_lease'};

/** Claims owner keys, many per transaction. */
export interface Ownership {
  /** Claims one owner key; joins the batch that is being filled. A key that is ours already is returned as elected. */
  campaign(ownerKey: string, extra?: ClaimExtra): Promise<Claim>;
  /** The writer of a key that we own, or `undefined`. */
  owned(ownerKey: string): FencedWriter | undefined;
  /**
   * Called when a key of ours is ours no more. `lease`: our lease is gone; `deleted`: somebody else removed or replaced the key;
   * `resigned`: we gave it back.
   */
  onLost(listener: (ownerKey: string, cause: 'lease' | 'deleted' | 'resigned') => void, signal: AbortSignal): void;
  /** Gives many keys back in few transactions. Never throws for keys that are gone already. */
  resignMany(ownerKeys: readonly string[]): Promise<void>;
  /** Owner keys that we hold. */
  readonly ownedKeys: Iterable<string>;
  readonly ownedCount: number;
}

/** Independent creations, many per transaction, each with an answer of its own. */
export interface GroupCommit {
  /** So far: transactions sent for batches, and the commits that they carried. */
  readonly sent: {readonly transactions: number; readonly commits: number};
  /** As {@link Store.commit}; the answer comes after the caller's own data is durable. Falls back to a transaction of its own when its batch is refused. */
  commit(commit: Commit): Promise<CommitResult>;
}
