import type {Pixel} from './plan.ts';

/** A batch of pixels on loan to one worker. */
export interface Lease {
  readonly id: number;
  readonly pixels: readonly Pixel[];
}

interface OpenLease extends Lease {
  readonly holder: object;
  readonly deadlineMs: number;
  readonly since: number;
}

/**
 * The pixels still to be done, and who works on which. No pixel is lost: what a worker took goes back to the front when its lease ends without an answer,
 * because it was given back (`release`) or its time has passed (`expire`). A late answer is as good as one in time.
 * Times are milliseconds on any one clock.
 */
export class LeaseTable {
  readonly #leaseMs: number;
  readonly #leases = new Map<number, OpenLease>();
  readonly #settled = new Set<number>();
  /** Read from `#next` on; what is before it has been handed out. */
  #queue: Pixel[] = [];
  #next = 0;
  #lastId = 0;

  constructor(leaseMs: number) {
    this.#leaseMs = leaseMs;
  }

  add(pixels: readonly Pixel[]): void {
    // Not by spread: a full sky has more pixels than a call may have arguments.
    this.#queue = [...this.#queue.slice(this.#next), ...pixels];
    this.#next = 0;
  }

  /** Pixels that nobody works on. */
  get waiting(): number {
    return this.#queue.length - this.#next;
  }

  /** Up to `count` pixels for `holder` (any object that stands for its connection), or `undefined` when none is waiting. */
  lease(holder: object, count: number, now: number): Lease | undefined {
    const pixels: Pixel[] = [];
    while (pixels.length < count && this.#next < this.#queue.length) {
      const pixel = this.#queue[this.#next++] as Pixel;
      if (!this.#settled.has(keyOf(pixel))) pixels.push(pixel); // Answered late, after it had been given back.
    }
    if (pixels.length === 0) return undefined;
    const lease = {id: ++this.#lastId, pixels, holder, since: now, deadlineMs: now + this.#leaseMs};
    this.#leases.set(lease.id, lease);
    return lease;
  }

  /** When a lease began, or `undefined` if it has ended. */
  startOf(id: number): number | undefined {
    return this.#leases.get(id)?.since;
  }

  /** Ends a lease that was answered. What it left unanswered waits again. */
  close(id: number): void {
    const lease = this.#leases.get(id);
    if (lease !== undefined) this.#giveBack(lease);
  }

  /** Marks a pixel as done: it is handed out no more. */
  settle(pixel: Pixel): void {
    this.#settled.add(keyOf(pixel));
  }

  /** Gives back all that a holder has. Returns the number of pixels that wait again. */
  release(holder: object): number {
    return this.#giveBackWhere((lease) => lease.holder === holder);
  }

  /** Gives back what was not answered in time. Returns the number of pixels that wait again. */
  expire(now: number): number {
    return this.#giveBackWhere((lease) => lease.deadlineMs <= now);
  }

  #giveBackWhere(condition: (lease: OpenLease) => boolean): number {
    let count = 0;
    for (const lease of [...this.#leases.values()]) if (condition(lease)) count += this.#giveBack(lease);
    return count;
  }

  #giveBack(lease: OpenLease): number {
    this.#leases.delete(lease.id);
    const open = lease.pixels.filter((pixel) => !this.#settled.has(keyOf(pixel)));
    if (open.length > 0) {
      this.#queue = [...open, ...this.#queue.slice(this.#next)];
      this.#next = 0;
    }
    return open.length;
  }
}

/** A number that no two pixels share, at whatever resolutions. */
function keyOf([nside, index]: Pixel): number {
  return 4 * nside * nside + index;
}
