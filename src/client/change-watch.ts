import {PrefixWatch} from '../store/watch-stream.ts';
import type {PrefixWatchDeps} from '../store/watch-stream.ts';
import type {WatchEvent} from '../store/wire/watch-messages.ts';
import type {ReadSet} from '../store/read-set.ts';
import type {Revision} from '../store/store.ts';

/** Why a wait ended. `gap`: what happened meanwhile cannot be told, so look. `stopped`: the signal aborted, or the watch was closed. */
export type Woken = 'change' | 'trigger' | 'timeout' | 'gap' | 'stopped';

/** From so many single keys on, those that share their first level are watched together. */
const MANY_KEYS = 32;
/** The longest that a timer of Node's can run. */
const MAX_TIMER_MS = 2 ** 31 - 1;

/** What has happened to a key: its last change, and when it came or went last (0: not seen). */
interface Seen {
  readonly changedAt: Revision;
  readonly movedAt: Revision;
}

/** One watch at etcd. */
interface OneWatch {
  readonly path: string;
  readonly isList: boolean;
  readonly stop: AbortController;
}

/**
 * Waits for changes of what was read, from where it was read.
 *
 * A key that was read: any event wakes. A list: a key that comes or goes at its levels, no changed value. What a kept watch brings is judged by the
 * revisions at which things were read last, so nothing wakes that the reader has seen. A watch that cannot be kept up wakes at once, and the next one
 * begins anew; so nothing is missed.
 */
export class ChangeWatch {
  readonly #deps: PrefixWatchDeps;
  readonly #onClose: () => void;
  readonly #watches = new Map<string, OneWatch>();
  /** Events that came while nobody waited. */
  readonly #seen = new Map<string, Seen>();
  #waiting: {readonly reads: ReadSet; readonly wake: (why: Woken) => void} | undefined;
  #isTriggered = false;
  #hasGap = false;
  #isClosed = false;

  /** @param onClose called once, by {@link close} */
  constructor(deps: PrefixWatchDeps, onClose: () => void) {
    this.#deps = deps;
    this.#onClose = onClose;
  }

  /** Watches that are open at etcd. */
  get count(): {readonly keys: number; readonly lists: number} {
    const lists = [...this.#watches.values()].filter((watch) => watch.isList).length;
    return {keys: this.#watches.size - lists, lists};
  }

  /** Ends the present wait, or else the next one. */
  trigger(): void {
    this.#isTriggered = true;
    this.#waiting?.wake('trigger');
  }

  /** Ends all watches. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#onClose();
    for (const watch of this.#watches.values()) watch.stop.abort();
    this.#watches.clear();
    this.#waiting?.wake('stopped');
  }

  /** Waits until something that was read has changed since. From then on only this is watched. */
  async wait(reads: ReadSet, timeoutMs?: number, signal?: AbortSignal): Promise<Woken> {
    if (this.#isClosed || signal?.aborted === true) return 'stopped';
    this.#follow(reads);
    const woken = Promise.withResolvers<Woken>();
    const timer = timeoutMs === undefined ? undefined : setTimeout(() => woken.resolve('timeout'), Math.min(timeoutMs, MAX_TIMER_MS));
    const onAbort = (): void => woken.resolve('stopped');
    signal?.addEventListener('abort', onAbort, {once: true});
    this.#waiting = {reads, wake: woken.resolve};
    if (this.#isTriggered) woken.resolve('trigger');
    if (this.#hasGap) woken.resolve('gap');
    for (const [key, seen] of this.#seen) if (isNews(key, seen, reads)) woken.resolve('change');
    // What is no news to these reads is none to any later ones.
    this.#seen.clear();
    try {
      return await woken.promise;
    } finally {
      this.#waiting = undefined;
      this.#isTriggered = false;
      this.#hasGap = false;
      clearTimeout(timer);
      signal?.removeEventListener('abort', onAbort);
    }
  }

  #follow(reads: ReadSet): void {
    const wanted = watchesFor(reads);
    for (const [id, watch] of this.#watches) {
      if (wanted.has(id)) continue;
      watch.stop.abort();
      this.#watches.delete(id);
    }
    const since = reads.since;
    for (const [id, {path, isList}] of wanted) {
      if (!this.#watches.has(id) && since !== undefined) this.#open(id, {path, isList, stop: new AbortController()}, since + 1);
    }
  }

  #open(id: string, watch: OneWatch, from: Revision): void {
    this.#watches.set(id, watch);
    const {signal} = watch.stop;
    let known = from - 1;
    const handlers = {
      onRevision: (revision: Revision, events: readonly WatchEvent[]): void => {
        known = revision;
        if (!signal.aborted) this.#onEvents(revision, events);
      },
      onProgress: (): void => {},
      onBehind: (): void => void this.#onBehind(id, watch, known),
    };
    new PrefixWatch(watch.path, {...this.#deps, isOneKey: !watch.isList}).follow(from, handlers, signal).then(
      () => this.#onEnd(id, watch),
      () => this.#onEnd(id, watch),
    );
  }

  #onEvents(revision: Revision, events: readonly WatchEvent[]): void {
    for (const {kind, kv} of events) {
      const hasMoved = kind === 'delete' || kv.createRevision === kv.modRevision;
      const seen = {changedAt: revision, movedAt: hasMoved ? revision : (this.#seen.get(kv.key)?.movedAt ?? 0)};
      if (this.#waiting === undefined) this.#seen.set(kv.key, seen);
      else if (isNews(kv.key, seen, this.#waiting.reads)) this.#waiting.wake('change');
    }
  }

  /** A member says that it is older than what was read: most likely it lags, and the events will come. A restored backup has lost them. */
  async #onBehind(id: string, watch: OneWatch, known: Revision): Promise<void> {
    try {
      if ((await this.#deps.store.currentRevision()) >= known) return;
    } catch {
      // Not known now; the watch is told again with its next connection.
      return;
    }
    this.#onEnd(id, watch);
    watch.stop.abort();
  }

  /** Not by us: events are lost. */
  #onEnd(id: string, watch: OneWatch): void {
    if (this.#watches.get(id) !== watch) return;
    this.#watches.delete(id);
    this.#hasGap = true;
    this.#waiting?.wake('gap');
  }
}

type Wanted = Map<string, {readonly path: string; readonly isList: boolean}>;

/** The watches that reads take: one for each list, and for each key that is in none of the lists. */
function watchesFor(reads: ReadSet): Wanted {
  const wanted: Wanted = new Map();
  const lists = [...new Set([...reads.lists.values()].map(({listing}) => listing.path))];
  const keys = [...reads.keys.keys()].filter((key) => !lists.some((list) => key.startsWith(list)));
  const ranges = keys.length > MANY_KEYS ? rangesOver(keys) : [];
  const all = [...lists, ...ranges];
  for (const path of all) if (!all.some((other) => other !== path && path.startsWith(other))) wanted.set(`list ${path}`, {path, isList: true});
  for (const path of keys) if (!ranges.some((range) => path.startsWith(range))) wanted.set(`key ${path}`, {path, isList: false});
  return wanted;
}

/** The first levels that many of the keys share: one watch of all that is there costs less than one for each. */
function rangesOver(keys: readonly string[]): string[] {
  const counts = new Map<string, number>();
  for (const key of keys) {
    const range = key.slice(0, key.indexOf('/', 1) + 1);
    if (range !== '') counts.set(range, (counts.get(range) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > MANY_KEYS).map(([range]) => range);
}

function isNews(key: string, {changedAt, movedAt}: Seen, reads: ReadSet): boolean {
  const readAt = reads.keys.get(key);
  if (readAt !== undefined && changedAt > readAt) return true;
  for (const {listing, revision} of reads.lists.values()) if (movedAt > revision && listing.has(key)) return true;
  return false;
}
