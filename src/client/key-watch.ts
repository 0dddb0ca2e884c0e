import {ControlPlaneError} from '../lib/errors.ts';
import {checkKey, listing} from '../store/paths.ts';
import type {Levels} from '../store/paths.ts';
import type {Revision, Store} from '../store/store.ts';
import {PrefixWatch} from '../store/watch-stream.ts';
import type {PrefixWatchDeps} from '../store/watch-stream.ts';
import type {WatchEvent} from '../store/wire/watch-messages.ts';

/** One change of one key. */
export interface KeyChange {
  readonly path: string;
  /** `undefined`: it was deleted. */
  readonly text: string | undefined;
  readonly revision: Revision;
}

export interface KeyWatchOptions {
  /** Whether all keys that start with the path are watched. Default `false`: the one key. */
  readonly prefix?: boolean;
  /** With `prefix`: which levels, as of a list. Default 0. */
  readonly recurse?: Levels;
  /** The first revision whose changes are told. Default: whatever comes after the watch was asked for. */
  readonly from?: Revision;
  readonly signal?: AbortSignal;
}

/** Changes that may wait for a reader who is slower than they come. */
const MAX_WAITING = 100_000;

/**
 * Changes of keys, each once, in the order of their revisions: read with `for await`. Ends when `signal` aborts, or when its reader leaves it.
 *
 * It begins when it is made and not when it is first read, so what happens in between is not missed.
 *
 * @throws ControlPlaneError `invalid`: a malformed path. While it is read: `revision_conflict`: changes have been compacted away before they could be told,
 *   read the keys again; `too_large`: the reader has fallen too far behind
 */
export class KeyWatch implements AsyncIterableIterator<KeyChange, void, undefined>, AsyncDisposable {
  readonly #stop = new AbortController();
  #waiting: KeyChange[] = [];
  #next = 0;
  #wake: (() => void)[] = [];
  #end: {readonly error: ControlPlaneError | undefined} | undefined;
  /** Keys of the last revision: one that comes again with events that were not seen before brings the others, too. */
  #last: {readonly revision: Revision; readonly keys: Set<string>} = {revision: 0, keys: new Set()};

  /** @internal Use `db.watch`. */
  constructor(path: string, from: Revision, deps: PrefixWatchDeps, options: KeyWatchOptions) {
    const isPrefix = options.prefix === true;
    if (!isPrefix) checkKey(path);
    const wanted = isPrefix ? listing(path, options.recurse) : {has: (key: string) => key === path};
    const signal = options.signal === undefined ? this.#stop.signal : AbortSignal.any([this.#stop.signal, options.signal]);
    const watch = new PrefixWatch(path, {...deps, isOneKey: !isPrefix});
    let known = from - 1;
    const handlers = {
      onRevision: (revision: Revision, events: readonly WatchEvent[]): void => {
        known = revision;
        const ours = events.filter(({kv}) => wanted.has(kv.key));
        if (ours.length > 0) this.#add(revision, ours);
      },
      onProgress: (): void => {},
      onBehind: (): void => void this.#onBehind(known, deps.store),
    };
    watch.follow(from, handlers, signal).then(
      (end) =>
        this.#finish(
          end === 'compacted' ? new ControlPlaneError('revision_conflict', `changes of ${path} were compacted away; read again`) : undefined,
        ),
      (err: unknown) => this.#finish(ControlPlaneError.from(err)),
    );
  }

  async next(): Promise<IteratorResult<KeyChange, void>> {
    for (;;) {
      const change = this.#waiting[this.#next];
      if (change !== undefined) {
        this.#next += 1;
        if (this.#next === this.#waiting.length) {
          this.#waiting = [];
          this.#next = 0;
        }
        return {done: false, value: change};
      }
      if (this.#end !== undefined) {
        if (this.#end.error !== undefined) throw this.#end.error;
        return {done: true, value: undefined};
      }
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** Ends the watch; what waits to be read is dropped. */
  async return(): Promise<IteratorResult<KeyChange, void>> {
    this.#stop.abort();
    this.#waiting = [];
    this.#next = 0;
    this.#finish(undefined);
    return {done: true, value: undefined};
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  #add(revision: Revision, events: readonly WatchEvent[]): void {
    if (this.#end !== undefined) return;
    if (this.#last.revision !== revision) this.#last = {revision, keys: new Set()};
    for (const {kind, kv} of events) {
      if (this.#last.keys.has(kv.key)) continue;
      this.#last.keys.add(kv.key);
      this.#waiting.push({path: kv.key, text: kind === 'put' ? kv.value.toString() : undefined, revision});
    }
    if (this.#waiting.length - this.#next > MAX_WAITING) {
      this.#stop.abort();
      this.#finish(new ControlPlaneError('too_large', `more than ${MAX_WAITING} changes wait to be read`));
    }
    this.#wakeReaders();
  }

  /** A member says that it is older than what was told. Most likely it lags; a restored backup has lost changes, and will count their revisions again. */
  async #onBehind(known: Revision, store: Store): Promise<void> {
    const now = await store.currentRevision().catch(() => undefined);
    if (now === undefined || now >= known) return;
    this.#stop.abort();
    this.#finish(new ControlPlaneError('revision_conflict', 'the database is older than what it said before; read again'));
  }

  #finish(error: ControlPlaneError | undefined): void {
    this.#end ??= {error};
    this.#wakeReaders();
  }

  #wakeReaders(): void {
    const wake = this.#wake;
    this.#wake = [];
    for (const resolve of wake) resolve();
  }
}
