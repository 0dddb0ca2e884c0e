import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import {isScan, timestampOf} from '../model/manifest.ts';
import type {Scan} from '../model/manifest.ts';
import {planRescan, rootIdOf} from '../model/rescan.ts';
import {modRevisionOf} from '../model/scan-record.ts';
import {WATCHDOG_POLICY, toBeReplaced} from '../model/watchdog.ts';
import type {Suspect} from '../model/watchdog.ts';
import {newScanId} from '../schema/ids.ts';
import * as keys from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';
import type {Compare} from '../store/store.ts';
import type {LoneController} from './controller.ts';

export interface WatchdogDeps {
  readonly cache: Cache;
  readonly clock: Clock;
  readonly log: Log;
  readonly intervalMs: number;
}

/**
 * Replaces scans whose server was killed from outside in its last try (out of memory, evicted, its host rebooted) by rescans.
 *
 * What it rests on is in {@link toBeReplaced}. The rescan and the mark on the scan that it replaces are one transaction, which is refused when
 * that scan was touched meanwhile: so each is replaced once, whoever else looks at it, and never one that a user has just deleted.
 */
export class Watchdog implements LoneController {
  readonly name = 'watchdog';
  readonly inputs: readonly KeyRef['kind'][] = ['scan', 'control', 'state', 'job', 'result'];
  readonly outputs = ['/scan/[id] and /backlog/[order]/scan/[id] of rescans', '/scan/[id]/control of what they replace'];
  readonly #deps: WatchdogDeps;

  constructor(deps: WatchdogDeps) {
    this.#deps = deps;
  }

  async run(writer: FencedWriter, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#deps.intervalMs, signal);
      if (signal.aborted) return;
      if (!(await this.#isCurrent(signal))) continue;
      for (const {scan} of toBeReplaced(this.#suspects(), this.#deps.clock.now(), WATCHDOG_POLICY)) {
        if (signal.aborted) return;
        await this.#replace(scan, writer);
      }
    }
  }

  /** A final result, or a rescan by a user, that is stored and not seen yet would be passed over. */
  async #isCurrent(signal: AbortSignal): Promise<boolean> {
    return this.#deps.cache.catchUp(signal).then(
      () => true,
      () => false, // The next look tries again.
    );
  }

  #suspects(): Suspect[] {
    const {scans} = this.#deps.cache;
    const suspects: Suspect[] = [];
    for (const id of scans.idsBy('state', 'FAIL')) {
      const scan = scans.get(id);
      if (isScan(scan)) suspects.push({scan, family: () => this.#familyOf(scan)});
    }
    return suspects;
  }

  /** The original and all its rescans that are there, oldest first. */
  #familyOf(scan: Scan): Scan[] {
    const {scans} = this.#deps.cache;
    const rootId = rootIdOf(scan);
    const family = [rootId, ...scans.idsBy('root', rootId)].map((id) => scans.get(id)).filter(isScan);
    return family.sort((a, b) => timestampOf(a) - timestampOf(b) || (a.id < b.id ? -1 : 1));
  }

  /** Never rejects for a reason of this one scan: the next look tries again. */
  async #replace(origin: Scan, writer: FencedWriter): Promise<void> {
    const {cache, clock, log} = this.#deps;
    const root = cache.scans.get(rootIdOf(origin));
    if (!isScan(root)) return; // Its request is gone: there is nothing to run again.
    const nowMs = clock.now();
    const newId = newScanId(nowMs);
    const {compares, ops} = planRescan({origin, root, options: {abortFirst: true, replaceScan: true}, newId, nowMs});
    try {
      await writer.commit([...compares, ...decidedOn(origin)], ops);
      log.warn({scanId: origin.id, rescanId: newId}, 'its server was killed from outside; rescanned');
    } catch (err) {
      if (hasCode(err, 'not_owner')) throw err;
      if (hasCode(err, 'revision_conflict')) return; // Somebody else had a say in it.
      log.error({err, scanId: origin.id}, 'could not be rescanned; trying again');
    }
  }
}

/** What made us replace it, beside its control, which the rescan compares itself. */
function decidedOn(scan: Scan): Compare[] {
  return [
    {key: keys.stateKey(scan.id), modRevision: modRevisionOf(scan, 'state')},
    {key: keys.resultKey(scan.id), modRevision: modRevisionOf(scan, 'result')},
  ];
}
