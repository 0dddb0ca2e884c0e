import {reasonOf} from '../../lib/errors.ts';
import type {JobLog} from '../../proto/types.ts';
import type {Context} from './command.ts';
import {Interrupted, unlessInterrupted} from '../interrupt.ts';
import {byFinish, isUnfinished} from './present.ts';
import {isOutage} from './request-api.ts';
import {oneLine} from '../text.ts';

const INTERVAL_MS = 1000;
/** A log that takes long to send is asked for less often: the server works for us one tenth of the time at most. */
const REST_FACTOR = 9;

/**
 * Gives `show` the tries of a request as they finish, those that have finished already first, until the request has ended.
 *
 * A server that goes away on the way is waited for; one that refuses ends it.
 *
 * @returns the exit code
 */
export async function followLog(context: Context, id: string, show: (tries: readonly JobLog[]) => void): Promise<number> {
  const {api, clock, err: errors, interrupt, sleep} = context;
  const shown = new Set<string>();
  let isFirst = true;
  let isAway = false;
  for (;;) {
    const beganMs = clock.monotonicMs();
    try {
      // In this order: what a request that has ended has logged is complete.
      const request = await unlessInterrupted(api.getRequest(id), interrupt);
      const log = await unlessInterrupted(api.getJobLogs(id), interrupt);
      const fresh = log.filter((entry) => entry.finishedAt !== 0n && !shown.has(keyOf(entry))).toSorted(byFinish);
      for (const entry of fresh) shown.add(keyOf(entry));
      if (fresh.length > 0) show(fresh);
      if (!isUnfinished(request)) return 0;
      [isFirst, isAway] = [false, false];
    } catch (err) {
      if (isFirst || err instanceof Interrupted || !isOutage(err)) throw err;
      if (!isAway) errors.write(`${oneLine(reasonOf(err))}; waiting\n`);
      isAway = true;
    }
    const tookMs = clock.monotonicMs() - beganMs;
    await unlessInterrupted(sleep(Math.max(INTERVAL_MS, REST_FACTOR * tookMs), interrupt), interrupt);
  }
}

function keyOf({jobId, try: number}: JobLog): string {
  return `${jobId}/${number}`;
}
