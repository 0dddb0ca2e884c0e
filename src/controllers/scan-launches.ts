import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError, hasCode, isRetryable, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {Engine, JobObservation, JobRef, KnownTry} from '../engines/engine.ts';
import type {ChainRun} from '../model/chain-run.ts';
import {withChainTry} from '../model/chain-work.ts';
import {withNewTry} from '../model/scan-plan.ts';
import type {ScanStep} from '../model/scan-plan.ts';
import {attemptOf, isExternal, modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {JobFacts} from '../schema/chain.ts';
import * as keys from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Writer} from '../schema/state.ts';
import type {Cache} from '../store/cache.ts';
import type {ClaimExtra, FencedWriter} from '../store/contracts.ts';
import type {Compare, Op} from '../store/store.ts';
import {fenceToken} from './fence-token.ts';
import type {HeldScans} from './held-scans.ts';
import {putJob} from './job-writes.ts';
import {launchContext} from './launch-context.ts';
import type {Launcher} from './launcher.ts';
import {decisionCompares} from './scan-compares.ts';
import {unlessSlow} from './unless-slow.ts';

export interface ScanLaunchesDeps {
  readonly cache: Cache;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Log;
  readonly held: HeldScans;
}

/** A launch intent that is written in one transaction with something else: what to compare and write, and what to launch then. */
export interface PreparedLaunch extends ClaimExtra {
  readonly jobs: ReadonlyMap<string, {readonly planned: JobFacts; readonly try: number}>;
}

/** Jobs launched per transaction, well below the operations that it has room for. */
const LAUNCHES_PER_WRITE = 32;
/** Bytes of their records, of which one may hold 256 KiB of data: beside what else one transaction brings. */
const LAUNCH_BYTES_PER_WRITE = 256 * 1024;

/** How jobs of scans are launched: an intent is written, and then carried out. */
export class ScanLaunches {
  readonly #deps: ScanLaunchesDeps;

  constructor(deps: ScanLaunchesDeps) {
    this.#deps = deps;
  }

  /** The transaction of a launch intent, and what to ask the engine for once it is in. */
  async prepare(step: ScanStep & {readonly kind: 'launch'}, record: ScanRecord, run: ChainRun | undefined, by: Writer): Promise<PreparedLaunch> {
    const {launcher, clock} = this.#deps;
    const {id} = record;
    const launches = (await this.#placeable(record, step.jobs)).slice(0, LAUNCHES_PER_WRITE);
    const nowText = rfc3339(clock.now());
    const compares: Compare[] = [...decisionCompares(record), {key: keys.chainKey(id), modRevision: modRevisionOf(record, 'chain')}];
    // Once its workflow is handed over, its server is not started any more.
    if (isExternal(record)) compares.push({key: keys.ewmsKey(id), modRevision: modRevisionOf(record, 'ewms')});
    const ops: Op[] = [putJson(keys.stateKey(id), {...step.state, by})];
    if (record.chain === undefined) ops.push(putJson(keys.chainKey(id), step.chain));
    const jobs = new Map<string, {planned: JobFacts; try: number}>();
    let bytes = 0;
    for (const [name, planned] of launches) {
      if (bytes >= LAUNCH_BYTES_PER_WRITE) break; // The rest at the next look.
      // A job that is both learnt of and launched in one step has its newest record among what was learnt, or with the run.
      const previous = run === undefined ? (step.changes.get(name) ?? record.jobs?.get(name)?.value) : run.record(name);
      const number = (previous?.tries_total ?? 0) + 1;
      const intent = launcher.intend({scanId: id, job: name, try: number}, planned, nowText);
      const job = run === undefined ? withNewTry(previous, planned, intent) : withChainTry(run, name, attemptOf(record), intent);
      run?.update(name, job);
      jobs.set(name, {planned, try: number});
      const write = putJob(id, name, {...job, by});
      compares.push({key: write.put, modRevision: modRevisionOf(record, `job/${name}`)});
      ops.push(write);
      bytes += Buffer.byteLength(write.value);
    }
    return {compares, ops, jobs};
  }

  /** Asks the engines for what was prepared, once it is written. */
  async carryOut(record: ScanRecord, run: ChainRun | undefined, writer: FencedWriter, prepared: PreparedLaunch): Promise<void> {
    const {log} = this.#deps;
    const launches = [...prepared.jobs].map(async ([name, {planned, try: number}]) => {
      if (!writer.isOwner()) return; // The intent stands; whoever leads now closes it.
      const seen = await this.launchTry({scanId: record.id, job: name, try: number}, planned, record, run, writer);
      log.info({scanId: record.id, job: name, try: number, cluster: planned.cluster, seen: seen.kind}, 'launched');
    });
    const outcomes = await Promise.allSettled(launches);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Asks the engine. What it will never take is a failure of that job alone where the job is one of a chain: the rest goes on as far as it can. */
  async launchTry(ref: JobRef, facts: JobFacts, record: ScanRecord, run: ChainRun | undefined, writer: FencedWriter): Promise<JobObservation> {
    try {
      return await this.#deps.launcher.launch(ref, facts, launchContext(record, run, ref.job), fenceToken(this.#deps.cache, writer));
    } catch (err) {
      if (run === undefined || isRetryable(err)) throw err;
      const held = this.#deps.held.hold(record.id, writer);
      (held.refused ??= new Map()).set(`${ref.job}/${ref.try}`, reasonOf(err));
      return {kind: 'absent'};
    }
  }

  /** Those whose cluster can be asked now. @throws ControlPlaneError `unavailable` when there is none */
  async #placeable(record: ScanRecord, jobs: ReadonlyMap<string, JobFacts>): Promise<(readonly [string, JobFacts])[]> {
    const {launcher} = this.#deps;
    const away = new Map<string, ControlPlaneError>();
    const known = new Set([...(record.jobs ?? [])].flatMap(([, {value}]) => value.tries.map(({place}) => place)));
    const ask = async (cluster: string): Promise<void> => {
      try {
        const place = launcher.placeOf(cluster);
        if (!known.has(place)) await unlessSlow(this.#forgetEarlier(record, launcher.engineAt(place)));
      } catch (err) {
        away.set(cluster, ControlPlaneError.from(err));
      }
    };
    await Promise.all([...new Set([...jobs.values()].map((facts) => facts.cluster))].map(ask));
    const launches = [...jobs].filter(([, {cluster}]) => !away.has(cluster));
    // The same one at every look, whichever was the first to say so.
    const [first] = [...away].sort(([a], [b]) => (a < b ? -1 : 1));
    if (launches.length > 0 || first === undefined) return launches;
    const [cluster, reason] = first;
    throw new ControlPlaneError(reason.code, `cluster ${cluster}: ${reason.detail}`, {cause: reason});
  }

  /** A scan of this id may have lived before and been deleted: what engines keep of it must not be taken for the new one's. */
  async #forgetEarlier({id, spec}: ScanRecord, engine: Engine): Promise<void> {
    const {log, cache} = this.#deps;
    const {cluster_id: clusterId = '', epoch = 1} = cache.meta?.value ?? {};
    const tries = await engine.tries(id, clusterId);
    // Two clusters may share a place. And of before a restore from a backup that is older than they are, they are this very scan's, and are not run again.
    const isKept = ({fence}: KnownTry): boolean => fence !== undefined && (fence.epoch < epoch || fence.revision > Number(spec?.createRevision ?? 0));
    if (tries.length === 0 || tries.some(isKept)) return;
    await engine.forget(id).catch((err: unknown) => {
      // Its keys were deleted while it ran: the new tries meet the old ones by name, and take them over or step past them.
      if (!hasCode(err, 'wrong_state')) throw err;
      log.warn({err, scanId: id}, 'jobs of an earlier scan of this id still run');
    });
  }
}
