import {canonicalJson} from '../lib/canonical-json.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {replicaKey} from '../schema/keys.ts';
import type {Replica} from '../schema/replica.ts';
import type {Cache} from './cache.ts';
import type {LeaseKeeper} from './contracts.ts';
import {isLeaseGone} from './etcd-errors.ts';
import type {LeaseId, Store} from './store.ts';

export interface MembershipDeps {
  readonly store: Store;
  readonly cache: Cache;
  readonly lease: LeaseKeeper;
  /** Random per process. */
  readonly id: string;
  readonly replica: Replica;
  readonly clock: Clock;
  readonly log: Log;
}

/** A live process. */
export interface Member {
  readonly id: string;
  readonly replica: Replica;
}

/** How often our own key is looked at without an event, and how soon again after a write that failed. */
const LOOK_EVERY_MS = 1000;
const AGAIN_MS = 250;

/**
 * Which replicas live: those whose `/replica/[id]` stands with a lease. Keeps our own there, also when its lease was lost or somebody deleted it.
 *
 * Every replica sees the same set as soon as its cache has the same revision.
 */
export class Membership {
  readonly #deps: MembershipDeps;
  #live: readonly Member[] = [];
  #changedAtMs: number;
  #hasLeft = false;
  #wake: AbortController | undefined;

  constructor(deps: MembershipDeps) {
    this.#deps = deps;
    this.#changedAtMs = deps.clock.monotonicMs();
  }

  /** Our own id. */
  get self(): string {
    return this.#deps.id;
  }

  /** The live replicas, in the order of their ids. Reads the cache itself, so that it is never behind it, whichever listener is asked first. */
  live(): readonly Member[] {
    this.#look();
    return this.#live;
  }

  /** When the set of live replicas changed last, on the monotonic clock. */
  get stableSinceMs(): number {
    this.#look();
    return this.#changedAtMs;
  }

  /** For how long the set of live replicas has been what it is. */
  stableForMs(): number {
    const since = this.stableSinceMs;
    return this.#deps.clock.monotonicMs() - since;
  }

  /** Takes our key away, so that the others stop counting on us while we hand over; the lease stays. Not to be undone. Never rejects. */
  async leave(): Promise<void> {
    this.#hasLeft = true;
    try {
      await this.#deps.store.commit({compares: [], ops: [{delete: replicaKey(this.self)}]});
    } catch (err) {
      this.#deps.log.warn({err}, 'could not take the replica key away; it goes with the lease');
    }
  }

  /** Keeps our own key until `signal` aborts; then it goes with the lease, which is somebody else's to revoke. */
  async run(signal: AbortSignal): Promise<void> {
    const {cache, lease, log, id} = this.#deps;
    cache.onChange((changes) => {
      if (!changes.some((change) => change.kind === 'relist' || change.ref.kind === 'replica')) return;
      this.#look();
      if (!this.#isPresent(lease.current())) this.#wake?.abort();
    }, signal);
    lease.onLost(() => this.#wake?.abort(), signal);
    await cache.ready(signal).catch(() => {});
    while (!signal.aborted) {
      const held = await lease.acquire(signal).catch(() => undefined);
      if (held === undefined || this.#hasLeft) break;
      let pauseMs = LOOK_EVERY_MS;
      if (!this.#isPresent(held)) {
        try {
          await this.#put(held);
        } catch (err) {
          if (isLeaseGone(err)) lease.check();
          log.warn({err, id}, 'could not announce this replica; trying again');
          pauseMs = AGAIN_MS;
        }
      }
      if (signal.aborted) break;
      this.#wake = new AbortController();
      // It may have gone between the look and here.
      if (pauseMs === AGAIN_MS || this.#isPresent(lease.current())) await sleep(pauseMs, AbortSignal.any([signal, this.#wake.signal]));
      this.#wake = undefined;
    }
  }

  /** Without a compare: the id is ours alone, and a key left from a lost lease is to get the new one. */
  async #put(lease: LeaseId): Promise<void> {
    const {store, cache, id, replica, log} = this.#deps;
    const result = await store.commit({compares: [], ops: [{put: replicaKey(id), value: canonicalJson(replica), lease}]});
    log.info({id}, 'replica announced');
    await cache.waitFor(result.revision, LOOK_EVERY_MS).catch(() => {});
  }

  #isPresent(lease: LeaseId | undefined): boolean {
    return this.#hasLeft || (lease !== undefined && this.#deps.cache.replicas.get(this.self)?.lease === lease);
  }

  #look(): void {
    const live: Member[] = [];
    for (const [id, entry] of this.#deps.cache.replicas) if (entry.lease !== '0') live.push({id, replica: entry.value});
    live.sort((a, b) => (a.id < b.id ? -1 : 1));
    const before = this.#live;
    this.#live = live;
    if (live.length !== before.length || live.some(({id}, i) => id !== before[i]?.id)) this.#changedAtMs = this.#deps.clock.monotonicMs();
  }
}
