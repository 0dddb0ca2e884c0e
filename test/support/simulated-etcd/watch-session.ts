import type {Revision} from '../../../src/store/store.ts';
import type {WatchEvent, WatchRequest, WatchResponse} from '../../../src/store/wire/watch-messages.ts';
import {hasOrderedProgress} from '../../../src/store/watch-stream.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';
import {isIn, keyOf} from './key-space.ts';
import type {KeySpace, Span, WrittenRevision} from './key-space.ts';

export interface WatchSessionDeps {
  readonly keys: KeySpace;
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly version: string;
  /** A response with more bytes of events is cut, where the client takes fragments. */
  readonly fragmentBytes: number;
  /** In order with everything else on the stream; `overtakes`: on a way of its own. */
  send(response: WatchResponse, overtakes?: boolean): void;
}

interface Watcher {
  readonly span: Span;
  next: Revision;
  isSynced: boolean;
  readonly fragment: boolean;
}

/** etcd moves watchers that begin in the past to the present every 100 ms, so many revisions at a time. */
const CATCH_UP_MS = 100;
const BATCH_REVISIONS = 1000;
/** How often etcd tells those who asked for it how far it is, without having been asked. */
const NOTICE_MS = 600_000;

const NOTHING: Omit<WatchResponse, 'revision'> = {
  created: false,
  canceled: false,
  compactRevision: 0,
  cancelReason: '',
  fragment: false,
  events: [],
};

/** etcd's side of one watch stream with one watcher on it. */
export class WatchSession {
  readonly #deps: WatchSessionDeps;
  #watcher: Watcher | undefined;
  #isClosed = false;

  constructor(deps: WatchSessionDeps) {
    this.#deps = deps;
  }

  receive(request: WatchRequest): void {
    const {keys, version} = this.#deps;
    if (this.#isClosed) return;
    if ('progress' in request) {
      if (hasOrderedProgress(version)) {
        if (this.#watcher?.isSynced === true) this.#send({});
      } else this.#deps.send({...NOTHING, revision: keys.revision}, true);
      return;
    }
    const {key, rangeEnd, startRevision, fragment, progressNotify} = request.create;
    const next = startRevision ?? keys.revision + 1;
    this.#watcher = {span: {start: keyOf(key), end: keyOf(rangeEnd)}, next, isSynced: next > keys.revision, fragment: fragment === true};
    this.#send({created: true});
    if (!this.#watcher.isSynced) this.#catchUpSoon();
    if (progressNotify === true) this.#noticeLater();
  }

  /** A revision was written. */
  note(written: WrittenRevision): void {
    if (this.#watcher?.isSynced === true && !this.#isClosed && written.revision >= this.#watcher.next) this.#hand([written]);
  }

  /** Ends the watch from etcd's side. */
  cancel(cancelReason: string): void {
    this.#watcher = undefined;
    this.#send({canceled: true, cancelReason});
  }

  close(): void {
    this.#isClosed = true;
  }

  #catchUpSoon(): void {
    const {time, random} = this.#deps;
    time.after(random() * CATCH_UP_MS, () => this.#catchUp(), undefined);
  }

  #catchUp(): void {
    const {keys} = this.#deps;
    const watcher = this.#watcher;
    if (watcher === undefined || this.#isClosed) return;
    if (watcher.next < keys.compactedTo) {
      this.#watcher = undefined;
      this.#send({canceled: true, compactRevision: keys.compactedTo});
      return;
    }
    const batch: WrittenRevision[] = [];
    for (const written of keys.since(watcher.next)) {
      if (batch.length === BATCH_REVISIONS) break;
      batch.push(written);
    }
    this.#hand(batch);
    // The very first revision has no changes.
    if (batch.length === 0) watcher.next = keys.revision + 1;
    if (watcher.next <= keys.revision) this.#catchUpSoon();
    else watcher.isSynced = true;
  }

  /** Sends what the watcher wants of these revisions, in one response or its fragments. */
  #hand(batch: readonly WrittenRevision[]): void {
    const watcher = this.#watcher;
    const last = batch.at(-1);
    if (watcher === undefined || last === undefined) return;
    watcher.next = last.revision + 1;
    const events = batch.flatMap(({changes}) => changes.filter(({key}) => isIn(key, watcher.span)).map(({event}) => event));
    if (events.length === 0) return;
    if (!watcher.fragment) return this.#send({events});
    let part: WatchEvent[] = [];
    let bytes = 0;
    for (const event of events) {
      const size = event.kv.key.length + event.kv.value.length;
      if (part.length > 0 && bytes + size > this.#deps.fragmentBytes) {
        this.#send({events: part, fragment: true});
        part = [];
        bytes = 0;
      }
      part.push(event);
      bytes += size;
    }
    this.#send({events: part});
  }

  #noticeLater(): void {
    this.#deps.time.after(
      NOTICE_MS,
      () => {
        if (this.#isClosed || this.#watcher === undefined) return;
        if (this.#watcher.isSynced) this.#send({});
        this.#noticeLater();
      },
      undefined,
    );
  }

  #send(response: Partial<WatchResponse>): void {
    if (!this.#isClosed) this.#deps.send({...NOTHING, revision: this.#deps.keys.revision, ...response});
  }
}
