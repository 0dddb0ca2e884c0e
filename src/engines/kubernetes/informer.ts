import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {isJsonObject} from '../../lib/plain-json.ts';
import {sleep} from '../../lib/sleep.ts';
import type {ApiClient} from './api-client.ts';
import {connectionError} from './api-client.ts';
import {parseRefusal, refusalError} from './api-error.ts';
import type {ApiList, ApiObject} from './objects.ts';
import {watchLines} from './watch-lines.ts';

/** Times are milliseconds. */
export interface InformerTimes {
  /** A watch that says nothing for this long is given up: servers send a bookmark every minute. */
  readonly idleMs: number;
  /** How long a watch is asked to last. */
  readonly watchMs: number;
  /** After how long everything is listed anew, should an event have been lost. */
  readonly relistMs: number;
  readonly backoffMs: {readonly first: number; readonly longest: number};
}

export const INFORMER_TIMES: InformerTimes = {idleMs: 90_000, watchMs: 300_000, relistMs: 600_000, backoffMs: {first: 250, longest: 15_000}};

export interface InformerOptions<A extends ApiObject, T> {
  readonly client: ApiClient;
  /** `/apis/batch/v1/namespaces/x/jobs`. */
  readonly path: () => Promise<string>;
  readonly labelSelector: string;
  /** Keeps what is needed of an object; `undefined`: it is none of ours. */
  readonly read: (object: A) => T | undefined;
  /** After a change, with what is there now or was there last. */
  readonly onChange: (value: T, isGone: boolean) => void;
  readonly times: InformerTimes;
  readonly clock: Clock;
  readonly log: Log;
}

/** Objects of one page of a list. */
const PAGE = 250;
/** A watch that lived this long was a good one: whatever comes next is a first failure. */
const GOOD_WATCH_MS = 1000;

/**
 * The objects of one kind with our label, kept by a loop of our own: list in pages, then watch from there with bookmarks, for ever.
 *
 * - listing: at first, after a 410, after `relistMs`; what is missing from a list is gone.
 * - watching: from the list's resource version on, renewed whenever the server ends it; a watch that is silent for `idleMs` is taken for dead.
 * - waiting: after an error, longer each time, until a list or a watch works; nothing has to happen for it to get short again.
 */
export class Informer<A extends ApiObject, T> {
  readonly #options: InformerOptions<A, T>;
  #objects = new Map<string, T>();
  #resourceVersion: string | undefined;
  #listedMs = 0;
  #liveMs = -Infinity;
  /** Whether the last watch lived for a while. */
  #wasGood = false;

  constructor(options: InformerOptions<A, T>) {
    this.#options = options;
  }

  /** Whether what is here is what the server has, or had a moment ago. A connection that broke without a word is noticed after `idleMs`. */
  get isFresh(): boolean {
    const {clock, times} = this.#options;
    return this.#resourceVersion !== undefined && clock.monotonicMs() - this.#liveMs < times.idleMs;
  }

  get(name: string): T | undefined {
    return this.#objects.get(name);
  }

  values(): Iterable<T> {
    return this.#objects.values();
  }

  /** Runs until `signal` aborts; never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const {clock, log, times} = this.#options;
    let failures = 0;
    while (!signal.aborted) {
      this.#wasGood = false;
      try {
        if (this.#resourceVersion === undefined || clock.monotonicMs() - this.#listedMs > times.relistMs) await this.#list(signal);
        await this.#watch(signal);
      } catch (err) {
        if (signal.aborted) return;
        if (failures === 0) log.warn({err}, 'watch of Kubernetes broke; trying again');
      }
      if (this.#wasGood) {
        failures = 0;
        if (this.#resourceVersion !== undefined) continue;
      }
      this.#liveMs = -Infinity;
      const {first, longest} = times.backoffMs;
      const pauseMs = Math.min(longest, first * 2 ** failures++);
      await sleep(pauseMs * (0.5 + Math.random() / 2), signal);
    }
  }

  async #list(signal: AbortSignal): Promise<void> {
    const {client, labelSelector, read, onChange, clock} = this.#options;
    const path = await this.#options.path();
    const found = new Map<string, T>();
    let resourceVersion: string | undefined;
    let next: string | undefined;
    do {
      const query = {labelSelector, limit: String(PAGE), ...(next === undefined ? {} : {continue: next})};
      const page = await client.json<ApiList<A>>({method: 'GET', path, query, signal});
      for (const object of page.items ?? []) {
        const value = read(object);
        if (value !== undefined) found.set(object.metadata.name, value);
      }
      resourceVersion ??= page.metadata?.resourceVersion;
      next = page.metadata?.continue;
    } while (next !== undefined && next !== '');
    if (resourceVersion === undefined) throw new ControlPlaneError('unavailable', 'Kubernetes: a list without a resource version');
    const before = this.#objects;
    this.#objects = found;
    this.#resourceVersion = resourceVersion;
    this.#listedMs = clock.monotonicMs();
    this.#liveMs = this.#listedMs;
    for (const [name, value] of before) if (!found.has(name)) onChange(value, true);
    for (const value of found.values()) onChange(value, false);
  }

  async #watch(signal: AbortSignal): Promise<void> {
    const {client, labelSelector, times, clock} = this.#options;
    const silence = new AbortController();
    const ending = AbortSignal.any([signal, silence.signal]);
    let timer = setTimeout(() => silence.abort(), times.idleMs);
    const heard = (): void => {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), times.idleMs);
      this.#liveMs = clock.monotonicMs();
    };
    let openedMs = Infinity;
    try {
      const seconds = Math.max(1, Math.round((times.watchMs * (0.8 + Math.random() * 0.4)) / 1000));
      const query = {
        ...{watch: 'true', allowWatchBookmarks: 'true', labelSelector},
        ...{resourceVersion: this.#resourceVersion ?? '', timeoutSeconds: String(seconds)},
      };
      const stream = await client.stream({method: 'GET', path: await this.#options.path(), query, signal: ending});
      heard();
      openedMs = clock.monotonicMs();
      for await (const line of watchLines(stream, heard)) this.#take(line);
    } catch (err) {
      // A broken connection goes on from where we were; what the server itself says decides for itself.
      if (silence.signal.aborted && !signal.aborted) return;
      const error = connectionError(err);
      if (error.code === 'revision_conflict') this.#resourceVersion = undefined;
      throw error;
    } finally {
      clearTimeout(timer);
      silence.abort();
      this.#wasGood = clock.monotonicMs() - openedMs > GOOD_WATCH_MS;
    }
  }

  #take(line: string): void {
    const {read, onChange} = this.#options;
    let event: unknown;
    try {
      event = JSON.parse(line);
    } catch {
      throw new ControlPlaneError('unavailable', 'Kubernetes: an event is not JSON');
    }
    const {type, object} = isJsonObject(event) ? event : {};
    if (type === 'ERROR') {
      const status = parseRefusal(isJsonObject(object) ? Number(object['code']) : 0, object);
      // Whatever it is, a list mends it: an expired version, or one from before the server's database was restored.
      this.#resourceVersion = undefined;
      throw refusalError(status);
    }
    const changed = object as A | undefined;
    const version = changed?.metadata?.resourceVersion;
    if (changed === undefined || version === undefined) throw new ControlPlaneError('unavailable', 'Kubernetes: an event without an object');
    this.#resourceVersion = version;
    if (type === 'BOOKMARK') return;
    const {name} = changed.metadata;
    const value = read(changed);
    const isGone = type === 'DELETED' || value === undefined;
    const last = value ?? this.#objects.get(name);
    if (isGone) this.#objects.delete(name);
    else this.#objects.set(name, value);
    if (last !== undefined) onChange(last, isGone);
  }
}
