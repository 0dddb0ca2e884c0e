import type {Engine} from '../engines/engine.ts';
import {hasCode} from '../lib/errors.ts';
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

/**
 * Removes what the engines keep of scans that somebody deletes, as soon as they have ended and nobody leads them any more. Every replica does so, and looks
 * at its start for what one that died left; twice does no harm. An engine that is away is asked again, and holds up no other.
 */
export async function runForgettingDeleted(deps: ForgettingDeps, signal: AbortSignal, everyMs = DELETED_EVERY_MS): Promise<void> {
  const {cache, engines} = deps;
  const changed = new Set<string>();
  const work = new Map<Engine, ForgettingAt>();
  cache.onChange((changes) => {
    for (const change of changes) {
      // What it waits for may be its deletion, its end, or that its owner lets go of it.
      if (change.kind === 'relist') work.clear();
      else if (change.ref.kind === 'control' || (change.ref.kind === 'owner' && cache.scans.get(change.ref.id)?.control !== undefined))
        changed.add(change.ref.id);
    }
  }, signal);
  while (!signal.aborted) {
    await sleep(everyMs * (0.5 + Math.random()), signal);
    if (signal.aborted) break;
    for (const engine of engines.values()) if (!work.has(engine)) work.set(engine, new ForgettingAt(engine, deps));
    const current = new Set(engines.values());
    for (const engine of work.keys()) if (!current.has(engine)) work.delete(engine);
    for (const id of changed) for (const at of work.values()) at.consider(id);
    changed.clear();
    for (const at of work.values()) at.start(signal);
  }
  await Promise.all([...work.values()].map((at) => at.done));
}

/** What one engine has to forget. */
class ForgettingAt {
  readonly #engine: Engine;
  readonly #deps: ForgettingDeps;
  readonly #due = new Set<string>();
  #isNew = true;
  #isBusy = false;
  /** Never rejects. */
  done: Promise<void> = Promise.resolve();

  constructor(engine: Engine, deps: ForgettingDeps) {
    this.#engine = engine;
    this.#deps = deps;
  }

  consider(id: string): void {
    const record = this.#deps.cache.scans.get(id);
    if (isForgettable(record) && placesOf(record).has(this.#engine.place)) this.#due.add(id);
  }

  /** Begins with what is due, unless that is under way. */
  start(signal: AbortSignal): void {
    if (this.#isBusy || (!this.#isNew && this.#due.size === 0)) return;
    this.#isBusy = true;
    this.done = this.#work(signal).finally(() => {
      this.#isBusy = false;
    });
  }

  async #work(signal: AbortSignal): Promise<void> {
    const {cache, log} = this.#deps;
    try {
      if (this.#isNew) for (const id of await this.#engine.known()) this.consider(id);
      this.#isNew = false;
      for (const id of this.#due) {
        if (signal.aborted) return;
        if (isForgettable(cache.scans.get(id))) await this.#forget(id);
        this.#due.delete(id);
      }
    } catch (err) {
      log.warn({err, engine: this.#engine.name, place: this.#engine.place}, 'could not remove what is kept of deleted scans; trying again');
    }
  }

  /** @throws ControlPlaneError `unavailable`: nothing can be asked now */
  async #forget(scanId: string): Promise<void> {
    try {
      await this.#engine.forget(scanId);
    } catch (err) {
      if (hasCode(err, 'unavailable')) throw err;
      this.#deps.log.warn(
        {err, engine: this.#engine.name, scanId},
        'could not remove what is kept of a deleted scan; it goes with what ended long ago',
      );
    }
  }
}

function isForgettable(record: ScanRecord | undefined): record is ScanRecord {
  const state = record?.state?.value;
  return record?.control?.value.is_deleted === true && state !== undefined && isTerminal(state.name) && record.owner === undefined;
}

function placesOf({jobs}: ScanRecord): ReadonlySet<string> {
  return new Set([...(jobs ?? [])].flatMap(([, {value}]) => value.tries.map(({place}) => place)));
}
