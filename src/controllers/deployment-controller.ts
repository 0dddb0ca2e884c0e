import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import {must, unreachable} from '../lib/assert.ts';
import {ControlPlaneError, hasCode, isRetryable, reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {unlessLate} from '../lib/unless-late.ts';
import type {JobRef} from '../engines/engine.ts';
import {revisionOf} from '../model/block-record.ts';
import type {DeployRecord} from '../model/block-record.ts';
import {isOfArgs, isOverStatus, isUnasked, needsDeployer, openTryOf, revisionOfDeployment, withTry} from '../model/deployment-facts.ts';
import {planDeployment, presentState} from '../model/deployment-plan.ts';
import type {DeploymentPolicy, DeploymentStep, FoundTry, PlannedState, TryName} from '../model/deployment-plan.ts';
import type {Need} from '../model/placement.ts';
import type {Observed} from '../model/try-learning.ts';
import {blockTime, parseBlockTime} from '../schema/block-ids.ts';
import type {JobFacts} from '../schema/chain.ts';
import {deploymentJobs, deploymentOfJobs} from '../schema/deployment.ts';
import type {Deployment, DeploymentState} from '../schema/deployment.ts';
import type {FenceToken, JobTry} from '../schema/job.ts';
import * as keys from '../schema/keys.ts';
import type {KeyRef} from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Cache} from '../store/cache.ts';
import type {FencedWriter} from '../store/contracts.ts';
import type {Op, Revision} from '../store/store.ts';
import {AGAIN, SETTLED} from './controller.ts';
import type {JobController, Result} from './controller.ts';
import {deploymentLog} from './deployment-log.ts';
import type {Launcher} from './launcher.ts';

export interface DeploymentControllerDeps {
  readonly cache: Cache;
  readonly launcher: Launcher;
  readonly clock: Clock;
  readonly log: Log;
  readonly policy: DeploymentPolicy;
  /** Where a deployment runs that names no cluster. */
  readonly defaultCluster: string;
  /** How many replicas are to try before this one. */
  rank(id: string, need: Need): number;
  /** Our replica's id, which every value we write carries. */
  readonly replica: string;
}

/** What we remember of a deployment while we own it. */
interface Held {
  readonly createRevision: Revision;
  readonly sinceMs: number;
  lastRevision: Revision;
  /** The last state that was stored: a state that somebody takes away while it runs is put back. */
  remembered?: DeploymentState;
  /** For which create revision of its key the engines were last asked what they have; `''`: for none. */
  lookedFor?: string;
  /** When those are asked again that did not answer, in milliseconds of the monotonic clock. */
  lookAgainMs?: number;
  /** Tries that engines have besides that of the state, and that are to end. */
  strays: readonly TryName[];
  /** Tries that no engine took, by `<job>/<try>`, and why: no retry of the launch can mend it. */
  readonly refused: Map<string, string>;
  /** Why it must end, found out by an error that no retry can mend. */
  doomed?: string;
}

/** For how long a look for what other clusters have of a deployment holds up what it has on its own, and after how long it is repeated. */
const OTHERS_MS = 1000;
const LOOK_AGAIN_MS = 60_000;

/** Runs deployments of type `job`: starts them, watches them, starts them again, ends them, writes their state. The decisions are in {@link planDeployment}. */
export class DeploymentController implements JobController {
  readonly name = 'deployment';
  readonly inputs: readonly KeyRef['kind'][] = ['deploy', 'deploy-state', 'deploy-owner', 'cluster', 'replica'];
  readonly outputs = ['/deploy/[id]/state', '/deploy/[id]/owner', '~log/deploy.[id]/main/[try]'];
  readonly #deps: DeploymentControllerDeps;
  readonly #held = new Map<string, Held>();

  constructor(deps: DeploymentControllerDeps) {
    this.#deps = deps;
  }

  idOf(ref: KeyRef): string | undefined {
    return ref.kind === 'deploy' || ref.kind === 'deploy-state' || ref.kind === 'deploy-owner' ? ref.id : undefined;
  }

  *ids(): Iterable<string> {
    for (const {id} of this.#deps.cache.deployments) yield id;
  }

  ownerKey(id: string): string {
    return keys.deployOwnerKey(id);
  }

  exists(id: string): boolean {
    const record = this.#deps.cache.deployments.get(id);
    return record !== undefined && revisionOfDeployment(record) !== undefined;
  }

  wants(id: string): boolean {
    const record = this.#deps.cache.deployments.get(id);
    return record !== undefined && record.owner === undefined && record.bad?.has('owner') !== true && needsDeployer(record);
  }

  rank(id: string): number {
    const record = this.#deps.cache.deployments.get(id);
    if (record === undefined) return 0;
    const place = openTryOf(record.state?.value)?.place;
    const spec = record.spec?.value;
    return this.#deps.rank(id, {places: place === undefined ? [] : [place], clusters: spec?.type === 'job' ? [this.#clusterOf(spec)] : []});
  }

  objectOf(jobsOf: string): string | undefined {
    return deploymentOfJobs(jobsOf);
  }

  /** What runs of one whose keys were deleted all at once is ended here: nobody else knows of it yet. */
  released(id: string): void {
    const state = this.#held.get(id)?.remembered;
    this.#held.delete(id);
    this.#deps.launcher.forget(deploymentJobs(id));
    const open = openTryOf(state);
    if (open !== undefined) this.#endAbandoned(refOf(id, {job: String(state?.of), ...open}), open.place);
  }

  /** Its name is the create revision of a key: of one that this replica may not have seen yet nobody can say. */
  isAbandoned({scanId, job}: JobRef): boolean {
    const {cache} = this.#deps;
    const record = cache.deployments.get(deploymentOfJobs(scanId) ?? '');
    const of = Number(job);
    if (!(of <= cache.revision)) return false;
    return record === undefined || (revisionOfDeployment(record) !== of && record.state?.value.of !== of && record.bad?.has('state') !== true);
  }

  forEachRunningTry(visit: (ref: JobRef, place: string) => void): void {
    for (const [id, held] of this.#held) {
      const stored = this.#deps.cache.deployments.get(id)?.state?.value;
      const state = stored?.of === undefined ? held.remembered : stored;
      const open = openTryOf(state);
      if (open !== undefined) visit(refOf(id, {job: String(state?.of), ...open}), open.place);
    }
  }

  mayForget(id: string, beforeMs: number): boolean {
    const record = this.#deps.cache.deployments.get(id);
    if (record === undefined) return true;
    const state = record.state?.value;
    if (record.owner !== undefined || record.bad !== undefined || state === undefined || !isOverStatus(state.status)) return false;
    const endedMs = Date.parse(state.tries.at(-1)?.exit?.ended_at ?? '') || parseBlockTime(state.last_updated);
    return !(endedMs !== undefined && endedMs >= beforeMs); // By hand: no time.
  }

  isSettled(id: string): boolean {
    const record = this.#deps.cache.deployments.get(id);
    // While a launch is being carried out its token exists here alone: not now.
    const open = openTryOf(record?.state?.value);
    return record !== undefined && (open === undefined || open.handle !== undefined);
  }

  async reconcile(id: string, writer: FencedWriter): Promise<Result> {
    const {cache, clock, policy} = this.#deps;
    const held = this.#hold(id, writer);
    if (cache.revision < held.lastRevision) await cache.waitFor(held.lastRevision, 5000); // Our own last write must be seen before the next decision.
    const record = cache.deployments.get(id) ?? {id};
    if (record.state?.value.of !== undefined) held.remembered = record.state.value;
    try {
      const found = await this.#find(record, held);
      const nowMs = clock.now();
      const known = {record, found, nowMs, ...(held.remembered === undefined ? {} : {remembered: held.remembered})};
      const state = presentState(known);
      const open = openTryOf(state);
      const observed = state === undefined || open === undefined ? undefined : await this.#observe(record, state, open, held, writer);
      const refused = held.refused.get(`${state?.of}/${open?.try}`);
      const doomed = held.doomed ?? (open === undefined ? this.#impossible(record) : undefined);
      const step = planDeployment({
        ...{...known, policy, ownedForMs: clock.monotonicMs() - held.sinceMs},
        ...(observed === undefined ? {} : {observed}),
        ...(refused === undefined ? {} : {refused}),
        ...(doomed === undefined ? {} : {doomed}),
      });
      const result = await this.#take(step, record, writer);
      // Why it waits is written down; it is asked for again after longer and longer pauses.
      if (observed?.kind === 'waiting' && step.kind === 'wait') throw new ControlPlaneError('unavailable', observed.why);
      return result;
    } catch (err) {
      delete held.lookedFor; // What was found may not have been used.
      throw err;
    }
  }

  /** The next looks end what runs, then write FAILED with this reason. Should this process die before, the next owner meets the same error. */
  fail(id: string, writer: FencedWriter, reason: string): Promise<void> {
    this.#hold(id, writer).doomed = reason;
    return Promise.resolve();
  }

  #hold(id: string, writer: FencedWriter): Held {
    let held = this.#held.get(id);
    if (held?.createRevision !== writer.createRevision) {
      const {createRevision} = writer;
      held = {createRevision, sinceMs: this.#deps.clock.monotonicMs(), lastRevision: createRevision, strays: [], refused: new Map()};
      // The loss may have been told before the answer that brought us here: then nobody would ever take it out again.
      if (writer.isOwner()) this.#held.set(id, held);
    }
    return held;
  }

  /** What the engines of this replica have of it: looked for when its key is new to us or its state says nothing, then followed until it has ended. */
  async #find(record: DeployRecord, held: Held): Promise<readonly FoundTry[]> {
    const {launcher, cache, clock} = this.#deps;
    const of = String(revisionOfDeployment(record) ?? '');
    const isDue = held.lookAgainMs !== undefined && held.lookAgainMs <= clock.monotonicMs();
    if (isDue || held.lookedFor !== of || (record.state?.value.of === undefined && !isUnasked(record))) {
      const own = this.#placesOf(record);
      const looks = [...launcher.engines].map(async (engine) => {
        const tries = engine.tries(deploymentJobs(record.id), cache.meta?.value.cluster_id ?? '');
        const known = await (own.has(engine.place) ? tries : unlessAway(tries));
        return known?.map(({job, try: number}): TryName => ({job, try: number, place: engine.place}));
      });
      const answers = await Promise.all(looks);
      held.strays = answers.flatMap((known) => known ?? []);
      held.lookedFor = of;
      if (answers.includes(undefined)) held.lookAgainMs = clock.monotonicMs() + LOOK_AGAIN_MS;
      else delete held.lookAgainMs;
    }
    const look = async (name: TryName): Promise<FoundTry> => ({
      ...name,
      seen: await launcher.engineAt(name.place).observe(refOf(record.id, name), name.place),
    });
    const found = await Promise.all(held.strays.map(look));
    const state = record.state?.value;
    const isOpen = ({job, try: number}: TryName): boolean => job === String(state?.of) && number === openTryOf(state)?.try;
    held.strays = found.filter((each) => (each.seen.kind === 'running' || each.seen.kind === 'absent') && !isOpen(each));
    return found;
  }

  /** Where it runs, and where it is to run: what is not known of them is waited for. */
  #placesOf({spec, state}: DeployRecord): ReadonlySet<string> {
    const {launcher} = this.#deps;
    const places = new Set((state?.value.tries ?? []).map(({place}) => place));
    const cluster = spec?.value.type === 'job' ? this.#clusterOf(spec.value) : undefined;
    for (const engine of launcher.engines) if (cluster !== undefined && launcher.serves(engine, cluster)) places.add(engine.place);
    return places;
  }

  async #observe(record: DeployRecord, state: DeploymentState, open: JobTry, held: Held, writer: FencedWriter): Promise<Observed> {
    const {launcher} = this.#deps;
    const ref = refOf(record.id, {job: String(state.of), ...open});
    const engine = launcher.engineAt(open.place);
    if (held.refused.has(`${ref.job}/${ref.try}`)) return engine.close(ref, open.place, this.#fence(writer));
    const seen = await engine.observe(ref, open.place);
    const spec = record.spec?.value;
    // The intent is ours and was not carried out (the reply of its transaction was lost, or the engine was away): carry it out now.
    const isWanted =
      spec?.type === 'job' &&
      state.of === record.spec?.createRevision &&
      isOfArgs(state, spec.args) &&
      !isOverStatus(state.status) &&
      held.doomed === undefined;
    if (seen.kind !== 'absent' || !isWanted || !launcher.canLaunch(ref, open) || !writer.isOwner()) return seen;
    try {
      return await this.#launch(ref, spec, writer);
    } catch (err) {
      if (!hasCode(err, 'unavailable')) throw err;
      return {kind: 'waiting', why: err.detail};
    }
  }

  /** Why nothing of it can be launched, whoever tries: known before an intent is written. */
  #impossible({spec}: DeployRecord): string | undefined {
    if (spec?.value.type !== 'job') return undefined;
    try {
      this.#deps.launcher.engineOf(this.#clusterOf(spec.value));
      return undefined;
    } catch (err) {
      return isRetryable(err) ? undefined : reasonOf(err);
    }
  }

  async #take(step: DeploymentStep, record: DeployRecord, writer: FencedWriter): Promise<Result> {
    const {launcher, log} = this.#deps;
    const {id} = record;
    switch (step.kind) {
      case 'launch': {
        const spec = must(record.spec, 'a deployment that is launched has a spec');
        const number = step.state.tries_total + 1;
        const ref: JobRef = {scanId: deploymentJobs(id), job: String(spec.createRevision), try: number};
        const intent = launcher.intend(ref, this.#factsOf(spec.value), rfc3339(this.#deps.clock.now()));
        const state = {...step.state, tries_total: number, tries: withTry(step.state.tries, {try: number, ...intent})};
        // What an earlier deployment of this id has said is not this one's.
        const ops: Op[] = step.isNew ? [{deletePrefix: `~log/${deploymentJobs(id)}/`}] : [];
        await this.#commit(writer, record, [this.#putState(id, state, writer), ...ops]);
        if (!writer.isOwner()) return AGAIN; // The intent stands; whoever leads now closes it.
        const seen = await this.#launch(ref, spec.value, writer);
        this.#endAbandoned(ref, intent.place);
        log.info({id, try: number, cluster: this.#clusterOf(spec.value), seen: seen.kind}, 'launched');
        return AGAIN;
      }
      case 'quiet': {
        for (const name of step.stop) await launcher.engineAt(name.place).stop(refOf(id, name), name.place);
        for (const name of step.close) await launcher.engineAt(name.place).close(refOf(id, name), name.place, this.#fence(writer));
        return step.stop.length === 0 ? AGAIN : {kind: 'requeue', afterMs: 250}; // The engine's hint wakes us earlier.
      }
      case 'record':
        await this.#commit(writer, record, [this.#putState(id, step.state, writer), ...(await this.#logOps(record, step))]);
        return AGAIN;
      case 'finish': {
        const {status, reason} = step.state;
        const ops = [this.#putState(id, step.state, writer), ...(await this.#logOps(record, step))];
        await this.#end(record, ops, writer);
        log.info({id, status, reason}, 'deployment ended');
        return SETTLED;
      }
      case 'remove':
        delete this.#hold(id, writer).remembered; // Nothing of it runs: there is nothing to look after.
        await this.#end(record, [{delete: keys.deployStateKey(id)}], writer);
        log.info({id}, 'deployment removed');
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

  /** Ends a try of which nothing that is stored speaks any more. */
  #endAbandoned(ref: JobRef, place: string): void {
    if (!this.isAbandoned(ref)) return;
    const {launcher, log} = this.#deps;
    log.warn({jobs: ref.scanId, try: ref.try}, 'a deployment was deleted with all that was known of it; ending what runs');
    launcher
      .engineAt(place)
      .stop(ref, place)
      .catch((err: unknown) => log.warn({err, jobs: ref.scanId}, 'could not end what runs; trying again'));
  }

  /** What it will never take is remembered, and the try then closed: that is how it ends. */
  async #launch(ref: JobRef, deployment: Deployment, writer: FencedWriter): Promise<Observed> {
    const context = {kind: 'deployment', deployment} as const;
    try {
      return await this.#deps.launcher.launch(ref, this.#factsOf(deployment), context, this.#fence(writer));
    } catch (err) {
      if (isRetryable(err) || hasCode(err, 'not_owner', 'internal')) throw err;
      this.#hold(deployment.id, writer).refused.set(`${ref.job}/${ref.try}`, reasonOf(err));
      return {kind: 'absent'};
    }
  }

  /** Keeps the end of what an ended try has printed. */
  async #logOps(record: DeployRecord, {state, ended}: {readonly state: PlannedState; readonly ended?: JobTry}): Promise<Op[]> {
    if (ended === undefined || state.of === undefined) return [];
    const ref = refOf(record.id, {job: String(state.of), ...ended});
    const count = record.spec?.value.args.count ?? 1;
    return deploymentLog(ref, count, ended, (index, stream) => this.#deps.launcher.engineAt(ended.place).output(ref, ended.place, index, stream));
  }

  /** Writes and resigns in one. */
  async #end(record: DeployRecord, ops: readonly Op[], writer: FencedWriter): Promise<void> {
    await this.#commit(writer, record, [...ops, {delete: keys.deployOwnerKey(record.id)}]);
    this.released(record.id);
  }

  /** Every decision rests on the key and its state: the transaction is refused when one of them has changed. */
  async #commit(writer: FencedWriter, record: DeployRecord, ops: readonly Op[]): Promise<void> {
    const compares = [
      {key: keys.deployKey(record.id), modRevision: revisionOf(record, 'spec')},
      {key: keys.deployStateKey(record.id), modRevision: revisionOf(record, 'state')},
    ];
    const revision = await writer.commit(compares, ops);
    this.#hold(record.id, writer).lastRevision = revision;
  }

  #putState(id: string, state: PlannedState, writer: FencedWriter): Op {
    const by = {replica: this.#deps.replica, fence: writer.createRevision};
    const stored: DeploymentState = {...state, last_updated: blockTime(this.#deps.clock.now()), by};
    return putJson(keys.deployStateKey(id), stored);
  }

  #clusterOf({args}: Deployment): string {
    return args.cluster ?? this.#deps.defaultCluster;
  }

  #factsOf(deployment: Deployment): JobFacts {
    return {type: 'deployment', cluster: this.#clusterOf(deployment), count: deployment.args.count ?? 1, retry: 0};
  }

  #fence(writer: FencedWriter): FenceToken {
    return {epoch: this.#deps.cache.meta?.value.epoch ?? 1, revision: writer.createRevision};
  }
}

/** `undefined`: a cluster is away, or slow. */
function unlessAway<T>(answer: Promise<T>): Promise<T | undefined> {
  const tolerant = answer.catch((err: unknown) => {
    if (!hasCode(err, 'unavailable')) throw err;
    return undefined;
  });
  return unlessLate(tolerant, OTHERS_MS, () => undefined);
}

function refOf(id: string, {job, try: number}: Pick<TryName, 'job' | 'try'>): JobRef {
  return {scanId: deploymentJobs(id), job, try: number};
}
