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
  /** Owner keys that we hold object has another live replica for its first choice, and for which nothing is being done right now. */
  misplaced(): Iterable<string>;
  resign(ownerKeys: readonly string[]): Promise<void>;
}

/** Hands objects to the replica that is their first choice, a few at a time, once membership has been stable for a while. */
export async function runRebalance(deps: RebalanceDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(deps.intervalMs, signal);
    if (signal.aborted || deps.stableSinceMs() < deps.stableForMs) continue;
    const ownerKeys: string[] = [];
    for (const key of deps.misplaced()) {
      ownerKeys.push(key);
      if (ownerKeys.length >= deps.atMost) break;
    }
    if (ownerKeys.length === 0) continue;
    try {
      await deps.resign(ownerKeys);
      deps.log.info({count: ownerKeys.length}, 'handed objects to their first choice');
    } catch (err) {
      deps.log.warn({err}, 'could not hand objects over; trying again later');
    }
  }
}
