import type {LeaseId} from '../../../src/store/store.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';
import {leaseExists, leaseNotFound} from './grpc-error.ts';
import type {Key} from './key-space.ts';

interface Lease {
  readonly id: LeaseId;
  readonly ttlSeconds: number;
  expiresAtMs: number;
  readonly keys: Set<Key>;
}

/** etcd grants no less, at its default election timeout. */
const MIN_TTL_SECONDS = 2;
/** etcd looks for expired leases every 500 ms. */
const EXPIRY_LAG_MS = 500;

/** Leases and what is attached to them. One that has expired is renewed no more, but its keys stand until etcd comes round to revoke it. */
export class LeaseTable {
  readonly #leases = new Map<LeaseId, Lease>();
  readonly #leaseOf = new Map<Key, Lease>();
  readonly #time: VirtualTime;
  readonly #random: () => number;
  readonly #onExpired: (id: LeaseId) => void;

  constructor(time: VirtualTime, random: () => number, onExpired: (id: LeaseId) => void) {
    this.#time = time;
    this.#random = random;
    this.#onExpired = onExpired;
  }

  /** A new lease; `id` 0 lets the table choose one. @throws GrpcError if there is one of that id. */
  grant(ttlSeconds: number, id: LeaseId): {readonly id: LeaseId; readonly ttlSeconds: number} {
    if (this.#leases.has(id)) throw leaseExists();
    const lease: Lease = {
      id: id === '0' ? this.#newId() : id,
      ttlSeconds: Math.max(MIN_TTL_SECONDS, ttlSeconds),
      expiresAtMs: 0,
      keys: new Set(),
    };
    this.#leases.set(lease.id, lease);
    this.#extend(lease);
    this.#watch(lease);
    return lease;
  }

  has(id: LeaseId): boolean {
    return this.#leases.has(id);
  }

  /** Seconds that it lives from now on; 0: there is none, or it has expired. */
  renew(id: LeaseId): number {
    const lease = this.#leases.get(id);
    if (lease === undefined || this.#time.nowMs >= lease.expiresAtMs) return 0;
    this.#extend(lease);
    return lease.ttlSeconds;
  }

  /** Every lease begins anew, as after an election. */
  renewAll(): void {
    for (const lease of this.#leases.values()) this.#extend(lease);
  }

  /** Ends a lease. @returns the keys that go with it, sorted. @throws GrpcError */
  revoke(id: LeaseId): Key[] {
    const lease = this.#leases.get(id);
    if (lease === undefined) throw leaseNotFound();
    this.#leases.delete(id);
    for (const key of lease.keys) this.#leaseOf.delete(key);
    return [...lease.keys].sort();
  }

  /** A key was written: it is attached to this lease and to no other; `'0'`: to none. */
  attach(key: Key, id: LeaseId): void {
    this.#leaseOf.get(key)?.keys.delete(key);
    const lease = this.#leases.get(id);
    if (lease === undefined) this.#leaseOf.delete(key);
    else {
      lease.keys.add(key);
      this.#leaseOf.set(key, lease);
    }
  }

  #extend(lease: Lease): void {
    lease.expiresAtMs = this.#time.nowMs + lease.ttlSeconds * 1000;
  }

  #watch(lease: Lease): void {
    const lagMs = this.#random() * EXPIRY_LAG_MS;
    this.#time.after(
      Math.max(1, lease.expiresAtMs - this.#time.nowMs) + lagMs,
      () => {
        if (this.#leases.get(lease.id) !== lease) return;
        if (this.#time.nowMs >= lease.expiresAtMs) this.#onExpired(lease.id);
        if (this.#leases.get(lease.id) === lease) this.#watch(lease);
      },
      undefined,
    );
  }

  /** A positive int64, as etcd's. */
  #newId(): LeaseId {
    const part = (): bigint => BigInt(Math.floor(this.#random() * 2 ** 31));
    return ((part() << 31n) | part() | 1n).toString();
  }
}
