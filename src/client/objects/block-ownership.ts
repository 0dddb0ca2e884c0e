import {hostname} from 'node:os';
import {canonicalJson} from '../../lib/canonical-json.ts';
import {rfc3339} from '../../lib/clock.ts';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {randomHex} from '../../schema/ids.ts';
import {pbOwnerKey} from '../../schema/keys.ts';
import {parseOwner} from '../../schema/owner.ts';
import type {Owner} from '../../schema/owner.ts';
import type {Revision} from '../../store/store.ts';
import type {SeenEntry, Transaction} from '../../store/transaction.ts';
import {Lease} from '../lease.ts';

/** One owner key that was asked for. */
interface Claim {
  readonly lease: Lease;
  /** The key's create revision; `undefined` while the commit's answer is out, or lost. */
  readonly createRevision?: Revision;
}

/** What one connection has claimed, and under which random id: a process that looks the same has another. */
export class Claims {
  readonly id = randomHex(16);
  readonly byKey = new Map<string, Claim>();
  readonly command: readonly string[];

  constructor(command: readonly string[]) {
    this.command = command;
  }
}

/** Owner keys of processing blocks, within one transaction. */
export class BlockOwnership {
  readonly #tx: Transaction;
  readonly #claims: Claims;
  readonly #clock: Clock;

  constructor(tx: Transaction, claims: Claims, clock: Clock) {
    this.#tx = tx;
    this.#claims = claims;
    this.#clock = clock;
  }

  async take(id: string, lease: Lease): Promise<void> {
    if (!(lease instanceof Lease)) throw new ControlPlaneError('invalid', 'an owner needs a lease: see db.lease and db.clientLease');
    if (!lease.isHeld) throw new ControlPlaneError('wrong_state', 'this lease is not held any more');
    const key = pbOwnerKey(id);
    const owner: Owner = {
      command: this.#claims.command,
      hostname: hostname(),
      pid: process.pid,
      replica: this.#claims.id,
      since: rfc3339(this.#clock.now()),
    };
    await this.#tx.create(key, canonicalJson(owner), {lease});
    // From before the commit: should its answer be lost, the random id and the lease tell.
    this.#claims.byKey.set(key, {lease});
    this.#tx.onCommit((createRevision) => this.#claims.byKey.set(key, {lease, createRevision}));
  }

  async release(id: string): Promise<void> {
    if (!(await this.isOurs(id))) return;
    const key = pbOwnerKey(id);
    await this.#tx.delete(key);
    this.#tx.onCommit(() => this.#claims.byKey.delete(key));
  }

  async isOurs(id: string): Promise<boolean> {
    const key = pbOwnerKey(id);
    const entry = await this.#tx.find(key);
    return entry !== undefined && this.#isClaimed(key, entry);
  }

  async get(id: string): Promise<Owner | undefined> {
    const key = pbOwnerKey(id);
    const text = await this.#tx.get(key);
    return text === undefined ? undefined : parseOwner(text, key);
  }

  #isClaimed(key: string, entry: SeenEntry): boolean {
    const claim = this.#claims.byKey.get(key);
    if (claim === undefined || claim.lease.id !== entry.lease || !claim.lease.isHeld) return false;
    // 0: this very transaction creates it.
    if (entry.createRevision !== 0 && claim.createRevision !== undefined && claim.createRevision !== entry.createRevision) return false;
    try {
      return parseOwner(entry.text, key).replica === this.#claims.id;
    } catch {
      return false;
    }
  }
}
