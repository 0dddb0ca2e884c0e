import type {Engine, JobRef} from '../engines/engine.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {parseKey} from '../schema/keys.ts';
import type {Meta} from '../schema/replica.ts';
import type {LeaseKeeper} from '../store/contracts.ts';
import type {JobController} from './controller.ts';
import type {WorkQueue} from './work-queue.ts';

/** A controller of what runs on engines, and its queue. */
export interface Led {
  readonly controller: JobController;
  readonly queue: WorkQueue;
}

export interface UpkeepDeps {
  readonly engines: ReadonlyMap<string, Engine>;
  readonly lease: LeaseKeeper;
  readonly clock: Clock;
  readonly log: Log;
  readonly orphanAfterMs: number;
  /** Which database this is. */
  readonly meta: () => Meta | undefined;
  /** How many jobs of before a restore run of which nothing is stored, by place; kept up to date here. */
  readonly leftAlone: Map<string, number>;
  /** How long engines keep what has ended. */
  readonly keepJobsMs: number;
}

/** Objects whose jobs run that are looked at although nothing called for it, per second: with many of them it takes longer than it should. */
const RESYNC_PER_SECOND = 500;
const FORGET_EVERY_MS = 600_000;

/** What engines tell their hints to: whoever leads what they are about looks at it. */
export function hintsFor(led: readonly Led[]): (ref: JobRef) => void {
  return ({scanId}) => {
    const owner = leaderOf(scanId, led);
    owner?.queue.add(owner.id);
  };
}

/** A job's supervisor may die without a word: so every object with jobs is looked at every `resyncMs`, in small portions. */
export async function runResync({controller, queue}: Led, resyncMs: number, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const ids = new Set<string>();
    controller.forEachRunningTry(({scanId}) => ids.add(controller.objectOf(scanId) ?? scanId));
    const pauseMs = 100;
    const rounds = Math.max(resyncMs / pauseMs, Math.ceil((ids.size * 1000) / (RESYNC_PER_SECOND * pauseMs)));
    const portion = Math.ceil(ids.size / rounds);
    let n = 0;
    for (const id of ids) {
      if (n++ % portion === 0) await sleep(pauseMs, signal);
      if (signal.aborted) return;
      queue.add(id);
    }
    if (ids.size < rounds) await sleep(resyncMs - ids.size * pauseMs, signal);
  }
}

/**
 * Tells the engines which jobs still have an owner, well before they would count as orphans: each soon after it has become ours, since whoever led it before
 * may not have come to it, and then from time to time.
 */
export async function runRenewals(led: readonly Led[], {engines, lease, clock, log, orphanAfterMs}: UpkeepDeps, signal: AbortSignal): Promise<void> {
  let renewedAt = new Map<string, number>();
  while (!signal.aborted) {
    await sleep(orphanAfterMs / 60, signal);
    if (signal.aborted) return; // Whoever is next renews in time.
    if (lease.current() === undefined) continue; // Not ours to speak for any more.
    const now = clock.monotonicMs();
    const byPlace = new Map([...engines.values()].map((engine) => [engine.place, engine]));
    const ours = new Map<string, number>();
    const due = new Map<Engine, JobRef[]>();
    for (const {controller} of led) {
      controller.forEachRunningTry((ref, place) => {
        const engine = byPlace.get(place);
        if (engine === undefined) return;
        const name = `${ref.scanId}/${ref.job}/${ref.try}`;
        const before = renewedAt.get(name);
        const isDue = before === undefined || now - before >= orphanAfterMs / 6;
        ours.set(name, isDue ? now : before);
        if (!isDue) return;
        const refs = due.get(engine);
        if (refs === undefined) due.set(engine, [ref]);
        else refs.push(ref);
      });
    }
    renewedAt = ours;
    for (const [engine, refs] of due) {
      await engine.renew(refs).catch((err: unknown) => {
        log.warn({err, engine: engine.name}, 'could not renew jobs; trying again');
        for (const {scanId, job, try: number} of refs) ours.delete(`${scanId}/${job}/${number}`);
      });
    }
  }
}

/**
 * Ends what runs although nothing that is stored speaks of it any more. Every replica does so for the places it shares; twice does no harm. What may only be
 * unknown because the database was restored from a backup is told once and left alone: nobody can know what it is worth.
 */
export async function runEnding(led: readonly Led[], {engines, log, orphanAfterMs, meta, leftAlone}: UpkeepDeps, signal: AbortSignal): Promise<void> {
  const told = new Set<string>();
  while (!signal.aborted) {
    await sleep(orphanAfterMs / 6, signal);
    if (signal.aborted) return;
    for (const engine of engines.values()) {
      try {
        let older = 0;
        for (const jobsOf of await engine.known()) {
          const leader = leaderOf(jobsOf, led);
          if (leader === undefined || leader.controller.exists(leader.id)) continue;
          const {cluster_id: clusterId = '', epoch = 1} = meta() ?? {};
          for (const {fence, ...ref} of await engine.tries(jobsOf, clusterId)) {
            const isOlder = fence !== undefined && fence.epoch < epoch;
            if (!isOlder && !leader.controller.isAbandoned(ref)) continue;
            const name = `${engine.place} ${jobsOf}/${ref.job}/${ref.try}`;
            if ((await engine.observe(ref, engine.place)).kind !== 'running') continue;
            if (isOlder) {
              older++;
              if (told.has(name)) continue;
              told.add(name);
              log.warn(
                {jobs: jobsOf, job: ref.job, try: ref.try, place: engine.place},
                'a job of before the restore runs, of which nothing is stored; left alone',
              );
              continue;
            }
            log.warn({jobs: jobsOf, try: ref.try, engine: engine.name}, 'ending a job of which nothing is stored any more');
            await engine.stop(ref, engine.place);
          }
        }
        leftAlone.set(engine.place, older);
      } catch (err) {
        log.warn({err, engine: engine.name}, 'could not look for abandoned jobs; trying again');
      }
    }
  }
}

/** Removes what the engines keep of objects that ended long ago or are gone. Every replica does so for the places it shares; twice does no harm. */
export async function runForgetting(led: readonly Led[], {engines, clock, log, keepJobsMs}: UpkeepDeps, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await sleep(FORGET_EVERY_MS * (0.5 + Math.random()), signal);
    if (signal.aborted) return;
    const before = clock.now() - keepJobsMs;
    for (const engine of engines.values()) {
      const known = await engine.known().catch((err: unknown) => {
        log.warn({err, engine: engine.name}, 'could not list what is kept of old jobs; trying again');
        return [];
      });
      for (const jobsOf of known) {
        try {
          const leader = leaderOf(jobsOf, led);
          if (leader?.controller.mayForget(leader.id, before)) await engine.forget(jobsOf);
        } catch (err) {
          log.warn({err, engine: engine.name, scanId: jobsOf}, 'could not remove what is kept of old jobs; trying again');
        }
      }
    }
  }
}

/** Owner keys that we hold although another live replica is the first choice, and which nothing is being done for right now. */
export function* misplacedKeys(ownedKeys: Iterable<string>, led: readonly Led[]): Iterable<string> {
  for (const key of ownedKeys) {
    const ref = parseKey(key);
    if (ref === undefined) continue;
    for (const {controller} of led) {
      const id = controller.idOf(ref);
      if (id !== undefined && controller.isSettled(id) && controller.rank(id) > 0) yield key;
    }
  }
}

function leaderOf(jobsOf: string, led: readonly Led[]): (Led & {readonly id: string}) | undefined {
  for (const each of led) {
    const id = each.controller.objectOf(jobsOf);
    if (id !== undefined) return {...each, id};
  }
  return undefined;
}
