import {assert} from '../lib/assert.ts';
import {canonicalJson} from '../lib/canonical-json.ts';
import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {parseKey} from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {parseOwner} from '../schema/owner.ts';
import type {Owner} from '../schema/owner.ts';
import type {Cache, Change} from './cache.ts';
import {CLAIMS_IN_FLIGHT, ClaimQueue} from './claim-queue.ts';
import type {ClaimRequest} from './claim-queue.ts';
import type {Claim, ClaimExtra, FencedWriter, LeaseKeeper, Ownership} from './contracts.ts';
import {isLeaseGone} from './etcd-errors.ts';
import {isOwnerRef, ownerKeyOf, ownersBy, seenOwner} from './owner-keys.ts';
import type {OwnerRef} from './owner-keys.ts';
import {OwnerKeyWriter, isBroken} from './owner-key-writer.ts';
import type {WriterKeeper} from './owner-key-writer.ts';
import type {CommitResult, Compare, KeyValue, LeaseId, Op, Revision, Store} from './store.ts';

/** Who we are in owner keys; the time of the claim is added. `replica` is random per process. */
export type Identity = Omit<Owner, 'since'>;

export interface OwnershipDeps {
  readonly store: Store;
  readonly cache: Cache;
  readonly lease: LeaseKeeper;
  readonly identity: Identity;
  readonly clock: Clock;
  readonly log: Log;
}

export type LossCause = 'lease' | 'deleted' | 'resigned';

/** A key that could not be given back is tried again this often. */
const RESIGN_AGAIN_MS = 1000;

/**
 * Owner keys of this process, in etcd.
 *
 * Our own keys are recognised by replica id and lease, so a claim whose reply was lost, and one that took effect after it was given up, is found
 * again: taken over by the next campaign, or given back.
 */
export class EtcdOwnership implements Ownership {
  readonly #deps: OwnershipDeps;
  readonly #owned = new Map<string, OwnerKeyWriter>();
  readonly #listeners = new Set<(ownerKey: string, cause: LossCause) => void>();
  readonly #campaigns = new Map<string, Promise<Claim>>();
  readonly #resigning = new Map<string, Promise<void>>();
  /** Keys that are ours in etcd, but not wanted: create revision by key. Given back in the background. */
  readonly #strays = new Map<string, Revision>();
  readonly #queue: ClaimQueue;
  readonly #keeper: WriterKeeper = {
    resign: (writer) => this.#resign([writer]),
    onGone: (writer) => this.#lose(writer, 'deleted'),
    onEnded: (writer) => this.#lose(writer, 'resigned'),
  };
  /** Up to which revision the watch has shown every change. */
  #eventRevision: Revision = 0;

  constructor(deps: OwnershipDeps) {
    this.#deps = deps;
    const valueBytes = Buffer.byteLength(canonicalJson({...deps.identity, since: rfc3339(0)}));
    this.#queue = new ClaimQueue(deps.store.limits, valueBytes, (batch) => this.#send(batch));
  }

  get ownedKeys(): Iterable<string> {
    return this.#owned.keys();
  }

  get ownedCount(): number {
    return this.#owned.size;
  }

  owned(ownerKey: string): FencedWriter | undefined {
    const writer = this.#owned.get(ownerKey);
    return writer?.isOwner() ? writer : undefined;
  }

  onLost(listener: (ownerKey: string, cause: LossCause) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const own = (ownerKey: string, cause: LossCause): void => listener(ownerKey, cause);
    this.#listeners.add(own);
    signal.addEventListener('abort', () => this.#listeners.delete(own), {once: true});
  }

  /** Watches over what is owned until `signal` aborts. To be running before the first campaign. */
  async run(signal: AbortSignal): Promise<void> {
    this.#deps.lease.onLost((lease) => this.#loseLease(lease), signal);
    this.#deps.cache.onChange((changes) => this.#onChange(changes), signal);
    while (!signal.aborted) {
      await sleep(RESIGN_AGAIN_MS, signal);
      if (!signal.aborted) await this.#resignStrays();
    }
  }

  campaign(ownerKey: string, extra?: ClaimExtra): Promise<Claim> {
    const before = this.#campaigns.get(ownerKey);
    if (before !== undefined && extra === undefined) return before;
    const claim = this.#campaign(ownerKey, extra, before);
    this.#campaigns.set(ownerKey, claim);
    const forget = (): void => {
      if (this.#campaigns.get(ownerKey) === claim) this.#campaigns.delete(ownerKey);
    };
    claim.then(forget, () => {
      forget();
      // It may have worked all the same, and the watch have shown it while it was still under way.
      const ref = parseKey(ownerKey);
      if (isOwnerRef(ref) && !this.#owned.has(ownerKey)) this.#noteStray(ownerKey, ref);
    });
    return claim;
  }

  async resignMany(ownerKeys: readonly string[]): Promise<void> {
    const writers: OwnerKeyWriter[] = [];
    for (const key of ownerKeys) {
      const writer = this.#owned.get(key);
      if (writer !== undefined) writers.push(writer);
    }
    const batches: OwnerKeyWriter[][] = [];
    for (let i = 0; i < writers.length; i += this.#queue.batchSize) batches.push(writers.slice(i, i + this.#queue.batchSize));
    const next = batches.values();
    // As many at once as claims: a hand-over of thousands of keys takes tenths of a second.
    await Promise.all(
      Array.from({length: CLAIMS_IN_FLIGHT}, async () => {
        for (const batch of next) await this.#resign(batch);
      }),
    );
  }

  // Claiming

  #campaign(key: string, extra: ClaimExtra | undefined, before: Promise<Claim> | undefined): Promise<Claim> {
    // What is under way for this key ends first: two claims of it would each take the other's key for a stranger's.
    if (before !== undefined || this.#resigning.has(key)) return this.#campaignAfter(key, extra, before);
    const writer = this.#owned.get(key);
    if (writer?.isOwner()) return extra === undefined ? Promise.resolve(elected(writer, writer.createRevision)) : this.#commitExtra(writer, extra);
    if (this.#deps.lease.current() === undefined) return Promise.resolve({kind: 'no_lease'});
    return new Promise<Claim>((resolve, reject) => {
      this.#queue.add({key, extra, alone: false, resolve, reject});
    });
  }

  async #campaignAfter(key: string, extra: ClaimExtra | undefined, before: Promise<Claim> | undefined): Promise<Claim> {
    await before?.catch(() => {});
    await this.#resigning.get(key);
    return this.#campaign(key, extra, undefined);
  }

  /** What should have travelled with a claim, for a key that is ours already. */
  async #commitExtra(writer: OwnerKeyWriter, extra: ClaimExtra): Promise<Claim> {
    const result = await writer.tryCommit(extra.compares, extra.ops);
    return result.ok ? elected(writer, result.revision) : {kind: 'refused', result};
  }

  /** Never rejects: every request of the batch is answered, or goes back into the queue. */
  async #send(batch: readonly ClaimRequest[]): Promise<void> {
    const {store, lease, identity, clock} = this.#deps;
    const leaseId = lease.current();
    if (leaseId === undefined) {
      for (const request of batch) request.resolve({kind: 'no_lease'});
      return;
    }
    const value = canonicalJson({...identity, since: rfc3339(clock.now())} satisfies Owner);
    const compares: Compare[] = [];
    const ops: Op[] = [];
    for (const {key, extra} of batch) {
      compares.push({key, createRevision: 0}, ...(extra?.compares ?? []));
      ops.push({put: key, value, lease: leaseId}, ...(extra?.ops ?? []));
    }
    try {
      const result = await store.commit({compares, ops});
      if (result.ok) for (const request of batch) request.resolve(this.#elect(request.key, result.revision, leaseId));
      else this.#onRefused(batch, result, leaseId);
    } catch (err) {
      await this.#onFailed(batch, err, leaseId, value);
    }
  }

  /** Finds out who was the reason: those are answered, the others go again. */
  #onRefused(batch: readonly ClaimRequest[], result: CommitResult & {readonly ok: false}, leaseId: LeaseId): void {
    const again: ClaimRequest[] = [];
    for (const request of batch) {
      const own = [{key: request.key, createRevision: 0}, ...(request.extra?.compares ?? [])];
      const holder = result.found.get(request.key);
      if (holder !== undefined && this.#isOurs(holder, leaseId)) {
        // An earlier claim whose reply was lost.
        const writer = this.#adopt(request.key, holder.createRevision, leaseId);
        if (request.extra === undefined) request.resolve(elected(writer, holder.createRevision));
        else this.#commitExtra(writer, request.extra).then(request.resolve, request.reject);
      } else if (batch.length === 1 || own.some((compare) => isBroken(compare, result.found))) {
        request.resolve({kind: 'refused', result: {...result, found: pick(result.found, own)}});
      } else again.push(request);
    }
    // Nobody to blame by single keys: a compare of a prefix. Each for itself then.
    if (again.length === batch.length) for (const request of again) request.alone = true;
    this.#queue.addFirst(again);
  }

  async #onFailed(batch: readonly ClaimRequest[], err: unknown, leaseId: LeaseId, value: string): Promise<void> {
    if (isLeaseGone(err)) {
      this.#deps.lease.check();
      for (const request of batch) request.resolve({kind: 'no_lease'});
    } else if (hasCode(err, 'unknown_outcome')) {
      this.#deps.log.warn({err, claims: batch.length}, 'the reply to a claim was lost; reading back');
      await Promise.all(batch.map((request) => this.#readBack(request, err, leaseId, value)));
    } else if (batch.length > 1 && !hasCode(err, 'unavailable')) {
      // One of them is not acceptable; the others must not suffer for it.
      for (const request of batch) request.alone = true;
      this.#queue.addFirst(batch);
    } else {
      for (const request of batch) request.reject(err);
    }
  }

  async #readBack(request: ClaimRequest, cause: unknown, leaseId: LeaseId, value: string): Promise<void> {
    try {
      const found = await this.#deps.store.get(request.key);
      if (found !== undefined && this.#isOurs(found, leaseId)) {
        const writer = this.#adopt(request.key, found.createRevision, leaseId);
        // The bytes tell this claim, with what travelled along, from an earlier one.
        if (request.extra === undefined || found.value.toString() === value) request.resolve(elected(writer, found.createRevision));
        else request.resolve(await this.#commitExtra(writer, request.extra));
      } else request.reject(cause);
    } catch {
      // Should the claim have worked, or work later, the watch shows it and it is given back.
      request.reject(cause);
    }
  }

  /** Whether a key carries our replica id and our present lease. */
  #isOurs(found: KeyValue, leaseId: LeaseId): boolean {
    if (found.lease !== leaseId) return false;
    try {
      return parseOwner(found.value.toString(), found.key).replica === this.#deps.identity.replica;
    } catch {
      return false;
    }
  }

  #elect(key: string, createRevision: Revision, leaseId: LeaseId): Claim {
    if (this.#deps.lease.current() !== leaseId) return {kind: 'no_lease'};
    return elected(this.#adopt(key, createRevision, leaseId), createRevision);
  }

  #adopt(key: string, createRevision: Revision, leaseId: LeaseId): OwnerKeyWriter {
    const known = this.#owned.get(key);
    if (known !== undefined && known.createRevision === createRevision && known.leaseId === leaseId) return known;
    const writer = new OwnerKeyWriter(key, createRevision, leaseId, this.#deps, this.#keeper);
    this.#strays.delete(key);
    this.#owned.set(key, writer);
    if (this.#deps.lease.current() !== leaseId) this.#lose(writer, 'lease');
    // The watch may have shown its end before the reply told of its beginning.
    else if (this.#eventRevision >= createRevision) this.#compareWithCache(writer, parseKey(key), false);
    return writer;
  }

  // Losing

  #lose(writer: OwnerKeyWriter, cause: LossCause): void {
    if (this.#owned.get(writer.ownerKey) !== writer) return;
    this.#owned.delete(writer.ownerKey);
    writer.deactivate();
    for (const listener of this.#listeners) {
      try {
        listener(writer.ownerKey, cause);
      } catch (err) {
        this.#deps.log.error({err}, 'a listener of the ownership threw');
      }
    }
  }

  #loseLease(lease: LeaseId): void {
    this.#strays.clear();
    // Each is deactivated before the first listener hears of any.
    const lost = [...this.#owned.values()].filter((writer) => writer.leaseId === lease);
    for (const writer of lost) writer.deactivate();
    for (const writer of lost) this.#lose(writer, 'lease');
  }

  #onChange(changes: readonly Change[]): void {
    const {cache, lease, identity} = this.#deps;
    // Where our own replica key went in the same revision, it is the lease that has gone, though we have not heard of it yet.
    let byLease: boolean | undefined;
    const check = (key: string, ref: OwnerRef): void => {
      const writer = this.#owned.get(key);
      if (writer !== undefined) {
        byLease ??= changes.some((change) => isReplicaChange(change, identity.replica)) && !cache.replicas.has(identity.replica);
        this.#compareWithCache(writer, ref, byLease);
      } else this.#noteStray(key, ref);
    };
    for (const change of changes) {
      this.#eventRevision = change.revision;
      if (change.kind === 'key') {
        if (isOwnerRef(change.ref)) check(change.key, change.ref);
        continue;
      }
      for (const writer of [...this.#owned.values()]) this.#compareWithCache(writer, parseKey(writer.ownerKey), false);
      for (const ref of ownersBy(cache, identity.replica)) check(ownerKeyOf(ref), ref);
    }
    if (byLease) lease.check();
  }

  #compareWithCache(writer: OwnerKeyWriter, ref: KeyRef | undefined, byLease: boolean): void {
    // Not shown yet; or we are deleting it ourselves. Judged by events alone: an old etcd's progress notices can be ahead of them.
    if (this.#eventRevision < writer.createRevision || this.#resigning.has(writer.ownerKey) || writer.isEnding) return;
    if (!isOwnerRef(ref)) return;
    const seen = seenOwner(this.#deps.cache, writer.ownerKey, ref);
    if (seen?.createRevision === writer.createRevision) return;
    this.#lose(writer, byLease ? 'lease' : 'deleted');
  }

  /** A claim of ours took effect after its caller had given it up. */
  #noteStray(key: string, ref: OwnerRef): void {
    if (this.#campaigns.has(key) || this.#resigning.has(key)) return;
    const seen = seenOwner(this.#deps.cache, key, ref);
    if (seen === undefined || !('value' in seen) || seen.value.replica !== this.#deps.identity.replica) return;
    const lease = this.#deps.lease.current();
    if (lease !== undefined && seen.lease === lease) this.#strays.set(key, seen.createRevision);
  }

  // Giving back

  async #resign(writers: readonly OwnerKeyWriter[]): Promise<void> {
    const mine = writers.filter((writer) => this.#owned.get(writer.ownerKey) === writer && !this.#resigning.has(writer.ownerKey));
    const others = writers.map((writer) => this.#resigning.get(writer.ownerKey));
    // No write of ours may begin from here on.
    for (const writer of mine) writer.deactivate();
    const done = this.#delete(new Map(mine.map((writer) => [writer.ownerKey, writer.createRevision])));
    await Promise.all([done, ...others]);
    for (const writer of mine) this.#lose(writer, 'resigned');
  }

  async #resignStrays(): Promise<void> {
    const strays = [...this.#strays].filter(([key]) => !this.#owned.has(key) && !this.#campaigns.has(key) && !this.#resigning.has(key));
    if (strays.length > 0) this.#deps.log.warn({count: strays.length}, 'giving back owner keys that nobody here uses');
    for (let i = 0; i < strays.length; i += this.#queue.batchSize) {
      const batch = strays.slice(i, i + this.#queue.batchSize);
      for (const [key] of batch) this.#strays.delete(key);
      await this.#delete(new Map(batch));
    }
  }

  /** Deletes owner keys if they still have these create revisions. Never rejects: what does not work now is tried again in the background. */
  #delete(keys: Map<string, Revision>): Promise<void> {
    if (keys.size === 0) return Promise.resolve();
    const done = this.#deleteUntilDone(new Map(keys)).finally(() => {
      for (const key of keys.keys()) this.#resigning.delete(key);
    });
    for (const key of keys.keys()) this.#resigning.set(key, done);
    return done;
  }

  async #deleteUntilDone(left: Map<string, Revision>): Promise<void> {
    try {
      while (left.size > 0) {
        const compares = [...left].map(([key, createRevision]) => ({key, createRevision}));
        const result = await this.#deps.store.commit({compares, ops: compares.map(({key}) => ({delete: key}))});
        if (result.ok) return;
        const before = left.size;
        for (const [key, createRevision] of left) if (result.found.get(key)?.createRevision !== createRevision) left.delete(key);
        assert(left.size < before, 'a refused transaction names what refused it');
      }
    } catch (err) {
      this.#deps.log.warn({err, keys: left.size}, 'owner keys could not be given back; trying again');
      for (const [key, createRevision] of left) this.#strays.set(key, createRevision);
    }
  }
}

function isReplicaChange(change: Change, replica: string): boolean {
  return change.kind === 'key' && change.ref.kind === 'replica' && change.ref.id === replica;
}

function elected(writer: FencedWriter, revision: Revision): Claim {
  return {kind: 'elected', writer, revision};
}

/** Of what was found, the part that these compares asked for. */
function pick(found: ReadonlyMap<string, KeyValue | undefined>, compares: readonly Compare[]): Map<string, KeyValue | undefined> {
  const part = new Map<string, KeyValue | undefined>();
  for (const compare of compares) if (!('prefix' in compare)) part.set(compare.key, found.get(compare.key));
  return part;
}
