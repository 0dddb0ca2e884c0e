import {ReadSet} from '../store/read-set.ts';
import type {TransactOptions} from '../store/transact.ts';
import type {ChangeWatch, Woken} from './change-watch.ts';
import type {ClientTransaction} from './client-transaction.ts';

export interface WatcherOptions {
  /** Runs the body again after so long without any change. Default: never. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Runs a transaction, and tells what it read once it has gone through. */
export type TransactHook = <T>(
  body: (tx: ClientTransaction) => Promise<T>,
  options: TransactOptions & {readonly onSuccess: (reads: ReadSet) => void},
) => Promise<T>;

/**
 * A loop whose body runs again whenever something changes that its transactions have read:
 *
 *     for await (const round of db.watcher()) {
 *       await round.transact(async (tx) => …);
 *     }
 *
 * Between the rounds it waits, without end unless there is a timeout. A key that was read wakes it with any change; a list with keys that come or go at
 * its levels. A round reads what is there then: values in between may be skipped. What is read by transactions that did not go through is not watched.
 * Each transaction has a snapshot of its own: two of one round may see different revisions, and a further round follows then.
 *
 * Leaving the loop ends it; one watcher is for one loop.
 */
export class Watcher implements AsyncIterable<Watcher>, AsyncDisposable {
  /** May be changed at any time; counts from the next wait on. */
  timeoutMs: number | undefined;
  /** What ended the last wait; `undefined` in the first round. */
  wokenBy: Woken | undefined;
  readonly #watch: ChangeWatch;
  readonly #transact: TransactHook;
  readonly #signal: AbortSignal | undefined;
  #reads = new ReadSet();

  /** @internal Use `db.watcher`. */
  constructor(watch: ChangeWatch, transact: TransactHook, options: WatcherOptions) {
    this.#watch = watch;
    this.#transact = transact;
    this.#signal = options.signal;
    this.timeoutMs = options.timeoutMs;
  }

  /** A transaction, as `db.transact`, whose reads are watched. */
  async transact<T>(body: (tx: ClientTransaction) => Promise<T>, options: TransactOptions = {}): Promise<T> {
    const signal = options.signal ?? this.#signal;
    return this.#transact(body, {...options, ...(signal === undefined ? {} : {signal}), onSuccess: (reads) => this.#reads.addAll(reads)});
  }

  /** Makes the body run again although nothing has changed. From anywhere; one before the wait begins counts, too. */
  trigger(): void {
    this.#watch.trigger();
  }

  /** Watches that are open in the database: of single keys, and of lists. */
  get watches(): {readonly keys: number; readonly lists: number} {
    return this.#watch.count;
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Watcher, void, undefined> {
    try {
      for (;;) {
        if (this.#signal?.aborted === true) return;
        this.#reads = new ReadSet();
        yield this;
        this.wokenBy = await this.#watch.wait(this.#reads, this.timeoutMs, this.#signal);
        if (this.wokenBy === 'stopped') return;
      }
    } finally {
      this.close();
    }
  }

  /** Ends all watches, and a loop that waits. */
  close(): void {
    this.#watch.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.close();
  }
}
