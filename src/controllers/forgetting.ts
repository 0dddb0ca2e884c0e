import type {ControllersConfig} from '../config.ts';
import type {Engine} from '../engines/engine.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {isTerminal} from '../schema/state.ts';
import type {Cache} from '../store/cache.ts';

export interface ForgettingDeps {
  readonly cache: Cache;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: Pick<ControllersConfig, 'keepJobsSeconds'>;
}

const FORGET_EVERY_MS = 600_000;
/** How often scans that were deleted are looked at. */
const DELETED_EVERY_MS = 2000;

/** Removes what the engines keep of scans that ended long ago or are gone. Every replica does so for the places it shares; twice does no harm. */
export async function runForgetting(deps: ForgettingDeps, signal: AbortSignal): Promise<void> {
  const {cache, clock, config, engines, log} = deps;
  while (!signal.aborted) {
    await sleep(FORGET_EVERY_MS * (0.5 + Math.random()), signal);
    if (signal.aborted) return;
    const before = clock.now() - config.keepJobsSeconds * 1000;
    for (const engine of engines.values()) {
      const known = await engine.known().catch((err: unknown) => {
        log.warn({err, engine: engine.name}, 'could not list what is kept of old jobs; trying again');
        return [];
      });
      for (const id of known) {
        const record = cache.scans.get(id);
        const state = record?.state?.value;
        const isOld = state !== undefined && isTerminal(state.name) && !(Date.parse(state.ended_at ?? '') >= before); // By hand: no time.
        const isOver = record === undefined || isOld || isDeleted(record);
        if (isOver && record?.owner === undefined) await forget(engine, id, deps);
      }
    }
  }
}

/** The same for scans that somebody deletes, as soon as they have ended and nobody leads them any more. */
export async function runForgettingDeleted(deps: ForgettingDeps, signal: AbortSignal): Promise<void> {
  const {cache, engines} = deps;
  const deleted = new Set<string>();
  cache.onChange((changes) => {
    for (const change of changes) if (change.kind === 'key' && change.ref.kind === 'owner') deleted.add(change.ref.id);
  }, signal);
  while (!signal.aborted) {
    await sleep(DELETED_EVERY_MS * (0.5 + Math.random()), signal);
    const ids = [...deleted];
    deleted.clear();
    for (const id of ids) {
      const record = cache.scans.get(id);
      // An owner that goes later is a change, too.
      if (signal.aborted || record === undefined || !isDeleted(record) || record.owner !== undefined) continue;
      const places = new Set([...(record.jobs ?? [])].flatMap(([, {value}]) => value.tries.map(({place}) => place)));
      for (const engine of engines.values()) if (places.has(engine.place)) await forget(engine, id, deps);
    }
  }
}

function isDeleted({control, state}: ScanRecord): boolean {
  return control?.value.is_deleted === true && state !== undefined && isTerminal(state.value.name);
}

async function forget(engine: Engine, scanId: string, {log}: ForgettingDeps): Promise<void> {
  try {
    await engine.forget(scanId);
  } catch (err) {
    log.warn({err, engine: engine.name, scanId}, 'could not remove what is kept of old jobs; trying again');
  }
}
