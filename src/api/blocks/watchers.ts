import {Readable} from 'node:stream';
import type {Context} from 'koa';
import type {Revision} from '../../store/store.ts';
import {ApiError, badRequest} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import type {AnyRecord, Kind} from './kinds.ts';
import {findAny} from './kinds.ts';
import {wantedOf} from './list.ts';
import {PIECE_CHARS, Watch} from './watch.ts';

/** Watched at once, in one process. */
const MAX_WATCHERS = 1024;

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
