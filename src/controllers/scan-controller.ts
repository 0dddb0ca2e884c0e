import {canonicalJson} from '../lib/canonical-json.ts';
import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError, hasCode, isRetryable, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {must, unreachable} from '../lib/assert.ts';
import {unlessLate} from '../lib/unless-late.ts';
import type {Engine, JobObservation, JobRef, KnownTry} from '../engines/engine.ts';
import type {ChainRun} from '../model/chain-run.ts';
import {withChainTry} from '../model/chain-work.ts';
import {openTry} from '../model/job-table.ts';
import {needsOwner, planScan, waitingState, withNewTry} from '../model/scan-plan.ts';
import type {PlanPolicy, ScanStep} from '../model/scan-plan.ts';
import {attemptOf, isChained, isExternal, isOver, modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {Observed} from '../model/try-learning.ts';
import type {Admission} from '../schema/admission.ts';
import {KUBERNETES_ENGINE} from '../schema/cluster.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import type {JobFacts} from '../schema/chain.ts';
import {deploymentOfJobs} from '../schema/deployment.ts';
import type {FenceToken, Job} from '../schema/job.ts';
import * as keys from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {isTerminal, mayBecome} from '../schema/state.ts';
import type {ScanState, Writer} from '../schema/state.ts';
import type {Cache} from '../store/cache.ts';
import type {ClaimExtra, FencedWriter} from '../store/contracts.ts';
import type {Compare, Op, Revision} from '../store/store.ts';
import {withReport, withSaid} from './job-said.ts';
import {AGAIN, SETTLED} from './controller.ts';
import type {JobController, Result} from './controller.ts';
import {ChainFollower} from './chain-follower.ts';
import {NO_WRITES, jobWrites, putJob} from './job-writes.ts';
import type {JobWrites} from './job-writes.ts';
import type {ChainSource} from './chain-source.ts';
import {launchContext} from './launch-context.ts';
import type {Launcher} from './launcher.ts';
import type {WorkflowEnder} from './workflow-ender.ts';

export interface ScanControllerDeps {
  readonly cache: Cache;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: PlanPolicy;
  /** Tells an outside workload manager when a workflow is over; absent where none is configured. */
  readonly workflows?: WorkflowEnder;
  rank(record: ScanRecord): number;
  /** Builds the chain of a request that was put by hand. */
  readonly chains: ChainSource;
  /** Our replica's id, which every value we write carries. */
  readonly replica: string;
}

/** A launch intent that is written in one transaction with something else: what to compare and write, and what to launch then. */
export interface PreparedLaunch extends ClaimExtra {
  readonly jobs: ReadonlyMap<string, {readonly planned: JobFacts; readonly try: number}>;
}

/** What we remember of a scan while we own it. */
interface Held {
  readonly createRevision: Revision;
  readonly sinceMs: number;
  lastRevision: Revision;
  /** Tries of a chain that no engine took, by `<job>/<try>`, and why: no retry of the launch can mend it. */
  refused?: Map<string, string>;
  /** When its state was last made to say why nothing is launched, on the monotonic clock. */
  waitingSaidMs?: number;
  /** Why the scan must end, found out by an error that no retry can mend. */
  doomed?: string;
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

/** How often a state says anew why its scan waits. */
const WAITING_AGAIN_MS = 10_000;
/** Jobs launched per transaction, well below the operations that it has room for. */
const LAUNCHES_PER_WRITE = 32;
/** Bytes of their records, of which one may hold 256 KiB of data: beside what else one transaction brings. */
const LAUNCH_BYTES_PER_WRITE = 256 * 1024;
const LEARNT_BYTES_BESIDE_LAUNCH = 256 * 1024;

/** Leads requests, sky scans and others: launches their jobs, watches them, ends them, writes their state. The decisions are in {@link planScan}; here are the effects. */
export class ScanController implements JobController {
  readonly name = 'scan';
  readonly inputs: readonly KeyRef['kind'][] = [
    'scan',
    'control',
    'admission',
    'state',
    'owner',
    'chain',
    'job',
    'result',
    'ewms',
    'cluster',
    'replica',
  ];
  readonly outputs = ['/scan/[id]/state', '/scan/[id]/owner', '/scan/[id]/chain', '/scan/[id]/job/[job]', '~log/[id]/[job]/[try]'];
  readonly #deps: ScanControllerDeps;
  readonly #held = new Map<string, Held>();
  readonly #chains: ChainFollower;

  constructor(deps: ScanControllerDeps) {
    this.#deps = deps;
    this.#chains = new ChainFollower(deps.chains, deps.clock);
  }

  idOf(ref: KeyRef): string | undefined {
    switch (ref.kind) {
      case 'scan':
      case 'control':
      case 'admission':
      case 'state':
      case 'owner':
      case 'chain':
      case 'job':
      case 'result':
      case 'ewms':
        return ref.id;
      default:
        return undefined; // What scanners report (progress, reports) needs no step.
    }
  }

  *ids(): Iterable<string> {
    for (const record of this.#deps.cache.scans.values()) yield record.id;
  }

  ownerKey(id: string): string {
    return keys.ownerKey(id);
  }

  exists(id: string): boolean {
    return this.#deps.cache.scans.get(id)?.spec !== undefined;
  }

  wants(id: string): boolean {
    const record = this.#deps.cache.scans.get(id);
    return record !== undefined && record.owner === undefined && record.bad?.has('owner') !== true && needsOwner(record);
  }

  rank(id: string): number {
    const record = this.#deps.cache.scans.get(id);
    return record === undefined ? 0 : this.#deps.rank(record);
  }

  released(id: string): void {
    this.#held.delete(id);
    this.#chains.drop(id);
    this.#deps.launcher.forget(id);
    this.#deps.workflows?.forget(id);
  }

  objectOf(jobsOf: string): string | undefined {
    return deploymentOfJobs(jobsOf) === undefined ? jobsOf : undefined;
  }

  mayForget(id: string, beforeMs: number): boolean {
    const record = this.#deps.cache.scans.get(id);
    const state = record?.state?.value;
    const isOver = record === undefined || (state !== undefined && isTerminal(state.name) && !(Date.parse(state.ended_at ?? '') >= beforeMs)); // By hand: no time.
    return isOver && record?.owner === undefined;
  }

  /** Whoever puts a scan of the same id takes over what runs under its names. */
  isAbandoned(): boolean {
    return false;
  }

  isSettled(id: string): boolean {
    const record = this.#deps.cache.scans.get(id);
    if (record === undefined || (record.state !== undefined && isTerminal(record.state.value.name))) return false;
    // While a launch is being carried out its token exists here alone: not now.
    return [...(record.jobs?.open.values() ?? [])].every(({value}) => openTry(value)?.handle !== undefined);
  }

  forEachRunningTry(visit: (ref: JobRef, place: string) => void): void {
    for (const id of this.#held.keys()) {
      this.#deps.cache.scans.get(id)?.jobs?.forEachOpen(({value}, name) => {
        const current = openTry(value);
        if (current !== undefined) visit({scanId: id, job: name, try: current.try}, current.place);
      });
    }
  }

  async reconcile(id: string, writer: FencedWriter): Promise<Result> {
    const {cache, clock, policy, workflows} = this.#deps;
    const held = this.#hold(id, writer);
    if (cache.revision < held.lastRevision) await cache.waitFor(held.lastRevision, 5000); // Our own last write must be seen before the next decision.
    const record = cache.scans.get(id) ?? {id};
    const run = !isChained(record)
      ? undefined
      : await this.#chains.follow(record).catch((err: unknown) => {
          if (held.doomed === undefined) throw err;
          return undefined; // That is what it will end for.
        });
    if (!this.#held.has(id)) this.#chains.drop(id); // Lost meanwhile: nobody else would.
    const {doomed} = held;
    const chain = record.spec?.value.request === undefined ? undefined : await this.#deps.chains.skymap(record, policy.retry);
    const {observed, unseen} = await this.#observe(record, writer, run, doomed === undefined);
    const ownedForMs = clock.monotonicMs() - held.sinceMs;
    const nowMs = clock.now();
    const workflowIsOver = workflows?.isOver(id);
    const step = planScan({record, observed, nowMs, ownedForMs, doomed, run, chain, workflowIsOver, policy, isCluster: this.#isCluster});
    try {
      const result = await this.#take(step, record, run, writer);
      // What could be done has been; the rest is tried again after longer and longer pauses.
      if (unseen !== undefined && (step.kind === 'wait' || step.kind === 'quiet')) throw unseen;
      return result;
    } catch (err) {
      this.#chains.drop(id); // It has followed what may not have been written.
      throw err;
    }
  }

  /** The next looks end what runs, then write FAIL with this reason. Should this process die before, the next owner meets the same error. */
  fail(id: string, writer: FencedWriter, reason: string): Promise<void> {
    this.#hold(id, writer).doomed = reason;
    return Promise.resolve();
  }

  /**
   * What launching a scan takes that `admission` (not yet written) lets run: `undefined` when there is something else to do first.
   * For a scheduler whose own replica is to lead the scan.
   */
  async prepareLaunch(record: ScanRecord, admission: Admission): Promise<PreparedLaunch | undefined> {
    const {clock, policy} = this.#deps;
    if (isChained(record)) return undefined; // Its owner reads the chain first.
    try {
      const chain = await this.#deps.chains.skymap(record, policy.retry);
      const step = planScan({record: admitted(record, admission), observed: new Map(), nowMs: clock.now(), ownedForMs: 0, policy, chain});
      if (step.kind !== 'launch' || step.changes.size > 0) return undefined;
      return await this.#prepare(step, record, undefined, this.#by()); // What it compares of the admission is that there is none.
    } catch (err) {
      this.#deps.log.warn({err, scanId: record.id}, 'a launch could not be prepared; the scan’s owner will meet the reason');
      return undefined;
    }
  }

  /** A prepared launch was not written. */
  dropPrepared(id: string): void {
    if (!this.#held.has(id)) this.#deps.launcher.forget(id);
  }

  /** Goes on after a prepared launch was written together with our claim. */
  async launchPrepared(
    id: string,
    writer: FencedWriter,
    revision: Revision,
    prepared: PreparedLaunch,
    record: ScanRecord,
    admission: Admission,
  ): Promise<void> {
    this.#hold(id, writer).lastRevision = revision;
    await this.#launch(admitted(record, admission), undefined, writer, prepared);
  }

  #hold(id: string, writer: FencedWriter): Held {
    let held = this.#held.get(id);
    if (held?.createRevision !== writer.createRevision) {
      held = {
        createRevision: writer.createRevision,
        sinceMs: this.#deps.clock.monotonicMs(),
        lastRevision: writer.createRevision,
      };
      // The loss may have been told before the answer that brought us here: then nobody would ever take it out again.
      if (writer.isOwner()) this.#held.set(id, held);
    }
    return held;
  }

  /** What engines say of the open tries. */
  async #observe(record: ScanRecord, writer: FencedWriter, run: ChainRun | undefined, mayLaunch: boolean): Promise<Look> {
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
    const {launcher, clock} = this.#deps;
    const {record, writer, run, observed} = look;
    const current = openTry(job);
    if (current === undefined) return;
    try {
      const ref: JobRef = {scanId: record.id, job: name, try: current.try};
      const engine = launcher.engineAt(current.place);
      const refusal = this.#hold(record.id, writer).refused?.get(`${name}/${current.try}`);
      if (refusal !== undefined && (await engine.close(ref, current.place, this.#fence(writer))).kind === 'closed') {
        const exit = {code: 1, state: 'FAIL', error: refusal, ended_at: rfc3339(clock.now())} as const;
        return void observed.set(name, {kind: 'exited', handle: '', exit});
      }
      let seen = await engine.observe(ref, current.place);
      // The intent is ours and was not carried out (the reply of its transaction was lost, or the engine was away): carry it out now.
      if (
        look.mayLaunch &&
        seen.kind === 'absent' &&
        record.spec !== undefined &&
        this.#wantsToRun(record) &&
        launcher.canLaunch(ref, current) &&
        writer.isOwner()
      ) {
        try {
          seen = await this.#launchTry(ref, job, record, run, writer);
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

  /** One whose key is damaged is there: it keeps its slots, and waits for the repair. */
  readonly #isCluster = (name: string): boolean => {
    const {clusters, bad} = this.#deps.cache;
    return clusters.has(name) || bad.has(keys.clusterKey(name));
  };

  #wantsToRun(record: ScanRecord): boolean {
    const control = record.control?.value ?? DEFAULT_CONTROL;
    return control.desired === 'run' && !control.is_deleted && record.admission !== undefined && record.result?.value.is_final !== true;
  }

  #by(writer?: FencedWriter): Writer {
    return {replica: this.#deps.replica, ...(writer === undefined ? {} : {fence: writer.createRevision})};
  }

  #fence(writer: FencedWriter): FenceToken {
    return {epoch: this.#deps.cache.meta?.value.epoch ?? 1, revision: writer.createRevision};
  }

  async #take(step: ScanStep, record: ScanRecord, run: ChainRun | undefined, writer: FencedWriter): Promise<Result> {
    const learnt = 'changes' in step ? await jobWrites(record, step.changes, this.#by(writer), this.#deps.launcher) : NO_WRITES;
    // What was learnt is written before it is acted on, where it does not fit beside that.
    if (learnt.hasMore || (step.kind === 'launch' && learnt.bytes > LEARNT_BYTES_BESIDE_LAUNCH)) {
      await this.#commit(writer, record, [...learnt.compares, ...this.#stateCompares(record)], learnt.ops);
      this.#chains.drop(record.id); // It has followed the rest too.
      return AGAIN;
    }
    switch (step.kind) {
      case 'launch': {
        const prepared = await this.#prepare(step, record, run, this.#by(writer)).catch(async (err: unknown) => {
          // A cluster that is away keeps nobody from knowing what became of jobs elsewhere, and why the others wait.
          const state = hasCode(err, 'unavailable') ? this.#waiting(record, writer, err.detail) : undefined;
          const ops = state === undefined ? learnt.ops : [...learnt.ops, put(keys.stateKey(record.id), {...state, by: this.#by(writer)})];
          if (ops.length > 0) await this.#commit(writer, record, [...learnt.compares, ...this.#stateCompares(record)], ops);
          throw err;
        });
        // One that is launched again at once: what was learnt of it is in the record that says so.
        const written = new Set(prepared.ops.map((op) => ('put' in op ? op.put : '')));
        const others = learnt.ops.filter((op) => !('put' in op) || !written.has(op.put));
        await this.#commit(writer, record, [...prepared.compares, ...learnt.compares], [...prepared.ops, ...others]);
        await this.#launch(record, run, writer, prepared);
        return AGAIN;
      }
      case 'build':
        await this.#build(record, writer);
        return AGAIN;
      case 'quiet': {
        for (const name of step.stop) await this.#onTry(record, name, (engine, ref, place) => engine.stop(ref, place));
        for (const name of step.close)
          await this.#onTry(record, name, async (engine, ref, place) => void (await engine.close(ref, place, this.#fence(writer))));
        if (learnt.ops.length > 0) await this.#commit(writer, record, learnt.compares, learnt.ops);
        return step.close.length > 0 ? AGAIN : {kind: 'requeue', afterMs: 250}; // The engine's hint wakes us earlier.
      }
      case 'record': {
        const {compares, ops} = learnt;
        if (step.state === undefined) await this.#commit(writer, record, [...compares, ...this.#stateCompares(record)], ops);
        else {
          const state = put(keys.stateKey(record.id), {...step.state, by: this.#by(writer)});
          await this.#commit(writer, record, [...compares, ...this.#decisionCompares(record)], [...ops, state]);
        }
        return AGAIN;
      }
      case 'end-workflow': {
        const workflows = must(this.#deps.workflows, 'a workload manager to tell');
        const afterMs = workflows.end(record.id, step.workflowId, step.ending, () => writer.isOwner());
        return afterMs === undefined ? SETTLED : {kind: 'requeue', afterMs}; // Its answer wakes us.
      }
      case 'finish':
        await this.#finish(step.state, learnt, record, writer);
        return SETTLED;
      case 'wait':
        return step.afterMs === undefined ? SETTLED : {kind: 'requeue', afterMs: step.afterMs};
      case 'resign':
        await writer.resign();
        return SETTLED;
      default:
        return unreachable(step);
    }
  }

  /** What the state is to say of why nothing is launched; `undefined`: nothing new, or something new again too soon, since what we write wakes us. */
  #waiting(record: ScanRecord, writer: FencedWriter, why: string): ScanState | undefined {
    const held = this.#hold(record.id, writer);
    const nowMs = this.#deps.clock.monotonicMs();
    const state = waitingState(record, why);
    if (state === undefined || nowMs - (held.waitingSaidMs ?? Number.NEGATIVE_INFINITY) < WAITING_AGAIN_MS) return undefined;
    held.waitingSaidMs = nowMs;
    return state;
  }

  /** The transaction of a launch intent, and what to ask the engine for once it is in. */
  async #prepare(step: ScanStep & {readonly kind: 'launch'}, record: ScanRecord, run: ChainRun | undefined, by: Writer): Promise<PreparedLaunch> {
    const {launcher, clock} = this.#deps;
    const {id} = record;
    const launches = (await this.#placeable(record, step.jobs)).slice(0, LAUNCHES_PER_WRITE);
    const nowText = rfc3339(clock.now());
    const compares: Compare[] = [...this.#decisionCompares(record), {key: keys.chainKey(id), modRevision: modRevisionOf(record, 'chain')}];
    // Once its workflow is handed over, its server is not started any more.
    if (isExternal(record)) compares.push({key: keys.ewmsKey(id), modRevision: modRevisionOf(record, 'ewms')});
    const ops: Op[] = [put(keys.stateKey(id), {...step.state, by})];
    if (record.chain === undefined) ops.push(put(keys.chainKey(id), step.chain));
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

  async #launch(record: ScanRecord, run: ChainRun | undefined, writer: FencedWriter, prepared: PreparedLaunch): Promise<void> {
    const {log} = this.#deps;
    const launches = [...prepared.jobs].map(async ([name, {planned, try: number}]) => {
      if (!writer.isOwner()) return; // The intent stands; whoever leads now closes it.
      const seen = await this.#launchTry({scanId: record.id, job: name, try: number}, planned, record, run, writer);
      log.info({scanId: record.id, job: name, try: number, cluster: planned.cluster, seen: seen.kind}, 'launched');
    });
    const outcomes = await Promise.allSettled(launches);
    const failed = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Makes the chain of a request that was put by hand. What is wrong with the request dooms it. */
  async #build(record: ScanRecord, writer: FencedWriter): Promise<void> {
    const spec = must(record.spec, 'a request whose chain is built has a spec').value;
    if (spec.request !== undefined) return;
    const staged = await this.#deps.chains.build(record.id, spec);
    const compares: Compare[] = [...this.#decisionCompares(record), ...staged.compares];
    await this.#commit(writer, record, compares, staged.ops);
  }

  /** Asks the engine. What it will never take is a failure of that job alone where the job is one of a chain: the rest goes on as far as it can. */
  async #launchTry(ref: JobRef, facts: JobFacts, record: ScanRecord, run: ChainRun | undefined, writer: FencedWriter): Promise<JobObservation> {
    try {
      return await this.#deps.launcher.launch(ref, facts, launchContext(record, run, ref.job), this.#fence(writer));
    } catch (err) {
      if (run === undefined || isRetryable(err)) throw err;
      const held = this.#hold(record.id, writer);
      (held.refused ??= new Map()).set(`${ref.job}/${ref.try}`, reasonOf(err));
      return {kind: 'absent'};
    }
  }

  async #finish(state: ScanState, learnt: JobWrites, record: ScanRecord, writer: FencedWriter): Promise<void> {
    const {id} = record;
    const previous = record.state?.value;
    const compares = [...learnt.compares];
    const ops = [...learnt.ops];
    if (previous === undefined || !isOver(record)) {
      if (!mayBecome(previous?.name ?? 'PENDING', state.name)) {
        this.#deps.log.warn({scanId: id, from: previous?.name ?? 'PENDING', to: state.name}, 'unusual transition');
      }
      ops.push(put(keys.stateKey(id), {...state, by: this.#by(writer)}));
    }
    if (record.admission !== undefined || record.bad?.has('admission')) ops.push({delete: keys.admissionKey(id)});
    ops.push({delete: keys.ownerKey(id)});
    // A workflow that is handed over right now would be left behind.
    if (isExternal(record)) compares.push({key: keys.ewmsKey(id), modRevision: modRevisionOf(record, 'ewms')});
    await this.#commit(writer, record, [...compares, ...this.#decisionCompares(record)], ops);
    this.released(id);
    this.#deps.log.info({scanId: id, state: state.name, reason: state.reason}, 'scan ended');
  }

  /** What every decision rests on: the transaction is refused when one of them has changed. */
  #decisionCompares(record: ScanRecord): Compare[] {
    const {id} = record;
    return [
      {key: keys.scanKey(id), modRevision: modRevisionOf(record, 'spec')},
      {key: keys.controlKey(id), modRevision: modRevisionOf(record, 'control')},
      {key: keys.admissionKey(id), modRevision: modRevisionOf(record, 'admission')},
      {key: keys.resultKey(id), modRevision: modRevisionOf(record, 'result')},
      ...this.#stateCompares(record),
    ];
  }

  #stateCompares(record: ScanRecord): Compare[] {
    return [{key: keys.stateKey(record.id), modRevision: modRevisionOf(record, 'state')}];
  }

  async #commit(writer: FencedWriter, record: ScanRecord, compares: readonly Compare[], ops: readonly Op[]): Promise<void> {
    const revision = await writer.commit(compares, ops);
    this.#hold(record.id, writer).lastRevision = revision;
  }

  async #onTry(record: ScanRecord, name: string, act: (engine: Engine, ref: JobRef, place: string) => Promise<void>): Promise<void> {
    const job = record.jobs?.get(name)?.value;
    const current = job === undefined ? undefined : openTry(job);
    if (current === undefined) return;
    await act(this.#deps.launcher.engineAt(current.place), {scanId: record.id, job: name, try: current.try}, current.place);
  }
}

/** Keeps why there is no answer now. @throws err where that is no matter of time */
function noteUnseen(err: unknown, look: Look): void {
  if (!hasCode(err, 'unavailable')) throw err;
  look.unseen ??= err;
}

/** How long one cluster that does not answer holds up what a scan has on others. */
const SLOW_MS = 10_000;

/** @throws ControlPlaneError `unavailable`: there is no answer yet; what was asked for goes on, and whoever asks again meets its end */
function unlessSlow<T>(work: Promise<T>): Promise<T> {
  return unlessLate(work, SLOW_MS, () => {
    throw new ControlPlaneError('unavailable', 'its cluster does not answer');
  });
}

function put(key: string, value: unknown): {readonly put: string; readonly value: string} {
  return {put: key, value: canonicalJson(value)};
}

/** The scan as it is once this admission is written. */
function admitted(record: ScanRecord, admission: Admission): ScanRecord {
  return {...record, admission: {value: admission, createRevision: 0, modRevision: 0, lease: '0'}};
}
