import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {ControlPlaneError} from '../lib/errors.ts';
import type {JobRef} from '../engines/engine.ts';
import type {ChainRun} from '../model/chain-run.ts';
import {openTry} from '../model/job-table.ts';
import {isChained} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {Observed} from '../model/try-learning.ts';
import {KUBERNETES_ENGINE} from '../schema/cluster.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import type {Job} from '../schema/job.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';
import {fenceToken} from './fence-token.ts';
import type {HeldScans} from './held-scans.ts';
import {withReport, withSaid} from './job-said.ts';
import type {Launcher} from './launcher.ts';
import type {ScanLaunches} from './scan-launches.ts';
import {unlessSlow} from './unless-slow.ts';

export interface ScanObserverDeps {
  readonly cache: Cache;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly held: HeldScans;
  readonly launches: ScanLaunches;
}

/** One look at what runs of a scan: what it begins with, and what it has come to so far. */
interface Look {
  readonly record: ScanRecord;
  readonly writer: FencedWriter;
  readonly run: ChainRun | undefined;
  readonly mayLaunch: boolean;
  /** What engines have said so far, by job. */
  readonly observed: Map<string, Observed>;
  /** Why one of them does not answer now; what runs elsewhere goes on meanwhile. */
  unseen: ControlPlaneError | undefined;
}

/** Asks engines what has become of the jobs of scans. */
export class ScanObserver {
  readonly #deps: ScanObserverDeps;

  constructor(deps: ScanObserverDeps) {
    this.#deps = deps;
  }

  /** What engines say of the open tries; launches are repeated of which we do not know whether the engine was asked, where `mayLaunch`. */
  async observe(record: ScanRecord, writer: FencedWriter, run: ChainRun | undefined, mayLaunch: boolean): Promise<Pick<Look, 'observed' | 'unseen'>> {
    const look: Look = {record, writer, run, mayLaunch, observed: new Map(), unseen: undefined};
    const underWay: Promise<void>[] = [];
    record.jobs?.forEachOpen(({value}, name) => void underWay.push(this.#observeTry(name, value, look)));
    try {
      if (underWay.length > 0) await unlessSlow(Promise.all(underWay));
    } catch (err) {
      noteUnseen(err, look);
    }
    return look;
  }

  /** Asks the engine of one open try. */
  async #observeTry(name: string, job: Job, look: Look): Promise<void> {
    const {launcher, launches, held, cache, clock} = this.#deps;
    const {record, writer, run, observed} = look;
    const current = openTry(job);
    if (current === undefined) return;
    try {
      const ref: JobRef = {scanId: record.id, job: name, try: current.try};
      const engine = launcher.engineAt(current.place);
      const refusal = held.hold(record.id, writer).refused?.get(`${name}/${current.try}`);
      if (refusal !== undefined && (await engine.close(ref, current.place, fenceToken(cache, writer))).kind === 'closed') {
        const exit = {code: 1, state: 'FAIL', error: refusal, ended_at: rfc3339(clock.now())} as const;
        return void observed.set(name, {kind: 'exited', handle: '', exit});
      }
      let seen = await engine.observe(ref, current.place);
      // The intent is ours and was not carried out (the reply of its transaction was lost, or the engine was away): carry it out now.
      if (
        look.mayLaunch &&
        seen.kind === 'absent' &&
        record.spec !== undefined &&
        wantsToRun(record) &&
        launcher.canLaunch(ref, current) &&
        writer.isOwner()
      ) {
        try {
          seen = await launches.launchTry(ref, job, record, run, writer);
        } catch (err) {
          if (hasCode(err, 'unavailable')) observed.set(name, {kind: 'waiting', why: err.detail});
          throw err;
        }
      }
      const hasMore = seen.kind === 'exited' || seen.kind === 'running';
      if (hasMore && isChained(record)) {
        const said = withSaid(seen, await engine.said(ref, current.place));
        return void observed.set(name, withReport(said, record.reports?.get(`${name}/${current.try}`)?.value));
      }
      if (hasMore && engine.name === KUBERNETES_ENGINE) {
        const {pods} = await engine.said(ref, current.place);
        return void observed.set(name, {...seen, ...(pods === undefined ? {} : {pods})});
      }
      observed.set(name, seen);
    } catch (err) {
      noteUnseen(err, look);
    }
  }
}

function wantsToRun(record: ScanRecord): boolean {
  const control = record.control?.value ?? DEFAULT_CONTROL;
  return control.desired === 'run' && !control.is_deleted && record.admission !== undefined && record.result?.value.is_final !== true;
}

/** Keeps why there is no answer now. @throws err where that is no matter of time */
function noteUnseen(err: unknown, look: Look): void {
  if (!hasCode(err, 'unavailable')) throw err;
  look.unseen ??= err;
}
