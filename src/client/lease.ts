import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {EtcdMembers} from '../store/etcd-members.ts';
import {EtcdLeaseKeeper} from '../store/lease-keeper.ts';
import type {LeaseId} from '../store/store.ts';

export interface LeaseDeps {
  readonly members: EtcdMembers;
  readonly clock: Clock;
  readonly log: Log;
}

/** How long a lease may take to be granted. */
const GRANT_TIMEOUT_MS = 10_000;
/** In one time to live, as ska-sdp-config has it. */
const RENEWALS = 4;
const MIN_TTL_SECONDS = 1;
/** etcd's largest. */
const MAX_TTL_SECONDS = 9_000_000_000;

/**
 * A lease that is kept alive until it is revoked: keys attached to it say that this process lives.
 *
 * `held` (granted, and renewed in time by the monotonic clock), then for good either `revoked` (by us: its keys have gone) or `lost` (its deadline has passed, or
 * etcd does not know it any more: its keys have gone or go now, and nothing may be done in its name).
 */
export class Lease implements AsyncDisposable {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  readonly #keeper: EtcdLeaseKeeper;
  readonly #stop: AbortController;
  readonly #running: Promise<void>;
  readonly #listeners = new Set<() => void>();
  #isRevoked = false;

  /** @internal Use {@link grantLease}. */
  constructor(id: LeaseId, keeper: EtcdLeaseKeeper, stop: AbortController, running: Promise<void>) {
    this.id = id;
    this.ttlSeconds = keeper.ttlSeconds;
    this.#keeper = keeper;
    this.#stop = stop;
    this.#running = running;
    keeper.onLost(() => this.#lose(), stop.signal);
    // Lost before anybody listened; the keeper may hold another by now.
    if (keeper.current() !== id) this.#lose();
  }

  /** Whether it is held, and so may be acted upon. Looks at the clock on every call. */
  get isHeld(): boolean {
    return !this.#stop.signal.aborted && this.#keeper.current() === this.id;
  }

  /** Whether it has ended without having been revoked here. */
  get isLost(): boolean {
    return !this.isHeld && !this.#isRevoked;
  }

  /** Called once when it is lost, or soon if it is already. */
  onLost(listener: () => void): void {
    if (this.isLost) queueMicrotask(listener);
    else this.#listeners.add(listener);
  }

  /** Resolves once it has ended, either way. */
  get ended(): Promise<void> {
    return this.#running;
  }

  /** Ends it: every key attached to it goes at once. Bounded: where etcd cannot be reached, they go when the time is up. */
  async revoke(): Promise<void> {
    if (!this.isLost) this.#isRevoked = true;
    this.#listeners.clear();
    this.#stop.abort();
    await this.#running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.revoke();
  }

  #lose(): void {
    // An abort of ours ends the lease, too, and is no loss. After a loss the keeper would grant another: it is stopped.
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    for (const listener of this.#listeners) queueMicrotask(listener);
    this.#listeners.clear();
  }
}

/** @throws ControlPlaneError `invalid`: no time to live that etcd takes; `unavailable`: none was granted within 10 s */
export async function grantLease(deps: LeaseDeps, ttlSeconds: number, signal?: AbortSignal): Promise<Lease> {
  if (!Number.isInteger(ttlSeconds) || ttlSeconds < MIN_TTL_SECONDS || ttlSeconds > MAX_TTL_SECONDS) {
    throw new ControlPlaneError('invalid', `ttlSeconds: it is a whole number from ${MIN_TTL_SECONDS} on`);
  }
  const keeper = new EtcdLeaseKeeper({...deps, ttlSeconds, renewals: RENEWALS});
  const stop = new AbortController();
  const running = keeper.run(stop.signal);
  try {
    const id = await keeper.acquire(AbortSignal.any([AbortSignal.timeout(GRANT_TIMEOUT_MS), ...(signal === undefined ? [] : [signal])]));
    return new Lease(id, keeper, stop, running);
  } catch (err) {
    stop.abort();
    await running;
    signal?.throwIfAborted();
    throw new ControlPlaneError('unavailable', 'no lease was granted, as the database cannot be reached', {cause: err});
  }
}
