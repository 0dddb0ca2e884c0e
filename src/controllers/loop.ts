import type {Clock} from '../lib/clock.ts';
import {hasCode, isRetryable, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {parseKey} from '../schema/keys.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter, Ownership} from '../store/contracts.ts';
import {isOwnerRef} from '../store/owner-keys.ts';
import type {ObjectController} from './controller.ts';
import type {WorkQueue} from './work-queue.ts';

export interface LoopDeps {
  readonly cache: Cache;
  readonly ownership: Ownership;
  readonly queue: WorkQueue;
  readonly clock: Clock;
  readonly log: Log;
  /** Objects looked at side by side. Large, since most of the time is spent waiting for etcd, and claims travel in batches. */
  readonly concurrency: number;
  /** How long each replica that comes before this one in an object's order gets to claim it first. */
  readonly staggerMs: number;
  /** How long this replica stays away from an object whose owner key somebody else deleted. */
  readonly stayAwayMs: number;
}

/**
 * Runs one controller until `signal` aborts, then finishes what is in work.
 *
 * A burst of events for an object becomes one reconcile: the queue holds each id once. Never rejects because of one object: a throw is logged once,
 * here; retried with backoff if that can help, else the object is settled with the reason.
 */
export async function runController(controller: ObjectController, deps: LoopDeps, signal: AbortSignal): Promise<void> {
  const {cache, ownership, queue, clock, log} = deps;
  const awayUntil = new Map<string, number>();

  const look = (id: string): void => {
    if (ownership.owned(controller.ownerKey(id)) !== undefined) queue.add(id);
    else if (controller.wants(id)) queue.addAfter(id, Math.max(controller.rank(id) * deps.staggerMs, (awayUntil.get(id) ?? 0) - clock.monotonicMs()));
    else {
      // Nothing is remembered of what is none of our business.
      queue.forget(id);
      if ((awayUntil.get(id) ?? 0) <= clock.monotonicMs()) awayUntil.delete(id);
    }
  };
  cache.onChange((changes) => {
    let last: string | undefined; // Changes of one object mostly stand side by side.
    for (const change of changes) {
      if (change.kind === 'relist') for (const id of controller.ids()) look(id);
      else {
        const id = controller.idOf(change.ref);
        if (id === undefined || id === last) continue;
        // That we have become its owner is nothing to look at: whoever claimed it for us goes on from there.
        if (isOwnerRef(change.ref) && ownership.owned(change.key) !== undefined) continue;
        last = id;
        look(id);
      }
    }
  }, signal);
  ownership.onLost((ownerKey, cause) => {
    const ref = parseKey(ownerKey);
    const id = ref === undefined ? undefined : controller.idOf(ref);
    if (id === undefined || controller.ownerKey(id) !== ownerKey) return;
    controller.released(id);
    // Its owner key may have gone with all the rest: then there is nobody to make room for.
    if (cause === 'deleted' && controller.exists(id)) {
      log.warn({id, controller: controller.name}, 'owner key was deleted by somebody else; staying away for a while');
      awayUntil.set(id, clock.monotonicMs() + deps.stayAwayMs);
    }
    look(id);
  }, signal);
  for (const id of controller.ids()) look(id);

  await queue.forEach(deps.concurrency, signal, async (id) => {
    const ownerKey = controller.ownerKey(id);
    const away = (awayUntil.get(id) ?? 0) - clock.monotonicMs();
    if (away <= 0) awayUntil.delete(id);
    let writer: FencedWriter | undefined = ownership.owned(ownerKey);
    try {
      if (writer === undefined) {
        if (away > 0) return queue.addAfter(id, away);
        if (!controller.wants(id)) return;
        const claim = await ownership.campaign(ownerKey); // Joins the batch in flight; one owner per object.
        if (claim.kind === 'no_lease') return queue.addWithBackoff(id);
        if (claim.kind === 'refused') return; // Another replica leads; its owner key going away wakes us.
        writer = claim.writer;
        if (cache.revision < claim.revision) await cache.waitFor(claim.revision, 5000);
      }
      const result = await controller.reconcile(id, writer);
      queue.forget(id);
      if (result.kind === 'requeue') queue.addAfter(id, result.afterMs);
    } catch (err) {
      if (hasCode(err, 'not_owner')) {
        // The cache shows it too, and wakes us when the object is free again. An engine may say so while the key is ours: then only time can tell.
        if (ownership.owned(ownerKey) === undefined) return;
        log.warn(
          {id, controller: controller.name, reason: err.detail},
          'an engine knows a newer owner; a database that was restored has to be told (scanplane restored)',
        );
        queue.addWithBackoff(id);
        return;
      }
      if (hasCode(err, 'revision_conflict') && !signal.aborted) {
        // Somebody wrote first: look again, once the cache shows it.
        await cache.catchUp(signal).then(
          () => queue.add(id),
          () => queue.addWithBackoff(id),
        );
        return;
      }
      if (signal.aborted && isRetryable(err)) return; // Stopping is not a failure.
      log.error({err, id, controller: controller.name}, 'reconcile failed');
      if (isRetryable(err) || writer === undefined) return queue.addWithBackoff(id);
      // Nothing waits for ever: what no retry can mend ends with its reason.
      await controller.fail(id, writer, reasonOf(err));
      queue.addWithBackoff(id);
    }
  });
}
