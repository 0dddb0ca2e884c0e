import type {BadEntry, Entry} from '../model/scan-record.ts';

type AnyEntry = Entry<unknown> | BadEntry;

/** A record of an object whose parts are keys: see `model/block-record.ts`. */
interface AnyRecord {
  readonly id: string;
  readonly bad?: ReadonlyMap<string, BadEntry>;
}

const WAITING = 'waiting/';

/**
 * Objects of one kind by id, each a record that is replaced as a whole when a part of it changes.
 *
 * Parts are called as the record's members, a backlog entry `waiting/[order]`.
 */
export class ObjectTable<R extends AnyRecord> implements Iterable<R> {
  readonly #records = new Map<string, R>();

  get size(): number {
    return this.#records.size;
  }

  get(id: string): R | undefined {
    return this.#records.get(id);
  }

  /** In no promised order. */
  [Symbol.iterator](): IterableIterator<R> {
    return this.#records.values();
  }

  /** What stands for a part, whether it parses or not. */
  entry(id: string, part: string): AnyEntry | undefined {
    const record = this.#records.get(id) as (AnyRecord & Readonly<Record<string, unknown>>) | undefined;
    if (record === undefined) return undefined;
    const bad = record.bad?.get(part);
    if (bad !== undefined) return bad;
    if (!part.startsWith(WAITING)) return record[part] as AnyEntry | undefined;
    return (record['waiting'] as ReadonlyMap<string, AnyEntry> | undefined)?.get(part.slice(WAITING.length));
  }

  /** Every entry, bad ones included. */
  *entries(): Generator<{readonly id: string; readonly part: string; readonly entry: AnyEntry}> {
    for (const record of this.#records.values()) {
      const {id, bad, waiting, ...parts} = record as AnyRecord & {readonly waiting?: ReadonlyMap<string, AnyEntry>} & Readonly<
          Record<string, unknown>
        >;
      for (const [part, entry] of Object.entries(parts)) yield {id, part, entry: entry as AnyEntry};
      for (const [order, entry] of waiting ?? []) yield {id, part: `${WAITING}${order}`, entry};
      for (const [part, entry] of bad ?? []) yield {id, part, entry};
    }
  }

  /** Sets or takes out (`undefined`) a part. A record of which nothing is left goes. */
  set(id: string, part: string, entry: AnyEntry | undefined): void {
    const before = this.#records.get(id);
    const {bad, ...rest} = (before ?? {id}) as AnyRecord & Record<string, unknown>;
    const isBad = entry !== undefined && !('value' in entry);
    const allBad = changed(bad, part, isBad ? entry : undefined);
    const good = isBad ? undefined : entry;
    const name = part.startsWith(WAITING) ? 'waiting' : part;
    const value = name === part ? good : changed(rest['waiting'] as ReadonlyMap<string, unknown> | undefined, part.slice(WAITING.length), good);
    if (value === undefined) delete rest[name];
    else rest[name] = value;
    const after = {...rest, id: before?.id ?? id, ...(allBad === undefined ? {} : {bad: allBad})};
    if (Object.keys(after).length === 1) this.#records.delete(id);
    else this.#records.set(after.id, after as unknown as R);
  }
}

/** A copy of a map with one key set or taken out; `undefined` for an empty one. */
function changed<V>(map: ReadonlyMap<string, V> | undefined, key: string, value: V | undefined): ReadonlyMap<string, V> | undefined {
  if (value === undefined && map?.has(key) !== true) return map;
  const copy = new Map(map);
  if (value === undefined) copy.delete(key);
  else copy.set(key, value);
  return copy.size === 0 ? undefined : copy;
}
