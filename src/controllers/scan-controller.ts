import {must, unreachable} from '../lib/assert.ts';
import type {Clock} from '../lib/clock.ts';
import {hasCode} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {Engine, JobRef} from '../engines/engine.ts';
import type {ChainRun} from '../model/chain-run.ts';
import {openTry} from '../model/job-table.ts';
import {needsOwner, planScan, waitingState} from '../model/scan-plan.ts';
import type {PlanPolicy, ScanStep} from '../model/scan-plan.ts';
import {isChained, isExternal, isOver, modRevisionOf} from '../model/scan-record.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import type {Admission} from '../schema/admission.ts';
import {deploymentOfJobs} from '../schema/deployment.ts';
import * as keys from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import {isTerminal, mayBecome} from '../schema/state.ts';
import type {ScanState, Writer} from '../schema/state.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';
import type {Compare, Op, Revision} from '../store/store.ts';
import {ChainFollower} from './chain-follower.ts';
import type {ChainSource} from './chain-source.ts';
import {AGAIN, SETTLED} from './controller.ts';
import type {JobController, Result} from './controller.ts';
import {fenceToken} from './fence-token.ts';
import {HeldScans} from './held-scans.ts';
import {NO_WRITES, jobWrites} from './job-writes.ts';
import type {JobWrites} from './job-writes.ts';
import type {Launcher} from './launcher.ts';
import {decisionCompares, stateCompares} from './scan-compares.ts';
import {ScanLaunches} from './scan-launches.ts';
import type {PreparedLaunch} from './scan-launches.ts';
import {ScanObserver} from './scan-observer.ts';
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

/** How often a state says anew why its scan waits. */
const WAITING_AGAIN_MS = 10_000;
/** Bytes of what was learnt that one transaction takes beside launches. */
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
  readonly #held: HeldScans;
  readonly #launches: ScanLaunches;
  readonly #observer: ScanObserver;
  readonly #chains: ChainFollower;

  constructor(deps: ScanControllerDeps) {
    this.#deps = deps;
    this.#held = new HeldScans(deps.clock);
    this.#launches = new ScanLaunches({...deps, held: this.#held});
    this.#observer = new ScanObserver({...deps, held: this.#held, launches: this.#launches});
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
    this.#held.drop(id);
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
    for (const id of this.#held.ids()) {
      this.#deps.cache.scans.get(id)?.jobs?.forEachOpen(({value}, name) => {
        const current = openTry(value);
        if (current !== undefined) visit({scanId: id, job: name, try: current.try}, current.place);
      });
    }
  }

  async reconcile(id: string, writer: FencedWriter): Promise<Result> {
    const {cache, clock, policy, workflows} = this.#deps;
    const held = this.#held.hold(id, writer);
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
    const {observed, unseen} = await this.#observer.observe(record, writer, run, doomed === undefined);
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
    this.#held.hold(id, writer).doomed = reason;
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
      return await this.#launches.prepare(step, record, undefined, this.#by()); // What it compares of the admission is that there is none.
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
    this.#held.hold(id, writer).lastRevision = revision;
    await this.#launches.carryOut(admitted(record, admission), undefined, writer, prepared);
  }

  /** One whose key is damaged is there: it keeps its slots, and waits for the repair. */
  readonly #isCluster = (name: string): boolean => {
    const {clusters, bad} = this.#deps.cache;
    return clusters.has(name) || bad.has(keys.clusterKey(name));
  };

  #by(writer?: FencedWriter): Writer {
    return {replica: this.#deps.replica, ...(writer === undefined ? {} : {fence: writer.createRevision})};
  }

  async #take(step: ScanStep, record: ScanRecord, run: ChainRun | undefined, writer: FencedWriter): Promise<Result> {
    const learnt = 'changes' in step ? await jobWrites(record, step.changes, this.#by(writer), this.#deps.launcher) : NO_WRITES;
    // What was learnt is written before it is acted on, where it does not fit beside that.
    if (learnt.hasMore || (step.kind === 'launch' && learnt.bytes > LEARNT_BYTES_BESIDE_LAUNCH)) {
      await this.#commit(writer, record, [...learnt.compares, ...stateCompares(record)], learnt.ops);
      this.#chains.drop(record.id); // It has followed the rest too.
      return AGAIN;
    }
    switch (step.kind) {
      case 'launch': {
        const prepared = await this.#launches.prepare(step, record, run, this.#by(writer)).catch(async (err: unknown) => {
          // A cluster that is away keeps nobody from knowing what became of jobs elsewhere, and why the others wait.
          const state = hasCode(err, 'unavailable') ? this.#waiting(record, writer, err.detail) : undefined;
          const ops = state === undefined ? learnt.ops : [...learnt.ops, putJson(keys.stateKey(record.id), {...state, by: this.#by(writer)})];
          if (ops.length > 0) await this.#commit(writer, record, [...learnt.compares, ...stateCompares(record)], ops);
          throw err;
        });
        // One that is launched again at once: what was learnt of it is in the record that says so.
        const written = new Set(prepared.ops.map((op) => ('put' in op ? op.put : '')));
        const others = learnt.ops.filter((op) => !('put' in op) || !written.has(op.put));
        await this.#commit(writer, record, [...prepared.compares, ...learnt.compares], [...prepared.ops, ...others]);
        await this.#launches.carryOut(record, run, writer, prepared);
        return AGAIN;
      }
      case 'build':
        await this.#build(record, writer);
        return AGAIN;
      case 'quiet': {
        for (const name of step.stop) await this.#onTry(record, name, (engine, ref, place) => engine.stop(ref, place));
        for (const name of step.close)
          await this.#onTry(record, name, async (engine, ref, place) => void (await engine.close(ref, place, fenceToken(this.#deps.cache, writer))));
        if (learnt.ops.length > 0) await this.#commit(writer, record, learnt.compares, learnt.ops);
        return step.close.length > 0 ? AGAIN : {kind: 'requeue', afterMs: 250}; // The engine's hint wakes us earlier.
      }
      case 'record': {
        const {compares, ops} = learnt;
        if (step.state === undefined) await this.#commit(writer, record, [...compares, ...stateCompares(record)], ops);
        else {
          const state = putJson(keys.stateKey(record.id), {...step.state, by: this.#by(writer)});
          await this.#commit(writer, record, [...compares, ...decisionCompares(record)], [...ops, state]);
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
    const held = this.#held.hold(record.id, writer);
    const nowMs = this.#deps.clock.monotonicMs();
    const state = waitingState(record, why);
    if (state === undefined || nowMs - (held.waitingSaidMs ?? Number.NEGATIVE_INFINITY) < WAITING_AGAIN_MS) return undefined;
    held.waitingSaidMs = nowMs;
    return state;
  }

  /** Makes the chain of a request that was put by hand. What is wrong with the request dooms it. */
  async #build(record: ScanRecord, writer: FencedWriter): Promise<void> {
    const spec = must(record.spec, 'a request whose chain is built has a spec').value;
    if (spec.request !== undefined) return;
    const staged = await this.#deps.chains.build(record.id, spec);
    const compares: Compare[] = [...decisionCompares(record), ...staged.compares];
    await this.#commit(writer, record, compares, staged.ops);
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
      ops.push(putJson(keys.stateKey(id), {...state, by: this.#by(writer)}));
    }
    if (record.admission !== undefined || record.bad?.has('admission')) ops.push({delete: keys.admissionKey(id)});
    ops.push({delete: keys.ownerKey(id)});
    // A workflow that is handed over right now would be left behind.
    if (isExternal(record)) compares.push({key: keys.ewmsKey(id), modRevision: modRevisionOf(record, 'ewms')});
    await this.#commit(writer, record, [...compares, ...decisionCompares(record)], ops);
    this.released(id);
    this.#deps.log.info({scanId: id, state: state.name, reason: state.reason}, 'scan ended');
  }

  async #commit(writer: FencedWriter, record: ScanRecord, compares: readonly Compare[], ops: readonly Op[]): Promise<void> {
    const revision = await writer.commit(compares, ops);
    this.#held.hold(record.id, writer).lastRevision = revision;
  }

  async #onTry(record: ScanRecord, name: string, act: (engine: Engine, ref: JobRef, place: string) => Promise<void>): Promise<void> {
    const job = record.jobs?.get(name)?.value;
    const current = job === undefined ? undefined : openTry(job);
    if (current === undefined) return;
    await act(this.#deps.launcher.engineAt(current.place), {scanId: record.id, job: name, try: current.try}, current.place);
  }
}

/** The scan as it is once this admission is written. */
function admitted(record: ScanRecord, admission: Admission): ScanRecord {
  return {...record, admission: {value: admission, createRevision: 0, modRevision: 0, lease: '0'}};
}
