import type {Job, JobTry} from '../schema/job.ts';
import type {Entry} from './scan-record.ts';

/** Entries per bucket on average, above which there are twice as many buckets. */
const CROWDED = 24;

type Bucket = ReadonlyMap<string, Entry<Job>>;

/** The try that has not ended, if there is one. */
export function openTry(job: Job): JobTry | undefined {
  const last = job.tries.at(-1);
  return last !== undefined && last.exit === undefined ? last : undefined;
}

/**
 * The jobs of one scan, by id. Never changes: {@link with} gives a table that shares what is the same, so that a change of one job among 10,000 costs no
 * more than one among 10, and what differs between two tables is found without a look at the rest.
 */
export class JobTable {
  static readonly EMPTY = new JobTable([new Map()], 0, undefined);
  readonly size: number;
  readonly #buckets: readonly Bucket[];
  /** What {@link open} gives, kept where there are many: a small table, as nearly all are, is looked through instead. */
  readonly #open: ReadonlyMap<string, Entry<Job>> | undefined;

  private constructor(buckets: readonly Bucket[], size: number, open: ReadonlyMap<string, Entry<Job>> | undefined) {
    this.#buckets = buckets;
    this.size = size;
    this.#open = open;
  }

  static of(entries: Iterable<readonly [string, Entry<Job>]>): JobTable {
    return JobTable.EMPTY.with(new Map(entries));
  }

  get(id: string): Entry<Job> | undefined {
    return this.#buckets[bucketOf(id, this.#buckets.length)]?.get(id);
  }

  has(id: string): boolean {
    return this.get(id) !== undefined;
  }

  [Symbol.iterator](): IterableIterator<[string, Entry<Job>]> {
    return this.#buckets.length === 1 ? (this.#buckets[0] as Bucket)[Symbol.iterator]() : this.#all();
  }

  *values(): Generator<Entry<Job>> {
    for (const [, entry] of this) yield entry;
  }

  *keys(): Generator<string> {
    for (const [id] of this) yield id;
  }

  forEach(visit: (entry: Entry<Job>, id: string) => void): void {
    for (const bucket of this.#buckets) bucket.forEach(visit);
  }

  /** Visits those with a try that has not ended. For every look at every scan: unlike {@link open} it makes no table of them. */
  forEachOpen(visit: (entry: Entry<Job>, id: string) => void): void {
    if (this.#open !== undefined) this.#open.forEach(visit);
    else {
      this.forEach((entry, id) => {
        if (openTry(entry.value) !== undefined) visit(entry, id);
      });
    }
  }

  /** Those with a try that has not ended. */
  get open(): ReadonlyMap<string, Entry<Job>> {
    return this.#open ?? openOf(this);
  }

  /** Whether one has a try that has not ended. Asked of every scan whenever something of it changes. */
  get hasOpen(): boolean {
    if (this.#open !== undefined) return this.#open.size > 0;
    for (const bucket of this.#buckets) for (const entry of bucket.values()) if (openTry(entry.value) !== undefined) return true;
    return false;
  }

  *#all(): Generator<[string, Entry<Job>]> {
    for (const bucket of this.#buckets) yield* bucket;
  }

  /** This table with some jobs replaced, added, or (`undefined`) taken out. */
  with(changes: ReadonlyMap<string, Entry<Job> | undefined>): JobTable {
    const buckets = [...this.#buckets];
    const copies = new Set<number>();
    let size = this.size;
    let open: Map<string, Entry<Job>> | undefined; // A copy, as soon as something of it changes.
    for (const [id, entry] of changes) {
      const at = bucketOf(id, buckets.length);
      if (!copies.has(at)) {
        buckets[at] = new Map(buckets[at]);
        copies.add(at);
      }
      const bucket = buckets[at] as Map<string, Entry<Job>>;
      const before = bucket.size;
      if (entry === undefined) bucket.delete(id);
      else bucket.set(id, entry);
      size += bucket.size - before;
      if (this.#open === undefined) continue;
      const isOpen = entry !== undefined && openTry(entry.value) !== undefined;
      if (!isOpen && !(open ?? this.#open).has(id)) continue;
      open ??= new Map(this.#open);
      if (isOpen) open.set(id, entry);
      else open.delete(id);
    }
    if (size <= buckets.length * CROWDED) return new JobTable(buckets, size, open ?? this.#open);
    const wider = new JobTable(spread(buckets, size), size, undefined);
    return new JobTable(wider.#buckets, size, open ?? this.#open ?? openOf(wider));
  }

  /** What has to change in `before` to make it this table: id → entry, or `undefined` for one that went away. */
  *changesSince(before: JobTable): Generator<readonly [string, Entry<Job> | undefined]> {
    if (before === this) return;
    const isAlike = before.#buckets.length === this.#buckets.length;
    for (const [at, bucket] of this.#buckets.entries()) {
      if (isAlike && before.#buckets[at] === bucket) continue;
      for (const [id, entry] of bucket) if (before.get(id) !== entry) yield [id, entry];
    }
    for (const [at, bucket] of before.#buckets.entries()) {
      if (isAlike && this.#buckets[at] === bucket) continue;
      for (const id of bucket.keys()) if (!this.has(id)) yield [id, undefined];
    }
  }
}

function openOf(table: JobTable): Map<string, Entry<Job>> {
  const open = new Map<string, Entry<Job>>();
  for (const [id, entry] of table) if (openTry(entry.value) !== undefined) open.set(id, entry);
  return open;
}

/** The same entries in as many buckets as keep them small. */
function spread(buckets: readonly Bucket[], size: number): Bucket[] {
  let count = buckets.length;
  while (size > count * CROWDED) count *= 2;
  const wider = Array.from({length: count}, () => new Map<string, Entry<Job>>());
  for (const bucket of buckets) for (const [id, entry] of bucket) (wider[bucketOf(id, count)] as Map<string, Entry<Job>>).set(id, entry);
  return wider;
}

/** FNV-1a over the id's characters; the number of buckets is a power of two. */
function bucketOf(id: string, count: number): number {
  if (count === 1) return 0;
  let hash = 0x811c9dc5;
  for (let i = 0; i < id.length; i++) hash = Math.imul(hash ^ id.charCodeAt(i), 0x01000193);
  return (hash ^ (hash >>> 15)) & (count - 1);
}
