import {sleep} from '../lib/sleep.ts';
import type {Log} from '../lib/log.ts';

export interface RebalanceDeps {
  readonly log: Log;
  /** How often, and after how long a quiet membership, objects are handed to their first choice. */
  readonly intervalMs: number;
  readonly stableForMs: number;
  /** At most this many per interval: a few, so that no controller is flooded. */
  readonly atMost: number;
  stableSinceMs(): number;
  /** Ids we own whose first choice is another live replica, and which nothing is being done for right now. */
  misplaced(): Iterable<string>;
  resign(ids: readonly string[]): Promise<void>;
}

/** Hands objects to the replica that is their first choice, a few at a time, once membership has been stable for a while. */
export async function runRebalance(deps: RebalanceDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(deps.intervalMs, signal);
    if (signal.aborted || deps.stableSinceMs() < deps.stableForMs) continue;
    const ids: string[] = [];
    for (const id of deps.misplaced()) {
      ids.push(id);
      if (ids.length >= deps.atMost) break;
    }
    if (ids.length === 0) continue;
    try {
      await deps.resign(ids);
      deps.log.info({count: ids.length}, 'handed scans to their first choice');
    } catch (err) {
      deps.log.warn({err}, 'could not hand scans over; trying again later');
    }
  }
}
