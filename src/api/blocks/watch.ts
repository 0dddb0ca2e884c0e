import {Readable} from 'node:stream';
import type {Context} from 'koa';
import type {Revision} from '../../store/store.ts';
import {ApiError, badRequest} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import type {AnyRecord, Kind} from './kinds.ts';
import {findAny} from './kinds.ts';
import type {Wanted} from './list.ts';
import {wantedOf} from './list.ts';

/** Watched at once, in one process. */
const MAX_WATCHERS = 1024;
/** How often something is sent, so that nobody on the way takes the connection for dead. */
const HEARTBEAT_MS = 15_000;
/** Objects that a slow reader may have waiting; beyond that it is told to begin anew. */
const MAX_WAITING = 10_000;
/** Characters that are handed to a connection at once. */
const PIECE_CHARS = 65_536;

const TYPE = 'text/event-stream; charset=UTF-8';

/** Whether a request wants events rather than JSON. Who accepts anything gets JSON. */
export function wantsEvents(ctx: Context): boolean {
  return ctx.accepts('application/json', 'text/event-stream') === 'text/event-stream';
}

/**
 * Server-sent events: `put` with each object that is there, `synced` when all have been told, then `put` and `delete` as they change.
 *
 * The `id` of an event is etcd's revision up to which everything has been told. Who comes back with it as `Last-Event-ID`, to any replica, is told what
 * changed since; or `reset` and everything anew, where that is not known any more. Several changes of one object may be told as one: what counts is the
 * last. A reader that is too slow is sent `reset`, too; nothing but ids waits for it.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export class Watchers {
  readonly #deps: RouteDeps;
  #count = 0;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
  }

  /**
   * Answers with events of one kind, or of one object of it.
   *
   * @throws ApiError `invalid`: a query or a Last-Event-ID that cannot be taken; `not_found`: there is no such object; `unavailable`: too many watch now
   */
  async answer<R extends AnyRecord>(kind: Kind<R>, ctx: Context, id?: string): Promise<void> {
    const wanted = wantedOf(kind, ctx);
    if (wanted.limit !== undefined || wanted.after !== undefined) throw badRequest("'limit' and 'after' are for lists, not for events");
    const from = lastEventId(ctx);
    await freshForRead(this.#deps, ctx);
    // Somebody who comes back may have to be told that it is gone.
    if (id !== undefined && from === undefined) findAny(kind, this.#deps.cache, id);
    if (this.#deps.stopping?.aborted === true) throw new ApiError('unavailable', 'this process is ending', {isLogged: true});
    if (this.#count >= MAX_WATCHERS) throw new ApiError('unavailable', `${MAX_WATCHERS} are watching now`, {isLogged: true});
    this.#count++;
    const gone = new AbortController();
    const end = (): void => gone.abort();
    this.#deps.stopping?.addEventListener('abort', end, {once: true});
    ctx.res.once('close', () => {
      this.#count--;
      end();
      this.#deps.stopping?.removeEventListener('abort', end);
    });
    const watch = new Watch(this.#deps, kind, {wanted, id, from}, gone.signal);
    // The next piece is made when the connection has taken the last one.
    ctx.body = Readable.from(watch.pieces(), {objectMode: false, highWaterMark: PIECE_CHARS});
    ctx.set('Content-Type', TYPE);
    ctx.set('Cache-Control', 'no-store');
  }
}

/** @throws ApiError `invalid` */
function lastEventId(ctx: Context): Revision | undefined {
  const text = ctx.get('last-event-id');
  if (text === '') return undefined;
  if (!/^\d{1,15}$/.test(text)) throw badRequest('Last-Event-ID must be the id of an event that was sent here');
  return Number(text);
}

interface Scope<R> {
  readonly wanted: Wanted<R>;
  /** The one object; else all. */
  readonly id: string | undefined;
  /** Everything up to this revision was told before. */
  readonly from: Revision | undefined;
}

/** What one reader is sent. */
class Watch<R extends AnyRecord> {
  readonly #deps: RouteDeps;
  readonly #kind: Kind<R>;
  readonly #scope: Scope<R>;
  readonly #signal: AbortSignal;
  /** Objects that have changed and were not told yet, with the revision of their last change; in the order of that. */
  #waiting = new Map<string, Revision>();
  /** Objects that the reader knows; `undefined`: it may know any. */
  #told: Set<string> | undefined;
  #mustReset = false;
  #wake: (() => void) | undefined;

  constructor(deps: RouteDeps, kind: Kind<R>, scope: Scope<R>, signal: AbortSignal) {
    this.#deps = deps;
    this.#kind = kind;
    this.#scope = scope;
    this.#signal = signal;
  }

  async *pieces(): AsyncGenerator<string> {
    const {recentChanges} = this.#deps;
    const {from} = this.#scope;
    const before = from === undefined || from > this.#deps.cache.revision ? undefined : recentChanges.since(from);
    for (const {root, id, revision} of before ?? []) this.#note(root, id, revision);
    recentChanges.listen({changed: ({root, id, revision}) => this.#note(root, id, revision), lost: () => this.#reset()}, this.#signal);
    yield ':\n\n'; // Headers leave with the first bytes.
    if (before === undefined) {
      if (from !== undefined) yield 'event: reset\ndata: {}\n\n';
      yield* this.#everything();
    }
    while (!this.#signal.aborted) {
      if (this.#mustReset) {
        yield 'event: reset\ndata: {}\n\n';
        yield* this.#everything();
      } else if (this.#waiting.size > 0) yield this.#changes();
      else if (!(await this.#change())) yield ':\n\n';
    }
  }

  /** What is there now. What changes meanwhile waits. */
  async *#everything(): AsyncGenerator<string> {
    const {cache} = this.#deps;
    this.#mustReset = false;
    this.#waiting = new Map();
    this.#told = new Set();
    const {revision} = cache;
    const table = this.#kind.table(cache);
    const ids = this.#scope.id === undefined ? Array.from(table, ({id}) => id).sort() : [this.#scope.id];
    let piece = '';
    for (const id of ids) {
      piece += this.#event(id, undefined);
      if (piece.length < PIECE_CHARS) continue;
      yield piece;
      piece = '';
      if (this.#mustReset) return;
    }
    yield `${piece}event: synced\nid: ${revision}\ndata: {"revision":${revision}}\n\n`;
  }

  /** Events of what waits, as many as one piece takes. */
  #changes(): string {
    let piece = '';
    for (const [id, revision] of this.#waiting) {
      this.#waiting.delete(id);
      const [next] = this.#waiting.values();
      // Others that changed at this revision come after this one: only the last of them says that all have been told.
      piece += this.#event(id, next === revision ? undefined : revision);
      if (piece.length >= PIECE_CHARS) break;
    }
    return piece;
  }

  /** What a reader is to be told of an object; nothing for one that it need not know. */
  #event(id: string, revision: Revision | undefined): string {
    const record = this.#kind.table(this.#deps.cache).get(id);
    const idLine = revision === undefined ? '' : `id: ${revision}\n`;
    if (record !== undefined && isThere(record) && this.#scope.wanted.matches(record)) {
      this.#told?.add(id);
      return `event: put\n${idLine}data: ${JSON.stringify(this.#kind.present(record))}\n\n`;
    }
    if (this.#told !== undefined && !this.#told.delete(id)) return idLine === '' ? '' : `event: synced\n${idLine}data: {"revision":${revision}}\n\n`;
    return `event: delete\n${idLine}data: ${JSON.stringify({id})}\n\n`;
  }

  #note(root: string, id: string, revision: Revision): void {
    if (root !== this.#kind.root || (this.#scope.id !== undefined && id !== this.#scope.id)) return;
    this.#waiting.delete(id); // Its place is the last, now.
    this.#waiting.set(id, revision);
    if (this.#waiting.size > MAX_WAITING) this.#reset();
    this.#wake?.();
  }

  #reset(): void {
    this.#mustReset = true;
    this.#waiting = new Map();
    this.#wake?.();
  }

  /** Waits for something to tell. @returns `false`: nothing came for so long that a sign of life is due */
  async #change(): Promise<boolean> {
    let hasCome = true;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(() => {
        hasCome = false;
        resolve();
      }, HEARTBEAT_MS);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#signal.addEventListener('abort', this.#wake, {once: true});
    });
    if (this.#wake !== undefined) this.#signal.removeEventListener('abort', this.#wake);
    this.#wake = undefined;
    return hasCome;
  }
}

/** Whether its own key is there, damaged or not. */
function isThere({spec, bad}: AnyRecord): boolean {
  return spec !== undefined || bad?.has('spec') === true;
}
