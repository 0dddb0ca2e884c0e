import type {BacklogItem} from './cache.ts';

/** Above this many removals in one go the list is rewritten once, instead of closing a gap for each. */
const FEW = 16;

/**
 * The waiting scans in the order of their keys: a sorted array.
 *
 * One change costs a binary search and a move of what lies behind it; many removals together cost one pass.
 */
export class BacklogList implements Iterable<BacklogItem> {
  #items: BacklogItem[] = [];

  get size(): number {
    return this.#items.length;
  }

  /** In key order. Changes made while iterating may or may not be seen: iterate without waiting in between. */
  [Symbol.iterator](): Iterator<BacklogItem> {
    return this.#items[Symbol.iterator]();
  }

  /** Applies one batch: `removed` first, then `added`. An item that is not there is not missed. */
  apply(removed: readonly BacklogItem[], added: readonly BacklogItem[]): void {
    if (removed.length <= FEW) for (const item of removed) this.#remove(item);
    else {
      const sorted = removed.toSorted(inKeyOrder);
      let next = 0;
      this.#items = this.#items.filter((item) => {
        while (next < sorted.length && inKeyOrder(sorted[next] as BacklogItem, item) < 0) next++;
        return next >= sorted.length || inKeyOrder(sorted[next] as BacklogItem, item) !== 0;
      });
    }
    if (added.length <= FEW) for (const item of added) this.#insert(item);
    // Two sorted runs, which the engine's merge sort takes in about one pass.
    else this.#items = this.#items.concat(added.toSorted(inKeyOrder)).sort(inKeyOrder);
  }

  #remove(item: BacklogItem): void {
    const at = this.#firstNotBefore(item);
    const found = this.#items[at];
    if (found !== undefined && inKeyOrder(found, item) === 0) this.#items.splice(at, 1);
  }

  #insert(item: BacklogItem): void {
    const at = this.#firstNotBefore(item);
    const found = this.#items[at];
    if (found === undefined || inKeyOrder(found, item) !== 0) this.#items.splice(at, 0, item);
  }

  #firstNotBefore(item: BacklogItem): number {
    let low = 0;
    let high = this.#items.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (inKeyOrder(this.#items[middle] as BacklogItem, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** As etcd orders the keys `/backlog/[order]/scan/[id]`. Ids are ASCII, so code units compare as bytes do. */
function inKeyOrder(a: BacklogItem, b: BacklogItem): number {
  if (a.order !== b.order) {
    if (a.order.length === b.order.length) return a.order < b.order ? -1 : 1;
    // With the slash that follows: `-` and `.` sort before it, letters and digits behind.
    return `${a.order}/` < `${b.order}/` ? -1 : 1;
  }
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
