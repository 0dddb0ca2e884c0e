import {ControlPlaneError} from '../lib/errors.ts';
import type {FencedWriter, LeaseKeeper} from './contracts.ts';
import type {CommitResult, Compare, KeyValue, LeaseId, Op, Revision, Store} from './store.ts';

export interface WriterDeps {
  readonly store: Store;
  readonly lease: LeaseKeeper;
}

/** Whoever keeps the writers. */
export interface WriterKeeper {
  resign(writer: OwnerKeyWriter): Promise<void>;
  onGone(writer: OwnerKeyWriter): void;
  /** A write of ours took the owner key away. */
  onEnded(writer: OwnerKeyWriter): void;
}

/** Writes in the name of one owner key. */
export class OwnerKeyWriter implements FencedWriter {
  readonly ownerKey: string;
  readonly createRevision: Revision;
  readonly leaseId: LeaseId;
  readonly #deps: WriterDeps;
  readonly #keeper: WriterKeeper;
  #isActive = true;
  /** A write that takes the owner key away is under way: what the watch shows meanwhile is our own doing. */
  isEnding = false;

  constructor(ownerKey: string, createRevision: Revision, leaseId: LeaseId, deps: WriterDeps, keeper: WriterKeeper) {
    this.ownerKey = ownerKey;
    this.createRevision = createRevision;
    this.leaseId = leaseId;
    this.#deps = deps;
    this.#keeper = keeper;
  }

  isOwner(): boolean {
    return this.#isActive && this.#deps.lease.current() === this.leaseId;
  }

  deactivate(): void {
    this.#isActive = false;
  }

  async commit(compares: readonly Compare[], ops: readonly Op[]): Promise<Revision> {
    const result = await this.tryCommit(compares, ops);
    if (result.ok) return result.revision;
    const broken = compares.find((compare) => isBroken(compare, result.found));
    const key = broken === undefined ? undefined : 'prefix' in broken ? broken.prefix : broken.key;
    throw new ControlPlaneError('revision_conflict', 'somebody wrote first; read again', key === undefined ? {} : {key});
  }

  /** As {@link commit}, with a refusal by the caller's own compares as a result. */
  async tryCommit(compares: readonly Compare[], ops: readonly Op[]): Promise<CommitResult> {
    if (!this.isOwner()) throw this.#notOwner();
    const {ownerKey, createRevision} = this;
    this.isEnding = ops.some((op) => 'delete' in op && op.delete === ownerKey);
    let result: CommitResult;
    try {
      result = await this.#deps.store.commit({compares: [{key: ownerKey, createRevision}, ...compares], ops});
    } catch (err) {
      // Should it have worked, the key is missing at the next write, or when the owner looks again.
      this.isEnding = false;
      throw err;
    }
    if (result.ok && this.isEnding) this.#keeper.onEnded(this);
    this.isEnding = false;
    if (result.ok || result.found.get(ownerKey)?.createRevision === createRevision) return result;
    this.#keeper.onGone(this);
    throw this.#notOwner();
  }

  async resign(): Promise<void> {
    await this.#keeper.resign(this);
  }

  #notOwner(): ControlPlaneError {
    return new ControlPlaneError('not_owner', 'this process does not lead it any more', {key: this.ownerKey});
  }
}

/** Whether a compare did not hold, as far as single keys tell. */
export function isBroken(compare: Compare, found: ReadonlyMap<string, KeyValue | undefined>): boolean {
  if ('prefix' in compare) return false;
  const entry = found.get(compare.key);
  if ('exists' in compare) return entry === undefined;
  if ('createRevision' in compare) return (entry?.createRevision ?? 0) !== compare.createRevision;
  return (entry?.modRevision ?? 0) !== compare.modRevision;
}
