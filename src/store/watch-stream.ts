import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {grpcFailure} from './etcd-errors.ts';
import {within} from './etcd-member.ts';
import type {EtcdMember, WatchStream} from './etcd-member.ts';
import type {EtcdStore} from './etcd-store.ts';
import type {Revision} from './store.ts';
import type {WatchEvent, WatchResponse} from './wire/watch-messages.ts';

/** Where the events go. Neither may throw: that would end the watch. */
export interface WatchHandlers {
  /** All events of one etcd revision, never a part of them. The last revision may come again with events that were not seen before. */
  onRevision(revision: Revision, events: readonly WatchEvent[]): void;
  /** Every event up to `revision` has been handed on. */
  onProgress(revision: Revision): void;
  /** A member answered that its database is older than what has been handed on: it lags, or a backup was restored. */
  onBehind(revision: Revision): void;
}

/** Why a watch came to its end. `compacted`: events are lost for good, list again. `stopped`: the signal aborted. */
export type WatchEnd = 'compacted' | 'stopped';

export interface WatchTimings {
  /** Without any event for this long, the member is asked for a progress notice. */
  readonly idleMs: number;
  /** A member that has not answered for this long is left for another. */
  readonly answerMs: number;
  /** The pause before the second round of attempts over all members; doubles up to `maxBackoffMs`. */
  readonly backoffMs: number;
  readonly maxBackoffMs: number;
}

export interface PrefixWatchDeps {
  readonly store: EtcdStore;
  readonly clock: Clock;
  readonly log: Log;
  readonly random?: () => number;
  readonly timings?: Partial<WatchTimings>;
  /** Whether what is called the prefix is one key, and no other that starts with it is watched. Default `false`. */
  readonly isOneKey?: boolean;
}

const DEFAULT_TIMINGS: WatchTimings = {idleMs: 2000, answerMs: 3000, backoffMs: 100, maxBackoffMs: 2000};

/** At most ten connections a second, whatever happens. */
const MIN_BETWEEN_CONNECTS_MS = 100;
/** etcd moves watches that begin in the past to the present every 100 ms; until then an old etcd's progress notices say nothing about them. */
const CATCH_UP_MS = 300;
const ASK_AGAIN_MS = 100;
const VERSION_TIMEOUT_MS = 2000;

/** What one connection led to. `useful`: it delivered something, so the member is no lost cause. */
type ConnectionEnd =
  | {readonly kind: WatchEnd}
  | {readonly kind: 'broken'; readonly useful: boolean; readonly cause: unknown; readonly denied: boolean};

/**
 * One watch over a prefix, kept up over whatever happens to its stream.
 *
 * The next revision to ask for is taken from events that were handed on, and from nothing else: the header of the `created` reply may be ahead of
 * events that are still to come, and so may an old etcd's progress notices. What breaks a stream is reported and answered by another, on another
 * member if there is one; only a compaction ends the watch, since then no stream can bring what was missed.
 */
export class PrefixWatch {
  readonly #deps: PrefixWatchDeps;
  readonly #timings: WatchTimings;
  readonly #prefix: string;
  #connection: WatchConnection | undefined;
  /** Connections opened so far. */
  connects = 0;

  constructor(prefix: string, deps: PrefixWatchDeps) {
    this.#prefix = prefix;
    this.#deps = deps;
    this.#timings = {...DEFAULT_TIMINGS, ...deps.timings};
  }

  /** Asks the member how far it is, until `onProgress` could be called with at least `wanted`. Cheap; without a connection it does nothing. */
  requestProgress(wanted: Revision): void {
    this.#connection?.requestProgress(wanted);
  }

  /** Hands on everything from revision `from` on, until `signal` aborts or the events are gone. Rejects only when a handler throws. */
  async follow(from: Revision, handlers: WatchHandlers, signal: AbortSignal): Promise<WatchEnd> {
    const {store, clock, log} = this.#deps;
    let next = from;
    let failures = 0;
    while (!signal.aborted) {
      const candidates = store.members.order();
      const member = candidates[failures % candidates.length] as EtcdMember;
      const startedAt = clock.monotonicMs();
      this.connects += 1;
      const connection = new WatchConnection(member, this.#prefix, next, handlers, this.#deps, this.#timings);
      this.#connection = connection;
      const end = await connection.run(signal);
      this.#connection = undefined;
      next = connection.next;
      if (end.kind !== 'broken') return end.kind;
      failures = end.useful ? 1 : failures + 1;
      const fields = {err: end.cause, member: member.endpoint, next, failures};
      if (end.denied) log.error(fields, 'watch refused by etcd; trying again');
      else log.warn(fields, 'watch broken; connecting again');
      await sleep(Math.max(this.#backoffMs(failures, candidates.length), startedAt + MIN_BETWEEN_CONNECTS_MS - clock.monotonicMs()), signal);
    }
    return 'stopped';
  }

  /** Nothing while there are members that have not failed yet, then doubling, with jitter. */
  #backoffMs(failures: number, members: number): number {
    const rounds = Math.floor(failures / members);
    if (rounds === 0 || failures <= 1) return 0;
    const {backoffMs, maxBackoffMs} = this.#timings;
    const random = this.#deps.random ?? Math.random;
    return Math.min(maxBackoffMs, backoffMs * 2 ** Math.min(rounds, 10)) * (0.5 + random() / 2);
  }
}

/** One stream to one member. */
class WatchConnection {
  next: Revision;
  readonly #start: Revision;
  readonly #member: EtcdMember;
  readonly #prefix: string;
  readonly #handlers: WatchHandlers;
  readonly #deps: PrefixWatchDeps;
  readonly #timings: WatchTimings;
  readonly #ended = Promise.withResolvers<ConnectionEnd>();
  #isDone = false;
  #isUseful = false;
  #stream: WatchStream | undefined;
  /** Events of a revision whose last fragment has not come yet. */
  #fragments: WatchEvent[] = [];
  /** When the member said something last, and since when it owes an answer. */
  #heardAt: number;
  #askedAt: number | undefined;
  #createdAt: number | undefined;
  /** Whether this etcd keeps progress notices behind the events that they speak of. */
  #hasOrderedProgress = false;
  /** An unordered notice that waits for a second one. */
  #unconfirmed: Revision | undefined;
  /** The revision that somebody waits for, and when the member was asked last, while it has not answered. */
  #wanted: Revision = 0;
  #requestedAt: number | undefined;
  #asking: NodeJS.Timeout | undefined;

  constructor(member: EtcdMember, prefix: string, next: Revision, handlers: WatchHandlers, deps: PrefixWatchDeps, timings: WatchTimings) {
    this.next = next;
    this.#start = next;
    this.#member = member;
    this.#prefix = prefix;
    this.#handlers = handlers;
    this.#deps = deps;
    this.#timings = timings;
    this.#heardAt = deps.clock.monotonicMs();
  }

  async run(signal: AbortSignal): Promise<ConnectionEnd> {
    const onAbort = (): void => this.#finish({kind: 'stopped'});
    signal.addEventListener('abort', onAbort, {once: true});
    // Looks often enough that the timings hold within a quarter.
    const timer = setInterval(() => this.#look(), Math.max(10, Math.min(this.#timings.idleMs, this.#timings.answerMs) / 4));
    if (signal.aborted) onAbort();
    else void this.#open();
    try {
      return await this.#ended.promise;
    } finally {
      clearInterval(timer);
      clearTimeout(this.#asking);
      signal.removeEventListener('abort', onAbort);
      this.#stream?.cancel();
    }
  }

  requestProgress(wanted: Revision): void {
    if (this.#createdAt === undefined || this.#isDone) return;
    this.#wanted = Math.max(this.#wanted, wanted);
    // One question at a time, so that an answer is known to be younger than the one before. An etcd that is behind may leave one unanswered.
    const now = this.#deps.clock.monotonicMs();
    if (this.#requestedAt !== undefined && now - this.#requestedAt < ASK_AGAIN_MS) return;
    this.#requestedAt = now;
    this.#stream?.write({progress: true});
  }

  /** Ends it as broken. */
  end(cause: unknown, denied = false): void {
    this.#finish({kind: 'broken', useful: this.#isUseful, cause, denied});
  }

  #finish(end: ConnectionEnd): void {
    if (this.#isDone) return;
    this.#isDone = true;
    this.#ended.resolve(end);
  }

  async #open(): Promise<void> {
    try {
      const stream = await this.#member.watch();
      // Installed before anything else, and kept: a stream without this listener would end the process, also after it was cancelled.
      stream.on('error', (err) => this.#onFailure(err));
      stream.on('end', () => this.end(new Error('the watch stream ended')));
      if (this.#isDone) {
        stream.cancel();
        return;
      }
      this.#stream = stream;
      stream.on('data', (response) => this.#onData(response));
      const {store} = this.#deps;
      stream.write({
        create: {
          key: store.keyBytes(this.#prefix, true),
          rangeEnd: this.#deps.isOneKey === true ? store.keyBytes(`${this.#prefix}\0`) : store.rangeEnd(this.#prefix),
          // One revision early, so that etcd tells us when that of `#start` is compacted: it drops deletions of that very revision, and older
          // etcds serve a watch from there on without them (etcd-io/etcd#18089, #19179).
          startRevision: Math.max(1, this.#start - 1),
          progressNotify: true,
          fragment: true,
        },
      });
      await this.#learnVersion();
    } catch (err) {
      this.#onFailure(err);
    }
  }

  #onFailure(err: unknown): void {
    // Canceling a stream is an error of it too.
    if (this.#isDone) return;
    const {details} = grpcFailure(err);
    if (isAboutRights(details)) this.#member.forgetToken();
    this.#deps.store.members.reportFailure(this.#member);
    this.end(err, isAboutRights(details));
  }

  async #learnVersion(): Promise<void> {
    try {
      const {version} = await this.#member.maintenance.status(within(VERSION_TIMEOUT_MS));
      this.#hasOrderedProgress = hasOrderedProgress(version);
    } catch {
      // Not known is taken as old, which only makes catching up slower.
    }
  }

  #onData(response: WatchResponse): void {
    if (this.#isDone) return;
    try {
      this.#take(response);
    } catch (err) {
      // A handler's bug, not the stream's fault: another stream would meet it again.
      this.#isDone = true;
      this.#ended.reject(err);
    }
  }

  #take(response: WatchResponse): void {
    this.#heardAt = this.#deps.clock.monotonicMs();
    this.#askedAt = undefined;
    // Looked at before `created`, since a watch that is denied is answered by a reply that is both.
    if (response.canceled) this.#onCanceled(response);
    else if (response.created) this.#onCreated(response.revision);
    else if (response.events.length > 0 || response.fragment) this.#onEvents(response);
    else if (this.#fragments.length === 0) this.#onProgress(response.revision);
  }

  #onCanceled(response: WatchResponse): void {
    if (response.compactRevision > 0) {
      this.#finish({kind: 'compacted'});
      return;
    }
    const isDenied = isAboutRights(response.cancelReason);
    if (isDenied) this.#member.forgetToken();
    this.end(new Error(`etcd canceled the watch: ${response.cancelReason || 'no reason given'}`), isDenied);
  }

  #onCreated(revision: Revision): void {
    this.#createdAt = this.#heardAt;
    if (revision < this.#start - 1) this.#handlers.onBehind(revision);
    // Tells soon whether the watch is current, and so shortens the wait for the first reader. Most begin in the past, and etcd may leave the question
    // unanswered until they have caught up.
    this.requestProgress(0);
    this.#asking = setTimeout(() => this.requestProgress(0), CATCH_UP_MS);
  }

  #onEvents(response: WatchResponse): void {
    this.#isUseful = true;
    this.#unconfirmed = undefined;
    const {store} = this.#deps;
    const events = response.events.map(({kind, kv}): WatchEvent => ({kind, kv: store.entry(kv)}));
    const all = this.#fragments.length === 0 ? events : this.#fragments.concat(events);
    // Etcd cuts a response anywhere: until its last fragment has come, the newest revision may be incomplete.
    if (response.fragment) {
      this.#fragments = all;
      return;
    }
    this.#fragments = [];
    for (let first = 0; first < all.length;) {
      const revision = (all[first] as WatchEvent).kv.modRevision;
      let end = first + 1;
      while (end < all.length && (all[end] as WatchEvent).kv.modRevision === revision) end++;
      // Older than what was handed on: an etcd before 3.4.25 may send such again. The last one is let through, in case it came in two responses.
      if (revision >= Math.max(this.#start, this.next - 1)) {
        this.#handlers.onRevision(revision, first === 0 && end === all.length ? all : all.slice(first, end));
        this.next = revision + 1;
      }
      first = end;
    }
  }

  /**
   * Takes a progress notice, asked for or not.
   *
   * etcd before 3.4.25 and 3.5.9 sends a requested notice on a way of its own, where it can overtake events that wait to be sent, and speaks for
   * watches that have not caught up. There a notice is believed when a second one, asked for after the first had arrived, has followed it with
   * no event between, and not before the watch has had time to catch up. That is very likely right, not certainly: what it would cost is one
   * read that misses the newest write; no event is lost by it, since the next revision never moves by a notice.
   */
  #onProgress(revision: Revision): void {
    this.#requestedAt = undefined;
    if (this.#hasOrderedProgress) {
      this.#isUseful = true;
      this.#handlers.onProgress(revision);
      return;
    }
    // Also where the answer to its creation says that the watch begins in the present: a write may have come between that look and the registration.
    if (this.#heardAt - (this.#createdAt ?? this.#heardAt) < CATCH_UP_MS) return;
    const confirmed = this.#unconfirmed;
    this.#unconfirmed = revision;
    if (confirmed !== undefined) {
      this.#isUseful = true;
      this.#handlers.onProgress(confirmed);
    }
    if (confirmed === undefined || (confirmed < this.#wanted && revision >= this.#wanted)) this.requestProgress(0);
  }

  /** Looks for silence. */
  #look(): void {
    const now = this.#deps.clock.monotonicMs();
    const {idleMs, answerMs} = this.#timings;
    if (this.#createdAt === undefined) {
      if (now - this.#heardAt > answerMs) this.#onFailure(new Error('the member does not answer'));
      return;
    }
    if (now - this.#heardAt <= idleMs) return;
    // Measured from the asking, not from the silence: a process that was paused must not blame the member for it.
    this.#askedAt ??= now;
    if (now - this.#askedAt > answerMs) this.#onFailure(new Error('the member has fallen silent'));
    else this.requestProgress(0);
  }
}

/** Whether etcd refused for want of rights or a valid token: to be reported as an error, since only a person can mend it. */
function isAboutRights(reason: string): boolean {
  return /permission denied|auth|user name is empty/i.test(reason);
}

/** Whether requested progress notices come in order with events: from 3.4.25 and 3.5.9 on. */
export function hasOrderedProgress(version: string): boolean {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10) || 0);
  if (major !== 3) return major > 3;
  if (minor === 4) return patch >= 25;
  if (minor === 5) return patch >= 9;
  return minor > 5;
}
