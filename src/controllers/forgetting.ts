import type {Engine} from '../engines/engine.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {isTerminal} from '../schema/state.ts';
import type {Cache} from '../store/cache.ts';

export interface ForgettingDeps {
  readonly cache: Cache;
  readonly engines: ReadonlyMap<string, Engine>;
  readonly log: Log;
}

/** How often scans that were deleted are looked at. */
const DELETED_EVERY_MS = 2000;

/** Removes what the engines keep of scans that somebody deletes, as soon as they have ended and nobody leads them any more. Twice does no harm. */
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
