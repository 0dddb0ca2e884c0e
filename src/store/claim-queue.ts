import type {Claim, ClaimExtra} from './contracts.ts';
import {sizeOf} from './etcd-store.ts';
import type {Op, StoreLimits} from './store.ts';

/** What one caller of `campaign` asked for. */
export interface ClaimRequest {
  /** The owner key. */
  readonly key: string;
  readonly extra: ClaimExtra | undefined;
  /** Travels alone: together with others it was refused, and nothing said which of them was the reason. */
  alone: boolean;
  readonly resolve: (claim: Claim) => void;
  readonly reject: (err: unknown) => void;
}

/** Claims per transaction, and transactions side by side. */
const BATCH = 120;
export const CLAIMS_IN_FLIGHT = 8;

/**
 * Claims on their way, many per transaction.
 *
 * A claim goes out at once while none is under way; what comes meanwhile travels together.
 */
export class ClaimQueue {
  /** Keys per transaction. */
  readonly batchSize: number;
  readonly #limits: StoreLimits;
  /** Of an owner key's value, for the size of a batch. */
  readonly #valueBytes: number;
  readonly #send: (batch: readonly ClaimRequest[]) => Promise<void>;
  #waiting: ClaimRequest[] = [];
  #inFlight = 0;
  #isFlushScheduled = false;

  /** `send` answers every request of a batch, or puts it back by {@link addFirst}; it never rejects. */
  constructor(limits: StoreLimits, valueBytes: number, send: (batch: readonly ClaimRequest[]) => Promise<void>) {
    this.batchSize = Math.min(BATCH, limits.operations);
    this.#limits = limits;
    this.#valueBytes = valueBytes;
    this.#send = send;
  }

  add(request: ClaimRequest): void {
    this.#waiting.push(request);
    this.#scheduleFlush();
  }

  /** Puts requests back that have to go again; they leave when the batch they were in is done. */
  addFirst(requests: readonly ClaimRequest[]): void {
    this.#waiting.unshift(...requests);
  }

  /** A microtask later, so that claims of the same moment travel together. */
  #scheduleFlush(): void {
    if (this.#isFlushScheduled) return;
    this.#isFlushScheduled = true;
    queueMicrotask(() => {
      this.#isFlushScheduled = false;
      // One batch at a time while they are small: what comes meanwhile fills the next. Full ones go side by side.
      while (this.#waiting.length > 0 && (this.#inFlight === 0 || (this.#inFlight < CLAIMS_IN_FLIGHT && this.#waiting.length >= this.batchSize))) {
        const batch = this.#takeBatch();
        this.#inFlight += 1;
        void this.#send(batch).finally(() => {
          this.#inFlight -= 1;
          this.#scheduleFlush();
        });
      }
    });
  }

  /** As many as fit into one transaction, in which no key may be written twice. */
  #takeBatch(): ClaimRequest[] {
    const {operations, bytes: maxBytes} = this.#limits;
    const batch: ClaimRequest[] = [];
    const later: ClaimRequest[] = [];
    const written = new Set<string>();
    let compares = 0;
    let ops = 0;
    let bytes = 0;
    let next = 0;
    for (; next < this.#waiting.length && batch.length < this.batchSize; next++) {
      const request = this.#waiting[next] as ClaimRequest;
      const {key, extra} = request;
      const isAlone = request.alone || extra?.ops.some((op) => 'deletePrefix' in op) === true;
      compares += 1 + (extra?.compares.length ?? 0);
      ops += 1 + (extra?.ops.length ?? 0);
      bytes += this.#valueBytes + sizeOf([{put: key, value: ''}, ...(extra?.ops ?? [])]);
      if (batch.length > 0 && (isAlone || compares > operations || ops > operations || bytes > maxBytes)) break;
      const keys = extra === undefined ? [key] : [key, ...extra.ops.map(keyOfOp)];
      if (keys.some((one) => written.has(one))) later.push(request);
      else {
        batch.push(request);
        for (const one of keys) written.add(one);
      }
      if (isAlone) {
        next += 1;
        break;
      }
    }
    this.#waiting = [...later, ...this.#waiting.slice(next)];
    return batch;
  }
}

function keyOfOp(op: Op): string {
  return 'put' in op ? op.put : 'delete' in op ? op.delete : op.deletePrefix;
}
