import type {Revision} from '../../store/store.ts';
import type {RouteDeps} from '../deps.ts';
import type {AnyRecord, Kind} from './kinds.ts';
import type {Wanted} from './list.ts';

/** How often something is sent, so that nobody on the way takes the connection for dead. */
const HEARTBEAT_MS = 15_000;
/** Objects that a slow reader may have waiting; beyond that it is told to begin anew. */
export const MAX_WAITING = 10_000;
/** Characters that are handed to a connection at once. */
export const PIECE_CHARS = 65_536;

/** What a reader wants to be told. */
export interface Scope<R> {
  readonly wanted: Wanted<R>;
  /** The one object; else all. */
  readonly id: string | undefined;
  /** Everything up to this revision was told before. */
  readonly from: Revision | undefined;
}

/** What one reader is sent: events as text. The next piece is made when the one before has been taken. */
export class Watch<R extends AnyRecord> {
  readonly #deps: Pick<RouteDeps, 'cache' | 'recentChanges'>;
  readonly #kind: Kind<R>;
  readonly #scope: Scope<R>;
  readonly #signal: AbortSignal;
  /** Objects that have changed and were not told yet, with the revision of their last change; in the order of that. */
  #waiting = new Map<string, Revision>();
  /** Objects that the reader knows; `undefined`: it may know any. */
  #told: Set<string> | undefined;
  #mustReset = false;
  #wake: (() => void) | undefined;

  constructor(deps: Pick<RouteDeps, 'cache' | 'recentChanges'>, kind: Kind<R>, scope: Scope<R>, signal: AbortSignal) {
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
