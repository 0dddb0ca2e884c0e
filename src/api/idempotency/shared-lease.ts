import type {Clock} from '../../lib/clock.ts';
import type {LeaseId, Store} from '../../store/store.ts';

/** How long one lease takes further keys. Each key lives so much longer than asked, at most. */
const TAKES_SECONDS = 3600;
/** How many keys one lease takes: etcd deletes all keys of a lease at once. */
const TAKES_KEYS = 1000;

/**
 * Leases for keys that are to be kept for `keepSeconds` and then to go away by themselves.
 *
 * A lease of its own for each key would cost a second write each, and etcd a timer each. So many keys share one, which is granted for the time that
 * it takes keys and `keepSeconds` on top of that, and which nobody keeps alive: it needs no process to live on, and none to end.
 */
export class SharedLease {
  readonly #store: Pick<Store, 'grantLease'>;
  readonly #clock: Clock;
  readonly #keepSeconds: number;
  readonly #takesSeconds: number;
  #current: {readonly id: Promise<LeaseId>; readonly untilMs: number; keys: number} | undefined;

  constructor(store: Pick<Store, 'grantLease'>, clock: Clock, keepSeconds: number) {
    this.#store = store;
    this.#clock = clock;
    this.#keepSeconds = keepSeconds;
    this.#takesSeconds = Math.min(TAKES_SECONDS, keepSeconds);
  }

  /** A lease for one more key, which is written now. @throws ControlPlaneError as {@link Store.grantLease} */
  async take(): Promise<LeaseId> {
    const nowMs = this.#clock.monotonicMs();
    let current = this.#current;
    if (current === undefined || nowMs >= current.untilMs || current.keys >= TAKES_KEYS) {
      const id = this.#store.grantLease(this.#keepSeconds + this.#takesSeconds);
      current = this.#current = {id, untilMs: nowMs + this.#takesSeconds * 1000, keys: 0};
    }
    current.keys += 1;
    try {
      return await current.id;
    } catch (err) {
      if (this.#current === current) this.#current = undefined;
      throw err;
    }
  }

  /** A lease that etcd does not know any more: revoked by hand, or this process slept through its end. */
  async drop(lease: LeaseId): Promise<void> {
    const current = this.#current;
    if (current !== undefined && (await current.id.catch(() => lease)) === lease && this.#current === current) this.#current = undefined;
  }
}
