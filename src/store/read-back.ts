import type {Clock} from '../lib/clock.ts';
import {systemClock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import {sleep} from '../lib/sleep.ts';
import type {Commit, CommitResult, LeaseId, Revision, Store} from './store.ts';

/**
 * What only one write can have put in place: a key and the bytes it writes there. Bytes that another write (a second try of the same, too) could
 * have put there are no mark: give the value a random id or token.
 */
export interface Mark {
  readonly key: string;
  readonly value: Uint8Array;
  /** The lease that the key has to be attached to. */
  readonly lease?: LeaseId;
  /** The key's mod revision when the write was decided on: an entry that is not newer is what stood there before. */
  readonly after?: Revision;
}

export interface ReadBackOptions {
  /** How long a mark is waited for: a write whose reply is lost may still be on its way. */
  readonly waitMs?: number;
  readonly clock?: Clock;
}

const WAIT_MS = 1000;
const FIRST_PAUSE_MS = 25;

/**
 * Commits, and when the reply is lost looks whether the mark is there.
 *
 * What may be concluded: the mark is there, so the write happened, at the revision returned. The mark is not there: nothing. The write may still
 * arrive, or may have happened and been overwritten. Then `unknown_outcome` stays the answer, and whoever repeats the step has to read again first.
 *
 * @throws ControlPlaneError as {@link Store.commit}; `unknown_outcome` only after the mark has been looked for.
 */
export async function commitWithReadBack(store: Store, commit: Commit, mark: Mark, options: ReadBackOptions = {}): Promise<CommitResult> {
  try {
    return await store.commit(commit);
  } catch (err) {
    if (!hasCode(err, 'unknown_outcome')) throw err;
    const revision = await findMark(store, mark, options);
    if (revision === undefined) throw err;
    return {ok: true, revision};
  }
}

/** The revision at which the mark was written, if it is seen within the wait. Never throws: a read that fails is tried again while there is time. */
export async function findMark(store: Store, mark: Mark, options: ReadBackOptions = {}): Promise<Revision | undefined> {
  const clock = options.clock ?? systemClock;
  const deadline = clock.monotonicMs() + (options.waitMs ?? WAIT_MS);
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs *= 2) {
    const entry = await store.get(mark.key).catch(() => undefined);
    if (entry !== undefined && entry.modRevision > (mark.after ?? 0) && Buffer.compare(entry.value, mark.value) === 0) {
      if (mark.lease === undefined || mark.lease === entry.lease) return entry.modRevision;
    }
    const left = deadline - clock.monotonicMs();
    if (left <= 0) return undefined;
    await sleep(Math.min(pauseMs, left));
  }
}
