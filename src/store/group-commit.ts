import {unreachable} from '../lib/assert.ts';
import {ControlPlaneError, hasCode} from '../lib/errors.ts';
import type {GroupCommit} from './contracts.ts';
import {sizeOf, toBytes} from './etcd-store.ts';
import {findMark} from './read-back.ts';
import type {Mark} from './read-back.ts';
import type {Commit, CommitResult, Compare, KeyValue, Op, Revision, Store, StoreLimits} from './store.ts';

export interface GroupCommitOptions {
  /** Batches on their way at once. */
  readonly inFlight?: number;
  /** With a batch on its way, a further one leaves with no fewer commits than this: fewer are better served by the one after. */
  readonly secondBatch?: number;
  /** How long a lost reply is read back for. */
  readonly readBackMs?: number;
}

/** How often a refused batch goes again without those that were the reason, before each goes on its own. */
const BATCH_ROUNDS = 3;
/** Transactions, or reads, of single commits at once, when a batch had to be taken apart. */
const APART = 16;

/** One caller's commit, with what packing needs to know. */
interface Waiting {
  readonly commit: Commit;
  /** Keys that it compares, and keys that it writes. */
  readonly reads: readonly string[];
  readonly writes: readonly string[];
  readonly bytes: number;
  resolve(result: CommitResult): void;
  reject(reason: unknown): void;
}

/**
 * Sends commits that arrive together in one etcd transaction.
 *
 * When nothing is on its way, the commits of one turn of the event loop leave at its end; else they wait for the batch ahead of them, or until they
 * are as many as that one carries. So batches grow with the load by themselves, which saves etcd and us most of what a transaction costs.
 * Commits of which one writes what the other compares or writes never share a batch. A refused batch says which commits were the reason (etcd answers with what stands in each
 * compared key at that revision): those get their refusal, the others go again. Whatever else befalls a batch, each commit gets its own answer.
 */
export class BatchingGroupCommit implements GroupCommit {
  readonly sent = {transactions: 0, commits: 0};
  readonly #store: Store;
  readonly #limits: StoreLimits;
  readonly #maxInFlight: number;
  readonly #secondBatch: number;
  readonly #readBackMs: number;
  #queue: Waiting[] = [];
  /** Where the queue begins in its array. */
  #head = 0;
  #inFlight = 0;
  /** How many commits the batch carries that left last. */
  #lastSize = 0;
  #isFlushPlanned = false;

  constructor(store: Store, options: GroupCommitOptions = {}) {
    this.#store = store;
    this.#limits = store.limits;
    this.#maxInFlight = options.inFlight ?? 2;
    this.#secondBatch = options.secondBatch ?? 8;
    this.#readBackMs = options.readBackMs ?? 1000;
  }

  commit(commit: Commit): Promise<CommitResult> {
    const plan = this.#plan(commit);
    if (plan === undefined) return this.#alone(commit);
    return new Promise((resolve, reject) => {
      this.#queue.push({...plan, resolve, reject});
      this.#planFlush();
    });
  }

  /** What packing needs to know of a commit; `undefined` for one that cannot share a transaction. */
  #plan(commit: Commit): Pick<Waiting, 'commit' | 'reads' | 'writes' | 'bytes'> | undefined {
    const {operations, bytes: bytesLimit, value: valueLimit} = this.#limits;
    if (commit.ops.length > operations || commit.compares.length > operations) return undefined;
    const reads: string[] = [];
    const writes: string[] = [];
    for (const compare of commit.compares) {
      if ('prefix' in compare) return undefined;
      reads.push(compare.key);
    }
    const ops: Op[] = [];
    for (const op of commit.ops) {
      if ('deletePrefix' in op) return undefined;
      if ('delete' in op) {
        writes.push(op.delete);
        ops.push(op);
        continue;
      }
      const value = toBytes(op.value);
      // The store refuses it, with its key; nobody else's commit shall be held up by that.
      if (value.length > valueLimit) return undefined;
      writes.push(op.put);
      ops.push(op.lease === undefined ? {put: op.put, value} : {put: op.put, value, lease: op.lease});
    }
    const bytes = sizeOf(ops);
    return bytes > bytesLimit ? undefined : {commit: {compares: commit.compares, ops}, reads, writes, bytes};
  }

  /** At the end of this turn of the event loop: commits of all requests that it found waiting travel together. */
  #planFlush(): void {
    if (this.#isFlushPlanned) return;
    this.#isFlushPlanned = true;
    setImmediate(() => {
      this.#isFlushPlanned = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#inFlight < this.#maxInFlight) {
      const waiting = this.#queue.length - this.#head;
      if (waiting === 0 || (this.#inFlight > 0 && waiting < Math.max(this.#secondBatch, this.#lastSize))) return;
      const batch = this.#takeBatch();
      this.#lastSize = batch.length;
      this.#inFlight += 1;
      // #send answers every member and never rejects.
      void this.#send(batch).finally(() => {
        this.#inFlight -= 1;
        this.#flush();
      });
    }
  }

  /** Takes the longest possible batch from the front of the queue. Those that do not fit keep their order. */
  #takeBatch(): Waiting[] {
    const {operations, bytes: bytesLimit} = this.#limits;
    const queue = this.#queue;
    const batch: Waiting[] = [];
    const skipped: Waiting[] = [];
    const read = new Set<string>();
    const written = new Set<string>();
    const existing = new Set<string>();
    let ops = 0;
    let compares = 0;
    let bytes = 0;
    let at = this.#head;
    for (; at < queue.length && ops < operations && skipped.length < operations; at += 1) {
      const waiting = queue[at] as Waiting;
      const {commit} = waiting;
      const newCompares = commit.compares.reduce((count, compare) => ('exists' in compare && existing.has(compare.key) ? count : count + 1), 0);
      const fits = ops + commit.ops.length <= operations && compares + newCompares <= operations && bytes + waiting.bytes <= bytesLimit;
      // What one of them writes, no other may compare or write: as if they had come one after the other.
      const isApart = waiting.writes.every((key) => !written.has(key) && !read.has(key)) && waiting.reads.every((key) => !written.has(key));
      if (!fits || !isApart) {
        skipped.push(waiting);
        continue;
      }
      batch.push(waiting);
      for (const key of waiting.reads) read.add(key);
      for (const key of waiting.writes) written.add(key);
      for (const compare of commit.compares) if ('exists' in compare) existing.add(compare.key);
      ops += commit.ops.length;
      compares += newCompares;
      bytes += waiting.bytes;
    }
    this.#head = at - skipped.length;
    for (const [i, waiting] of skipped.entries()) queue[this.#head + i] = waiting;
    if (this.#head > 1024 || this.#head === queue.length) {
      this.#queue = queue.slice(this.#head);
      this.#head = 0;
    }
    return batch;
  }

  /** Sends a batch until each of its members has an answer. */
  async #send(members: readonly Waiting[]): Promise<void> {
    let batch = members;
    for (let round = 0; batch.length > 0; round += 1) {
      if (round >= BATCH_ROUNDS) return this.#eachAlone(batch);
      let result: CommitResult;
      this.sent.transactions += 1;
      this.sent.commits += batch.length;
      try {
        result = await this.#store.commit(merged(batch));
      } catch (err) {
        return this.#answerFailure(batch, err);
      }
      if (result.ok) {
        for (const waiting of batch) waiting.resolve(result);
        return;
      }
      const others: Waiting[] = [];
      for (const waiting of batch) {
        const {compares} = waiting.commit;
        if (compares.every((compare) => holds(compare, result.found))) others.push(waiting);
        else waiting.resolve({ok: false, revision: result.revision, found: part(result.found, compares)});
      }
      batch = others;
    }
  }

  async #answerFailure(batch: readonly Waiting[], err: unknown): Promise<void> {
    const error = ControlPlaneError.from(err);
    switch (error.code) {
      case 'unknown_outcome':
        return apart(batch, async (waiting) => this.#answerUnknown(waiting, error));
      case 'unavailable':
        // Nothing was written; sixty single tries would not reach it either.
        for (const waiting of batch) waiting.reject(error);
        return;
      default:
        if (batch.length > 1) return this.#eachAlone(batch);
        for (const waiting of batch) waiting.reject(error);
    }
  }

  #eachAlone(batch: readonly Waiting[]): Promise<void> {
    return apart(batch, async (waiting) =>
      this.#alone(waiting.commit).then(
        (result) => waiting.resolve(result),
        (err: unknown) => waiting.reject(err),
      ),
    );
  }

  async #alone(commit: Commit): Promise<CommitResult> {
    try {
      return await this.#store.commit(commit);
    } catch (err) {
      if (!hasCode(err, 'unknown_outcome')) throw err;
      const revision = await this.#readBack(commit);
      if (revision === undefined) throw err;
      return {ok: true, revision};
    }
  }

  async #answerUnknown(waiting: Waiting, error: ControlPlaneError): Promise<void> {
    const revision = await this.#readBack(waiting.commit);
    if (revision === undefined) waiting.reject(error);
    else waiting.resolve({ok: true, revision});
  }

  async #readBack(commit: Commit): Promise<Revision | undefined> {
    const mark = markOf(commit);
    return mark === undefined ? undefined : findMark(this.#store, mark, {waitMs: this.#readBackMs});
  }
}

/** One commit for all. That a key exists (the event of many scans) is asked once. */
function merged(batch: readonly Waiting[]): Commit {
  if (batch.length === 1) return (batch[0] as Waiting).commit;
  const compares: Compare[] = [];
  const existing = new Set<string>();
  const ops: Op[] = [];
  for (const {commit} of batch) {
    for (const compare of commit.compares) {
      if ('exists' in compare) {
        if (existing.has(compare.key)) continue;
        existing.add(compare.key);
      }
      compares.push(compare);
    }
    for (const op of commit.ops) ops.push(op);
  }
  return {compares, ops};
}

/** Whether a compare held against what etcd found when it refused. */
function holds(compare: Compare, found: ReadonlyMap<string, KeyValue | undefined>): boolean {
  if ('prefix' in compare) return false;
  const entry = found.get(compare.key);
  if ('exists' in compare) return entry !== undefined;
  if ('createRevision' in compare) return (entry?.createRevision ?? 0) === compare.createRevision;
  if ('modRevision' in compare) return (entry?.modRevision ?? 0) === compare.modRevision;
  return unreachable(compare);
}

function part(found: ReadonlyMap<string, KeyValue | undefined>, compares: readonly Compare[]): ReadonlyMap<string, KeyValue | undefined> {
  const own = new Map<string, KeyValue | undefined>();
  for (const compare of compares) if (!('prefix' in compare)) own.set(compare.key, found.get(compare.key));
  return own;
}

/** By which put a commit is recognised: one that creates its key if there is one, since another's equal bytes are least likely there; else the longest. */
function markOf(commit: Commit): Mark | undefined {
  const before = new Map<string, Revision>();
  for (const compare of commit.compares) if ('modRevision' in compare) before.set(compare.key, compare.modRevision);
  const created = new Set<string>();
  for (const compare of commit.compares) if ('createRevision' in compare && compare.createRevision === 0) created.add(compare.key);
  let best: {readonly put: string; readonly value: Buffer; readonly lease?: string} | undefined;
  for (const op of commit.ops) {
    if (!('put' in op)) continue;
    const candidate = {...op, value: toBytes(op.value)};
    if (best === undefined || rank(candidate, created) > rank(best, created)) best = candidate;
  }
  if (best === undefined) return undefined;
  return {key: best.put, value: best.value, after: before.get(best.put) ?? 0, ...(best.lease === undefined ? {} : {lease: best.lease})};
}

function rank(op: {readonly put: string; readonly value: Buffer}, created: ReadonlySet<string>): number {
  return op.value.length + (created.has(op.put) ? 2 ** 32 : 0);
}

/** Runs `step` for each, a bounded number at once. `step` does not throw. */
async function apart(batch: readonly Waiting[], step: (waiting: Waiting) => Promise<void>): Promise<void> {
  const iterator = batch.values();
  const worker = async (): Promise<void> => {
    for (const waiting of iterator) await step(waiting);
  };
  await Promise.all(Array.from({length: Math.min(APART, batch.length)}, worker));
}
