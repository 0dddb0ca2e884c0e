import type {BacklogItem} from './cache.ts';

/** Above this many removals in one go the list is rewritten once, instead of closing a gap for each. */
const FEW = 16;

/**
 * What waits, in the order of their keys: a sorted array.
 *
 * What is added costs a move of what lies behind it, so the usual addition at the end costs nothing; many removals together cost one pass.
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
    if (added.length > 0) this.#add(added.length === 1 ? added : added.toSorted(inKeyOrder));
  }

  /** Merges sorted items in. What sorts behind everything, as most new scans do, is just put at the end. */
  #add(sorted: readonly BacklogItem[]): void {
    const at = this.#firstNotBefore(sorted[0] as BacklogItem);
    const behind = at === this.#items.length ? [] : this.#items.splice(at);
    let next = 0;
    for (const item of sorted) {
      while (next < behind.length && inKeyOrder(behind[next] as BacklogItem, item) < 0) this.#items.push(behind[next++] as BacklogItem);
      const last = this.#items.at(-1);
      if (last !== undefined && inKeyOrder(last, item) === 0) continue;
      if (next < behind.length && inKeyOrder(behind[next] as BacklogItem, item) === 0) continue;
      this.#items.push(item);
    }
    for (; next < behind.length; next++) this.#items.push(behind[next] as BacklogItem);
  }

  #remove(item: BacklogItem): void {
    const at = this.#firstNotBefore(item);
    const found = this.#items[at];
    if (found !== undefined && inKeyOrder(found, item) === 0) this.#items.splice(at, 1);
  }

  #firstNotBefore(item: BacklogItem): number {
    let high = this.#items.length;
    const last = this.#items[high - 1];
    if (last === undefined || inKeyOrder(last, item) < 0) return high;
    let low = 0;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (inKeyOrder(this.#items[middle] as BacklogItem, item) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/** As etcd orders the keys `/backlog/[order]/[of]/[id]`. Ids are ASCII, so code units compare as bytes do. */
function inKeyOrder(a: BacklogItem, b: BacklogItem): number {
  if (a.order !== b.order) {
    if (a.order.length === b.order.length) return a.order < b.order ? -1 : 1;
    // With the slash that follows: `-` and `.` sort before it, letters and digits behind.
    return `${a.order}/` < `${b.order}/` ? -1 : 1;
  }
  if (a.of !== b.of) return a.of < b.of ? -1 : 1;
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
