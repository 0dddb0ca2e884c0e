import {sleep} from '../lib/sleep.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {leaderKey} from '../schema/keys.ts';
import type {Cache} from '../store/cache.ts';
import type {Ownership} from '../store/contracts.ts';
import type {Store} from '../store/store.ts';
import type {LoneController} from './controller.ts';

export interface LoneDeps {
  readonly store: Store;
  readonly cache: Cache;
  readonly ownership: Ownership;
  readonly clock: Clock;
  readonly log: Log;
  /** How many replicas are to try before this one. */
  rank(name: string): number;
  readonly staggerMs: number;
}

/**
 * Runs a controller that must be alone: campaigns for `/leader/[name]` whenever that key is absent, and runs the controller while it leads.
 *
 * A controller that throws is logged, resigned and campaigned for again after a pause, so that another replica gets its chance.
 */
export async function runLone(controller: LoneController, deps: LoneDeps, signal: AbortSignal): Promise<void> {
  const {cache, ownership, log} = deps;
  const key = leaderKey(controller.name);
  while (!signal.aborted) {
    await untilVacant(controller.name, cache, signal);
    if (signal.aborted) return;
    await sleep(deps.rank(controller.name) * deps.staggerMs, signal);
    if (signal.aborted || isLed(controller.name, cache)) continue;
    try {
      const claim = await ownership.campaign(key);
      if (claim.kind !== 'elected') {
        const holder = claim.kind === 'refused' && !claim.result.ok ? claim.result.found.get(key) : undefined;
        if (holder?.lease === '0') {
          // Put by hand, or restored from a backup: it would never expire, and nobody could lead again.
          await deps.store.commit({compares: [{key, modRevision: holder.modRevision}], ops: [{delete: key}]});
          log.warn({key}, 'removed a leader key without a lease');
        }
        await sleep(250, signal);
        continue;
      }
      const stop = new AbortController();
      const leading = AbortSignal.any([signal, stop.signal]);
      ownership.onLost((lost) => {
        if (lost === key) stop.abort();
      }, leading);
      try {
        // What earlier leaders wrote must be seen before the first decision.
        await cache.waitFor(claim.revision, 10_000);
        if (!claim.writer.isOwner()) continue;
        log.info({controller: controller.name}, 'leading');
        await controller.run(claim.writer, leading);
      } finally {
        // Whatever happened: a key that is ours while nobody here leads would keep everybody else away.
        stop.abort();
        await claim.writer.resign();
      }
    } catch (err) {
      if (signal.aborted) return;
      log.error({err, controller: controller.name}, 'controller failed; campaigning again');
      await sleep(1000, signal);
    }
  }
}

/** A key without a lease is nobody's: see above. */
function isLed(name: string, cache: Cache): boolean {
  const leader = cache.leaders.get(name);
  return leader !== undefined && leader.lease !== '0';
}

function untilVacant(name: string, cache: Cache, signal: AbortSignal): Promise<void> {
  if (!isLed(name, cache) || signal.aborted) return Promise.resolve();
  const found = new AbortController();
  return new Promise((resolve) => {
    const done = (): void => {
      signal.removeEventListener('abort', done);
      found.abort();
      resolve();
    };
    cache.onChange(() => {
      if (!isLed(name, cache)) done();
    }, found.signal);
    signal.addEventListener('abort', done, {once: true});
  });
}
