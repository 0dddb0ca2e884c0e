import {existsSync, statSync, utimesSync, watch} from 'node:fs';
import {readdir, rename, rm} from 'node:fs/promises';
import {hostname} from 'node:os';
import {join} from 'node:path';
import {setImmediate as turn} from 'node:timers/promises';
import {rfc3339} from '../../lib/clock.ts';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {sleep} from '../../lib/sleep.ts';
import type {FenceToken} from '../../schema/job.ts';
import type {Engine, JobObservation, JobRef, JobSaid, JobSpec, KnownTry} from '../engine.ts';
import {checkRef, checkSpec} from '../job-checks.ts';
import {readKeptOutput} from './kept-output.ts';
import {BOOT_ID, endMembers, isAlive, pidNamespace, signalProcess} from './processes.ts';
import {MARKERS, compareFences, isFileName, nameOf, openRunDirectory} from './run-directory.ts';
import type {Claim, ExitRecord, RunDirectory} from './run-directory.ts';
import {readSaid} from './said.ts';
import {SupervisorStarter} from './supervisor-starter.ts';

export interface ProcessEngineOptions {
  /** The run directory, made if it is not there. One for each database: names of jobs are only unique within one. */
  readonly root: string;
  /** What every job inherits: PATH, HOME, LANG, TZ. */
  readonly baseEnv: Readonly<Record<string, string>>;
  readonly log: Log;
  readonly clock: Clock;
}

/** How long {@link ProcessEngine.observe} tries to end what a dead supervisor left behind before it says `unavailable`. */
const CONTAIN_DEADLINE_MS = 5000;
/** How many tries are renewed before other work gets its turn. */
const RENEW_SLICE = 256;
/** Changes that come close together are told once. */
const CHANGE_COALESCE_MS = 10;
/** How long a watch that broke waits before it is set up again. */
const WATCH_RETRY_MS = 5000;
/** How long a forgotten scan is remembered, so that a launch which was decided before and comes after it is refused. */
const FORGOTTEN_KEPT_MS = 24 * 3600 * 1000;
const PRUNE_EVERY_MS = 3600 * 1000;

/** A process engine on the run directory `options.root`. Linux only: it reads `/proc`. */
export function openProcessEngine(options: ProcessEngineOptions): ProcessEngine {
  if (process.platform !== 'linux') throw new ControlPlaneError('unsupported', 'the process engine needs Linux');
  return new ProcessEngine(openRunDirectory(options.root), options);
}

/**
 * Runs jobs as processes of this host, each with a supervisor that outlives the controller.
 *
 * Nothing is held in memory: every method reads and writes the run directory, so any number of engines (replicas) may work in it at once. What decides
 * a launch is the hard link `claim` in the try's folder, made by the supervisor or by {@link ProcessEngine.close}, whichever comes first.
 *
 * `place` is the run directory's id and, in a container, the pid namespace: who sees other processes under the same pids must not judge ours.
 */
export class ProcessEngine implements Engine {
  readonly name = 'process';
  readonly place: string;
  private readonly directory: RunDirectory;
  private readonly options: ProcessEngineOptions;
  private readonly starter: SupervisorStarter;
  private readonly containing = new Map<string, Promise<JobObservation>>();
  private prunedAt = -Infinity;

  constructor(directory: RunDirectory, options: ProcessEngineOptions) {
    this.directory = directory;
    this.options = options;
    this.starter = new SupervisorStarter(directory, options.baseEnv);
    const namespace = pidNamespace();
    this.place = namespace === '' ? directory.id : `${directory.id}.${namespace}`;
  }

  ensure(job: JobSpec): Promise<JobObservation> {
    return atBorder(() => this.ensureHere(job));
  }

  observe(ref: JobRef, place: string): Promise<JobObservation> {
    return atBorder(() => this.observeHere(ref, place));
  }

  close(ref: JobRef, place: string, fence: FenceToken): Promise<JobObservation> {
    return atBorder(() => {
      checkRef(ref);
      if (place !== this.place) return Promise.resolve({kind: 'foreign'});
      this.directory.makeTry(ref);
      this.raiseFence(ref, fence);
      this.directory.decide(ref, {kind: 'closed', fence, at: this.now()});
      return this.observeHere(ref, place);
    });
  }

  stop(ref: JobRef, place: string): Promise<void> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) return;
      this.directory.makeTry(ref);
      // The mark first: a supervisor that does not see it yet has a claim that we see next.
      this.directory.askToStop(ref);
      const claim = this.directory.claim(ref);
      if (claim?.kind === 'launch') signalProcess(claim.supervisor, 'SIGTERM');
    });
  }

  renew(refs: readonly JobRef[]): Promise<void> {
    return atBorder(async () => {
      for (let start = 0; start < refs.length; start += RENEW_SLICE) {
        if (start > 0) await turn();
        const now = this.options.clock.now() / 1000;
        for (const ref of refs.slice(start, start + RENEW_SLICE)) this.renewOne(ref, now);
      }
    });
  }

  output(ref: JobRef, place: string, index: number, stream: 'stdout' | 'stderr'): Promise<string> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) throw new ControlPlaneError('not_found', `the output of ${nameOf(ref)} is kept in another run directory`);
      return readKeptOutput(this.directory.output(ref, index, stream));
    });
  }

  said(ref: JobRef, place: string): Promise<JobSaid> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) return {};
      return readSaid((file) => this.directory.own(ref, file), this.directory.exit(ref) !== undefined);
    });
  }

  onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void {
    const pending = new Set<string>();
    const tell = (): void => {
      const names = [...pending];
      pending.clear();
      for (const name of names) {
        const [scanId, job, tryNumber] = name.split('~');
        if (scanId !== undefined && job !== undefined && tryNumber !== undefined && !signal.aborted) listener({scanId, job, try: Number(tryNumber)});
      }
    };
    void (async () => {
      while (!signal.aborted) {
        const broken = Promise.withResolvers<unknown>();
        try {
          const watcher = watch(this.directory.changed, {persistent: false, signal}, (_event, name) => {
            if (name === null) return;
            if (pending.size === 0) setTimeout(tell, CHANGE_COALESCE_MS);
            pending.add(name);
          });
          watcher.on('error', broken.resolve);
          watcher.on('close', () => broken.resolve(undefined));
        } catch (err) {
          broken.resolve(err); // out of inotify instances, say: the callers' own resync carries on
        }
        const err = await broken.promise;
        if (signal.aborted) return;
        this.options.log.warn({err}, 'watch of the run directory broke');
        await sleep(WATCH_RETRY_MS, signal);
      }
    })();
  }

  known(): Promise<readonly string[]> {
    return atBorder(() => Promise.resolve(this.directory.scanIds()));
  }

  tries(scanId: string, clusterId: string): Promise<readonly KnownTry[]> {
    return atBorder(async () => {
      if (!isFileName(scanId)) throw new ControlPlaneError('invalid', `not fit to be a file name: ${JSON.stringify(scanId)}`);
      const isOurs = (claim: Claim | undefined): boolean => claim?.kind !== 'launch' || claim.cluster_id === clusterId;
      const ours = this.directory.tries(scanId).filter((ref) => isOurs(this.directory.claim(ref)));
      return ours.map((ref) => {
        const fence = this.directory.newestFence(ref);
        return fence === undefined ? ref : {...ref, fence};
      });
    });
  }

  forget(scanId: string): Promise<void> {
    return atBorder(() => this.forgetHere(scanId));
  }

  private async ensureHere(job: JobSpec): Promise<JobObservation> {
    checkSpec(job);
    const {ref, fence} = job;
    const forgotten = this.directory.forgottenFence(ref.scanId);
    if (forgotten !== undefined && compareFences(fence, forgotten) <= 0) return {kind: 'closed'};
    if (this.directory.isBeingForgotten(ref.scanId)) await this.finishForgetting(ref.scanId);
    this.directory.makeTry(ref);
    this.raiseFence(ref, fence);
    const claim = this.directory.claim(ref);
    if (claim === undefined) {
      const outcome = await this.starter.launch(job);
      const seen = await this.observeHere(ref, this.place);
      if (seen.kind === 'absent') {
        throw new ControlPlaneError('unavailable', `the supervisor of ${nameOf(ref)} launched nothing: ${outcome}`);
      }
      return seen;
    }
    if (claim.kind === 'launch' && claim.cluster_id !== job.clusterId) {
      // Reported, never touched. Only an operator can tell which of the two databases should not be using this run directory.
      throw new ControlPlaneError('invalid', `${nameOf(ref)} was launched here by another database (cluster id ${claim.cluster_id})`);
    }
    return this.observeHere(ref, this.place);
  }

  private async observeHere(ref: JobRef, place: string): Promise<JobObservation> {
    checkRef(ref);
    if (place !== this.place) return {kind: 'foreign'};
    const claim = this.directory.claim(ref);
    if (claim === undefined) return {kind: 'absent'};
    if (claim.kind === 'closed') return {kind: 'closed'};
    // Looked at before the exit record: a supervisor that ends between the two looks has written it.
    const isSupervised = isAlive(claim.supervisor);
    const exit = this.directory.exit(ref);
    if (exit !== undefined) return exited(claim, exit);
    if (isSupervised) return {kind: 'running', handle: handleOf(claim), startedAt: claim.at};
    return this.contain(ref, claim);
  }

  private async forgetHere(scanId: string): Promise<void> {
    if (!isFileName(scanId)) throw new ControlPlaneError('invalid', `not fit to be a file name: ${JSON.stringify(scanId)}`);
    await this.prune();
    if (!existsSync(this.directory.scan(scanId))) return;
    const before = this.directory.forgottenFence(scanId);
    let newest = before;
    for (const ref of this.directory.tries(scanId)) {
      const fence = this.directory.newestFence(ref);
      if (fence !== undefined && (newest === undefined || compareFences(fence, newest) > 0)) newest = fence;
    }
    // First the marks, then the look: a supervisor first claims, then looks for the marks. So one of us sees the other.
    // The mark inside goes away with the folder; the one outside stays for launches that were decided before and come later.
    this.directory.markBeingForgotten(scanId, true);
    if (newest !== undefined) this.directory.rememberForgotten(scanId, newest);
    for (const ref of this.directory.tries(scanId)) {
      const seen = await this.observeHere(ref, this.place);
      if (seen.kind !== 'running') continue;
      this.directory.rememberForgotten(scanId, before);
      this.directory.markBeingForgotten(scanId, false);
      throw new ControlPlaneError('wrong_state', `${nameOf(ref)} still runs`);
    }
    // Out of the way in one step, so that nobody finds half of it.
    const doomed = join(this.directory.doomed, crypto.randomUUID());
    try {
      await rename(this.directory.scan(scanId), doomed);
    } catch (err) {
      if (isMissing(err)) return; // another replica forgets it too
      throw err;
    }
    await rm(doomed, {recursive: true, force: true});
  }

  /** Goes on where somebody stopped half-way: a new scan of the same id wants a folder of its own. */
  private async finishForgetting(scanId: string): Promise<void> {
    try {
      await this.forgetHere(scanId);
    } catch (err) {
      if (!hasCode(err, 'wrong_state')) throw err; // it runs: forgetting it was a mistake, and has been taken back
    }
  }

  private renewOne(ref: JobRef, nowSeconds: number): void {
    checkRef(ref);
    try {
      // Synchronous: a few microseconds, a fraction of what the thread pool would cost.
      utimesSync(this.directory.file(ref, 'renewed'), nowSeconds, nowSeconds);
    } catch (err) {
      if (!isMissing(err)) throw err; // what never began, or is forgotten, needs no renewal
    }
  }

  /** @throws ControlPlaneError `not_owner`: a newer owner has asked about this job before. */
  private raiseFence(ref: JobRef, fence: FenceToken): void {
    const newest = this.directory.newestFence(ref);
    const order = newest === undefined ? 1 : compareFences(fence, newest);
    if (order < 0) throw new ControlPlaneError('not_owner', `a newer owner has asked for ${nameOf(ref)}`);
    if (order > 0) this.directory.rememberFence(ref, fence);
  }

  /** Ends what a dead supervisor left behind, then records the exit that it could not record. Observers that do so at the same time agree. */
  private contain(ref: JobRef, claim: Claim & {readonly kind: 'launch'}): Promise<JobObservation> {
    const name = nameOf(ref);
    const underWay = this.containing.get(name);
    if (underWay !== undefined) return underWay;
    const work = this.containNow(ref, claim).finally(() => this.containing.delete(name));
    this.containing.set(name, work);
    return work;
  }

  private async containNow(ref: JobRef, claim: Claim & {readonly kind: 'launch'}): Promise<JobObservation> {
    const name = nameOf(ref);
    const running = this.directory.running(ref);
    const isSameBoot = claim.supervisor.bootId === BOOT_ID;
    if (isSameBoot) {
      const leaders = (running?.processes ?? []).filter(isAlive).map((leader) => leader.pid);
      const runDirectory = `${MARKERS.runDirectory}=${this.directory.id}`;
      // The second marker finds a process that was forked for the job and has not become it yet.
      const markers = [MARKERS.job, MARKERS.supervisor].map((marker) => [`${marker}=${name}`, runDirectory]);
      const query = {markers, groups: new Set(leaders), notBeforeTicks: claim.supervisor.startTicks};
      if (!(await endMembers(query, CONTAIN_DEADLINE_MS))) {
        throw new ControlPlaneError('unavailable', `processes of ${name} outlive SIGKILL`);
      }
    }
    const reason = isSameBoot ? 'supervisor lost' : 'supervisor lost: the host was restarted';
    this.directory.recordExit(ref, {
      began: true,
      exit: {code: null, reason, ended_at: this.now()},
      processes: [],
    });
    this.options.log.warn({scanId: ref.scanId, job: ref.job, try: ref.try, reason}, 'job ended without its supervisor');
    return this.observeHere(ref, this.place);
  }

  /** Now and then removes what earlier forgetting left: marks that nobody can need any more, folders whose removal was cut short. */
  private async prune(): Promise<void> {
    const now = this.options.clock.monotonicMs();
    if (now - this.prunedAt < PRUNE_EVERY_MS) return;
    this.prunedAt = now;
    for (const name of await readdir(this.directory.forgotten)) {
      const path = join(this.directory.forgotten, name);
      const {mtimeMs = Infinity} = statSync(path, {throwIfNoEntry: false}) ?? {};
      if (this.options.clock.now() - mtimeMs > FORGOTTEN_KEPT_MS) await rm(path, {force: true});
    }
    for (const name of await readdir(this.directory.doomed)) await rm(join(this.directory.doomed, name), {recursive: true, force: true});
  }

  private now(): string {
    return rfc3339(this.options.clock.now());
  }
}

function handleOf(claim: Claim & {readonly kind: 'launch'}): string {
  return `${hostname()}:${claim.supervisor.pid}`;
}

function exited(claim: Claim & {readonly kind: 'launch'}, record: ExitRecord): JobObservation {
  return record.began ? {kind: 'exited', handle: handleOf(claim), exit: record.exit} : {kind: 'closed'};
}

function isMissing(err: unknown): boolean {
  return (err as NodeJS.ErrnoException).code === 'ENOENT';
}

/** Runs one method's work; what goes wrong with a file or a process (which may work the next time) comes out as `unavailable`. */
async function atBorder<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (err) {
    const {code, syscall} = err as NodeJS.ErrnoException;
    if (err instanceof ControlPlaneError || code === undefined) throw ControlPlaneError.from(err);
    throw new ControlPlaneError('unavailable', `${syscall ?? 'run directory'}: ${code}`, {cause: err});
  }
}
