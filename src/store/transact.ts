import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import {sleep} from '../lib/sleep.ts';
import type {ReadSet} from './read-set.ts';
import type {Store} from './store.ts';
import {Transaction} from './transaction.ts';

export interface TransactOptions {
  /** How often the body is run again after a conflict. Default 64. */
  readonly maxRetries?: number;
  readonly signal?: AbortSignal;
}

/** What a caller may do with each attempt that went through, `loop` included. */
export interface AttemptHooks {
  /** Told what the attempt had read. */
  readonly onSuccess?: (reads: ReadSet) => void;
  /** Waits until something of it changes, or for `timeoutMs`. What `loop({wait: true})` needs. */
  readonly untilChanged?: (reads: ReadSet, timeoutMs: number | undefined) => Promise<void>;
}

const MAX_RETRIES = 64;
/** From so many conflicts in a row on there is a pause, of random length, so that many who want the same key get their turns. */
const PATIENT_AFTER = 4;
const MAX_PAUSE_MS = 64;

/**
 * Runs `body` in an optimistic transaction and returns what it returned. On a conflict everything is discarded and the body runs again on a new
 * snapshot: at once, after several in a row with a short pause.
 *
 * A body that throws writes nothing, and is not run again unless it threw `revision_conflict` (as a read does whose snapshot was compacted away).
 * A body that writes nothing succeeds without asking etcd to commit.
 *
 * @throws ControlPlaneError `revision_conflict`: conflicts in all attempts. `too_many_operations`: more than etcd takes in one transaction.
 *   `unknown_outcome`: the commit's reply was lost; it may have happened. `unavailable`. And what the body throws.
 */
export async function transact<T>(store: Store, body: (tx: Transaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
  return runAttempts(() => new Transaction(store, options.signal), body, options);
}

/** What `transact` does, with transactions that the caller makes, and with hooks. */
export async function runAttempts<X extends Transaction, T>(
  begin: () => X,
  body: (tx: X) => Promise<T>,
  options: TransactOptions & AttemptHooks = {},
): Promise<T> {
  const maxRetries = options.maxRetries ?? MAX_RETRIES;
  // A success in between, where the body loops, makes the count begin anew.
  for (let failures = 0; failures <= maxRetries; failures += 1) {
    if (failures > PATIENT_AFTER) await sleep(Math.random() * Math.min(MAX_PAUSE_MS, 2 ** (failures - PATIENT_AFTER)), options.signal);
    options.signal?.throwIfAborted();
    const tx = begin();
    const result = await attempt(tx, body);
    if (result === undefined) continue;
    tx.announce();
    if (!tx.isDiscarded) options.onSuccess?.(tx.reads);
    if (tx.isDiscarded || tx.again === undefined) return result.value;
    failures = -1;
    const {wait = false, timeoutMs} = tx.again;
    if (!wait) continue;
    if (options.untilChanged === undefined) throw new ControlPlaneError('unsupported', 'this transaction cannot wait: it has no watch');
    await options.untilChanged(tx.reads, timeoutMs);
  }
  throw new ControlPlaneError('revision_conflict', `the transaction did not succeed after ${maxRetries} retries`);
}

/** `undefined`: a conflict. */
async function attempt<X extends Transaction, T>(tx: X, body: (tx: X) => Promise<T>): Promise<{readonly value: T} | undefined> {
  try {
    const value = await body(tx);
    return tx.isDiscarded || (await tx.commit()) ? {value} : undefined;
  } catch (err) {
    if (hasCode(err, 'revision_conflict')) return undefined;
    throw err;
  } finally {
    tx.close();
  }
}
