import {Readable} from 'node:stream';
import type {Context} from 'koa';
import {hasCode} from '../../lib/errors.ts';
import {JobTable} from '../../model/job-table.ts';
import {requestStateOf} from '../../model/request-view.ts';
import {encodeJson} from '../../proto/json.ts';
import {STATE_VALUE} from '../../proto/state.ts';
import type {State} from '../../proto/state.ts';
import type {JobLog} from '../../proto/types.ts';
import {isTerminal} from '../../schema/state.ts';
import type {Change} from '../../store/cache.ts';
import {ApiError} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {chainViewOf} from './chain-of.ts';
import {findRequest} from './find-request.ts';
import {logsOf, storedLogs, unseenLogs} from './logs.ts';

/** Logs that are followed at once, in one process. */
const MAX_FOLLOWERS = 256;
/** Entries read at once. */
const WIDTH = 16;
/** How often something is sent, so that nobody on the way takes the connection for dead. */
const HEARTBEAT_MS = 15_000;
/** How often it is looked for what executors have stored, which changes no record that is watched. */
const LOOK_MS = 1000;
/** Where that takes long it is done less often. */
const REST_FACTOR = 9;

/** What a follower is sent. */
type Piece = {readonly kind: 'entry'; readonly entry: JobLog} | {readonly kind: 'alive'} | {readonly kind: 'end'; readonly state: State};

/** How pieces are written. */
interface Format {
  readonly type: string;
  text(piece: Piece): string;
}

/** Server-sent events: `log` for each entry, named by job and try; `end`, with the state, when the request is over. @see https://html.spec.whatwg.org/multipage/server-sent-events.html */
const EVENTS: Format = {
  type: 'text/event-stream; charset=UTF-8',
  text: (piece) => {
    if (piece.kind === 'alive') return ':\n\n';
    if (piece.kind === 'end') return `event: end\ndata: {"state":${piece.state}}\n\n`;
    const {entry} = piece;
    return `id: ${entry.jobId}/${entry.try}\nevent: log\ndata: ${encodeJson(entry)}\n\n`;
  },
};

/** One entry per line; the connection ends with the request. */
const LINES: Format = {
  type: 'application/x-ndjson; charset=UTF-8',
  text: (piece) => (piece.kind === 'entry' ? `${encodeJson(piece.entry)}\n` : piece.kind === 'alive' ? '\n' : ''),
};

/** Sends entries of a request's job log as they are stored, those that are there first, until the request is over. */
export class LogFollowers {
  readonly #deps: RouteDeps;
  #count = 0;

  constructor(deps: RouteDeps) {
    this.#deps = deps;
  }

  /** Answers with server-sent events to whoever accepts them, else with lines of JSON. @throws ApiError `unavailable`: too many are followed now */
  answer(ctx: Context, id: string): void {
    if (this.#count >= MAX_FOLLOWERS) throw new ApiError('unavailable', `${MAX_FOLLOWERS} logs are being followed now`, {isLogged: true});
    const format = ctx.accepts('application/x-ndjson', 'application/json', 'text/event-stream') === 'text/event-stream' ? EVENTS : LINES;
    const gone = new AbortController();
    this.#count++;
    // Cut off, not ended: the request goes on, and another process can be asked.
    const cut = (): void => void ctx.res.destroy();
    this.#deps.stopping?.addEventListener('abort', cut, {once: true});
    ctx.res.once('close', () => {
      this.#count--;
      gone.abort();
      this.#deps.stopping?.removeEventListener('abort', cut);
    });
    // The next piece is made when the connection has taken the last one: a slow client holds no more than that.
    ctx.body = Readable.from(textOf(followLog(this.#deps, id, gone.signal), format), {objectMode: false, highWaterMark: 65_536});
    ctx.set('Content-Type', format.type);
    ctx.set('Cache-Control', 'no-store');
  }
}

async function* textOf(pieces: AsyncIterable<Piece>, format: Format): AsyncGenerator<string> {
  yield format.text({kind: 'alive'}); // Headers leave with the first bytes.
  for await (const piece of pieces) {
    const text = format.text(piece);
    if (text !== '') yield text;
  }
}

const entryPiece = (entry: JobLog): Piece => ({kind: 'entry', entry});

async function* followLog(deps: RouteDeps, id: string, signal: AbortSignal): AsyncGenerator<Piece> {
  const {cache, clock, log, store} = deps;
  const seen = new Set<string>();
  const fresh = (entries: readonly JobLog[]): Piece[] =>
    entries.flatMap((entry): Piece[] => {
      const name = `${entry.jobId}/${entry.try}`;
      if (seen.has(name)) return [];
      seen.add(name);
      return [entryPiece(entry)];
    });
  let wake = (): void => {};
  let isWoken = false;
  const onChange = (changes: readonly Change[]): void => {
    if (!changes.some((change) => change.kind === 'relist' || ('id' in change.ref && change.ref.id === id))) return;
    isWoken = true;
    wake();
  };
  cache.onChange(onChange, signal);
  for await (const page of storedLogs(store, id, log)) yield* fresh(page);
  let table = JobTable.EMPTY;
  let lookAtMs = clock.monotonicMs() + LOOK_MS;
  let aliveAtMs = clock.monotonicMs() + HEARTBEAT_MS;
  while (!signal.aborted) {
    isWoken = false;
    const record = cache.scans.get(id);
    if (record === undefined) return; // Removed meanwhile.
    const jobs = record.jobs ?? JobTable.EMPTY;
    const ended: [string, number][] = [];
    for (const [job, entry] of jobs.changesSince(table)) {
      for (const {try: tryNumber, exit} of entry?.value.tries ?? [])
        if (exit !== undefined && !seen.has(`${job}/${tryNumber}`)) ended.push([job, tryNumber]);
    }
    table = jobs;
    for (let at = 0; at < ended.length; at += WIDTH) yield* fresh(await logsOf(store, id, ended.slice(at, at + WIDTH), log));
    const state = requestStateOf(record);
    if (isTerminal(state)) {
      for await (const page of unseenLogs(store, id, seen, log)) yield* page.map(entryPiece);
      yield* fresh([...(await chainViewOf(deps, findRequest(deps, id))).computedLogs()]);
      yield {kind: 'end', state: STATE_VALUE[state]};
      return;
    }
    const nowMs = clock.monotonicMs();
    if (nowMs >= lookAtMs) {
      try {
        for await (const page of unseenLogs(store, id, seen, log)) yield* page.map(entryPiece);
      } catch (err) {
        if (!hasCode(err, 'unavailable')) throw err; // There will be another look.
      }
      lookAtMs = clock.monotonicMs() + Math.max(LOOK_MS, REST_FACTOR * (clock.monotonicMs() - nowMs));
    }
    if (nowMs >= aliveAtMs) {
      yield {kind: 'alive'};
      aliveAtMs = nowMs + HEARTBEAT_MS;
    }
    if (isWoken || signal.aborted) continue;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, lookAtMs - clock.monotonicMs()));
      wake = () => {
        clearTimeout(timer);
        resolve();
      };
      signal.addEventListener('abort', wake, {once: true});
    });
    signal.removeEventListener('abort', wake);
  }
}
