import type {ScanRecord} from '../model/scan-record.ts';
import type {ScanIndex, ScanTable} from './cache.ts';

const NONE: ReadonlySet<string> = new Set();

/** One index. Most values of most indexes stand for a single scan, which is then held bare: a `Set` of one costs some 200 bytes. */
class ScanIndexMap {
  readonly index: ScanIndex;
  readonly #ids = new Map<string, string | Set<string>>();

  constructor(index: ScanIndex) {
    this.index = index;
  }

  idsBy(value: string): ReadonlySet<string> {
    const ids = this.#ids.get(value);
    if (ids === undefined) return NONE;
    return typeof ids === 'string' ? new Set([ids]) : ids;
  }

  move(id: string, from: string | undefined, to: string | undefined): void {
    if (from === to) return;
    if (from !== undefined) {
      const ids = this.#ids.get(from);
      if (ids === id) this.#ids.delete(from);
      else if (typeof ids === 'object' && ids.delete(id) && ids.size === 0) this.#ids.delete(from);
    }
    if (to !== undefined) {
      const ids = this.#ids.get(to);
      if (ids === undefined) this.#ids.set(to, id);
      else if (typeof ids === 'object') ids.add(id);
      else if (ids !== id) this.#ids.set(to, new Set([ids, id]));
    }
  }
}

/** All scans with their equality indexes. */
export class IndexedScans implements ScanTable {
  readonly #scans = new Map<string, ScanRecord>();
  readonly #indexes = new Map<string, ScanIndexMap>();

  constructor(indexes: readonly ScanIndex[]) {
    for (const index of indexes) this.#indexes.set(index.name, new ScanIndexMap(index));
  }

  get size(): number {
    return this.#scans.size;
  }

  get(id: string): ScanRecord | undefined {
    return this.#scans.get(id);
  }

  values(): IterableIterator<ScanRecord> {
    return this.#scans.values();
  }

  idsBy(name: string, value: string): ReadonlySet<string> {
    const index = this.#indexes.get(name);
    if (index === undefined) throw new Error(`assertion failed: no index over scans is called ${name}`);
    return index.idsBy(value);
  }

  /** Puts `after` in the place of `before`, which is what is there; `undefined` for nothing. */
  replace(id: string, before: ScanRecord | undefined, after: ScanRecord | undefined): void {
    for (const map of this.#indexes.values()) {
      map.move(id, before && map.index.of(before), after && map.index.of(after));
    }
    if (after === undefined) this.#scans.delete(id);
    else this.#scans.set(id, after);
  }
}
