import {ControlPlaneError, isRetryable} from '../lib/errors.ts';
import {deploymentLaunch} from './deployment-document.ts';
import type {ScriptConfig} from './deployment-document.ts';
import {jobLaunch} from './job-document.ts';
import type {JobHostConfig} from './job-document.ts';
import {engineKey} from './cluster-engines.ts';
import type {Engine, JobObservation, JobRef, JobSpec} from '../engines/engine.ts';
import {hostedServer, scanJob} from '../engines/scan-job.ts';
import type {Hosting} from '../engines/scan-job.ts';
import {HOST_ENGINE} from '../model/chain-engines.ts';
import {newJobToken, tokenDigest} from '../schema/job-token.ts';
import {clusterKey} from '../schema/keys.ts';
import {KUBERNETES_ENGINE} from '../schema/cluster.ts';
import type {Cluster} from '../schema/cluster.ts';
import type {JobFacts, PlannedJob} from '../schema/chain.ts';
import type {Deployment} from '../schema/deployment.ts';
import type {JobType} from '../schema/job-type.ts';
import type {FenceToken, JobTry} from '../schema/job.ts';
import type {SkymapSpec} from '../schema/scan.ts';
import type {Cache} from '../store/cache.ts';

export interface LauncherConfig {
  /** The address that scanners report to. */
  readonly scannerAddress: string;
  /** The address that jobs of chains report to. */
  readonly reportAddress: string;
  /** How jobs are run that are no commands. */
  readonly jobs: JobHostConfig;
  /** What processes of deployments are told. */
  readonly scripts: ScriptConfig;
  readonly outputLimitBytes: number;
  readonly stopGraceMs: number;
  readonly orphanAfterMs: number;
  /** Told of every time an engine was asked, with the code of its refusal if it refused. */
  readonly onAsked?: (cluster: string, seconds: number, refusal: string | undefined) => void;
  /** How servers are started whose workers are outside; absent: not at all. */
  readonly hosting?: Hosting;
}

/** What a launch takes besides the job itself: a sky scan's request, a deployment, or what its chain says of the job. */
export type LaunchContext =
  /** `isHosted`: its workers come from outside, and only its server is ours. */
  | {readonly kind: 'skymap'; readonly spec: SkymapSpec; readonly isHosted?: boolean}
  | {readonly kind: 'deployment'; readonly deployment: Deployment}
  | {
      readonly kind: 'chain';
      readonly requestType: string;
      readonly planned: PlannedJob;
      readonly types: Readonly<Record<string, JobType>>;
      /** What its parents hand on, and what its earlier tries have set. */
      readonly data: Readonly<Record<string, unknown>>;
    };

/** From a planned job to a running one: which engine, which command, which token. */
export class Launcher {
  /** Tokens minted by this process, until their job has been launched. They exist in memory and in the job's environment, nowhere else. */
  readonly #tokens = new Map<string, string>();
  readonly #launching = new Map<string, Promise<JobObservation>>();
  readonly #cache: Cache;
  readonly #engines: ReadonlyMap<string, Engine>;
  readonly #config: LauncherConfig;

  constructor(cache: Cache, engines: ReadonlyMap<string, Engine>, config: LauncherConfig) {
    this.#cache = cache;
    this.#engines = engines;
    this.#config = config;
  }

  /** @throws ControlPlaneError `invalid`: there is no such cluster. `unavailable`: this replica cannot serve it, or its key is damaged. */
  engineOf(clusterName: string): Engine {
    const cluster = this.#clusterOf(clusterName);
    const engine = this.#engines.get(engineKey(clusterName, cluster));
    if (engine === undefined)
      throw new ControlPlaneError('unavailable', `this replica has no engine ${cluster.engine}`, {key: `/cluster/${clusterName}`});
    return engine;
  }

  /**
   * Where a try on a cluster is asked for. Of a cluster that is not there, any place of ours: the launch says what is wrong, and the try is closed there.
   *
   * @throws ControlPlaneError `unavailable`, as {@link engineOf}
   */
  placeOf(clusterName: string): string {
    try {
      return this.engineOf(clusterName).place;
    } catch (err) {
      if (isRetryable(err)) throw err;
      return this.engineAt('').place;
    }
  }

  /** Whether this engine is that of a cluster. */
  serves(engine: Engine, clusterName: string): boolean {
    const cluster = this.#cache.clusters.get(clusterName)?.value;
    return cluster !== undefined && this.#engines.get(engineKey(clusterName, cluster)) === engine;
  }

  /** The engines of this replica. */
  get engines(): Iterable<Engine> {
    return this.#engines.values();
  }

  /** The engine that a try was asked of, known by its place: the cluster's key may be gone. Where none of ours has that place, one that says `foreign`. */
  engineAt(place: string): Engine {
    let first: Engine | undefined;
    for (const engine of this.#engines.values()) {
      if (engine.place === place) return engine;
      first ??= engine;
    }
    if (first === undefined) throw new ControlPlaneError('unavailable', 'this replica has no engine');
    return first;
  }

  /** A launch intent: with a fresh token, of which only the digest is to be stored. */
  intend(ref: JobRef, planned: JobFacts, nowText: string): Omit<JobTry, 'try'> {
    const place = this.placeOf(planned.cluster);
    const token = newJobToken(ref.scanId);
    this.#tokens.set(nameOf(ref), token);
    return {intent_at: nowText, token_digest: tokenDigest(token), place};
  }

  /** Whether the intent of this try is ours and not launched yet, so that asking the engine (again) is the way on. */
  canLaunch(ref: JobRef, recorded: JobTry): boolean {
    const token = this.#tokens.get(nameOf(ref));
    return token !== undefined && tokenDigest(token) === recorded.token_digest;
  }

  /** Asks the engine. Safe to repeat: the engine launches a name at most once; who asks while an answer is awaited gets that one. */
  launch(ref: JobRef, planned: JobFacts, context: LaunchContext, fence: FenceToken): Promise<JobObservation> {
    const name = nameOf(ref);
    const underWay = this.#launching.get(name);
    if (underWay !== undefined) return underWay;
    const launch = this.#launch(ref, planned, context, fence).finally(() => this.#launching.delete(name));
    this.#launching.set(name, launch);
    return launch;
  }

  async #launch(ref: JobRef, planned: JobFacts, context: LaunchContext, fence: FenceToken): Promise<JobObservation> {
    const token = this.#tokens.get(nameOf(ref));
    if (token === undefined) throw new ControlPlaneError('not_owner', `the intent of ${nameOf(ref)} is not ours any more`);
    const {onAsked = (): void => {}} = this.#config;
    const spec = this.#jobSpec(ref, planned, context, fence, token);
    const begunMs = performance.now();
    try {
      const observed = await this.engineOf(planned.cluster).ensure(spec);
      onAsked(planned.cluster, (performance.now() - begunMs) / 1000, undefined);
      this.#tokens.delete(nameOf(ref));
      return observed;
    } catch (err) {
      onAsked(planned.cluster, (performance.now() - begunMs) / 1000, ControlPlaneError.from(err).code);
      throw err;
    }
  }

  /** Forgets the tokens of a scan, or of what engines know by that name. */
  forget(scanId: string): void {
    for (const name of this.#tokens.keys()) if (name.startsWith(`${scanId}/`)) this.#tokens.delete(name);
  }

  #clusterOf(name: string): Cluster {
    const entry = this.#cache.clusters.get(name);
    const key = clusterKey(name);
    if (this.#cache.bad.has(key)) throw new ControlPlaneError('unavailable', `the key of cluster ${name} is damaged`, {key});
    if (entry === undefined) throw new ControlPlaneError('invalid', `no cluster is called ${name}`, {key});
    return entry.value;
  }

  #jobSpec(ref: JobRef, planned: JobFacts, context: LaunchContext, fence: FenceToken, token: string): JobSpec {
    if (context.kind === 'chain') return this.#chainJobSpec(ref, planned, context, fence, token);
    if (context.kind === 'deployment') return this.#deploymentJobSpec(ref, planned, context.deployment, fence, token);
    const base = this.#base(ref, planned, fence);
    const {spec, isHosted = false} = context;
    const {scannerAddress, hosting} = this.#config;
    const cluster = this.#clusterOf(planned.cluster);
    const input = {scanId: ref.scanId, spec, cluster, clusterName: planned.cluster, scannerAddress, token};
    if (!isHosted) return {...base, ...scanJob({...input, isServer: planned.type === 'scanner-server'})};
    if (hosting === undefined)
      throw new ControlPlaneError('unavailable', 'this replica is not configured to start servers whose workers are outside');
    return {...base, ...hostedServer({...input, ...hosting, ref, clusterId: base.clusterId})};
  }

  #deploymentJobSpec(ref: JobRef, facts: JobFacts, deployment: Deployment, fence: FenceToken, token: string): JobSpec {
    const runsImages = this.engineOf(facts.cluster).name === KUBERNETES_ENGINE;
    const launch = deploymentLaunch(deployment, ref.try, token, this.#config.scripts, runsImages);
    const own = this.#clusterOf(facts.cluster).settings.env ?? [];
    return {...launch, ...this.#base(ref, facts, fence), env: [...own, ...launch.env]};
  }

  #chainJobSpec(ref: JobRef, facts: JobFacts, context: LaunchContext & {readonly kind: 'chain'}, fence: FenceToken, token: string): JobSpec {
    const {planned, requestType, types, data} = context;
    const {jobs, reportAddress} = this.#config;
    const url = `${reportAddress}/api/v1/requests/${ref.scanId}/jobs/${ref.job}/report`;
    const engine = this.engineOf(facts.cluster);
    const runs = Object.hasOwn(types, planned.type) ? types[planned.type] : undefined;
    // Other engines have neither its files nor our programs.
    if (runs !== undefined && runs.run.kind !== 'command' && engine.name !== HOST_ENGINE) {
      const what = runs.run.kind === 'http' ? 'an HTTP call' : 'a class';
      throw new ControlPlaneError('invalid', `job type ${planned.type} is ${what}, which only clusters with the process engine can run`);
    }
    const launch = jobLaunch({ref, requestType, planned, runs, data, report: {url, token}}, jobs);
    const own = this.#clusterOf(facts.cluster).settings.env ?? [];
    const container = {
      ...(runs?.image === undefined ? {} : {image: runs.image}),
      ...(runs?.resources === undefined ? {} : {resources: runs.resources}),
    };
    return {...launch, ...this.#base(ref, facts, fence), ...container, env: [...own, ...launch.env]};
  }

  /** What is the same for every kind of job. */
  #base(ref: JobRef, {count, type}: JobFacts, fence: FenceToken): Omit<JobSpec, 'command' | 'env'> {
    const {outputLimitBytes, stopGraceMs, orphanAfterMs} = this.#config;
    return {ref, type, fence, clusterId: this.#cache.meta?.value.cluster_id ?? '', count, outputLimitBytes, stopGraceMs, orphanAfterMs};
  }
}

function nameOf(ref: JobRef): string {
  return `${ref.scanId}/${ref.job}/${ref.try}`;
}
