import {rfc3339} from '../../lib/clock.ts';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import type {Cluster} from '../../schema/cluster.ts';
import type {FenceToken} from '../../schema/job.ts';
import type {KubernetesClusterSettings} from '../../schema/kubernetes-cluster.ts';
import {PODS_KEPT} from '../../schema/pod-seen.ts';
import type {Engine, JobObservation, JobRef, JobSaid, JobSpec, KnownTry} from '../engine.ts';
import {checkRef, checkSpec, nameOfRef} from '../job-checks.ts';
import {compareFences} from '../process/run-directory.ts';
import {ApiClient} from './api-client.ts';
import {atBorder} from './at-border.ts';
import {loadInCluster, loadKubeconfig} from './client-config.ts';
import type {ClientConfig} from './client-config.ts';
import {ForgottenScans} from './forgotten-scans.ts';
import type {InformerTimes} from './informer.ts';
import {JobApi} from './job-api.ts';
import type {Capabilities} from './job-manifest.ts';
import type {JobRecord} from './job-record.ts';
import {JobSettler, podsOf} from './job-settler.ts';
import {LABELS, labelHash, recordName} from './names.ts';
import type {PodFacts} from './pod-facts.ts';
import {PodLogs} from './pod-logs.ts';
import {PodRefusals} from './pod-refusals.ts';
import {RecordSweeper} from './record-sweeper.ts';
import {RecordWatch} from './record-watch.ts';
import {TryClaims} from './try-claims.ts';

export interface KubernetesEngineOptions {
  /** What this place is called, see Engine. Who calls two namespaces the same takes one's jobs for the other's. */
  readonly place: string;
  /** `/meta` cluster_id of the database whose jobs these are. */
  readonly clusterId: string;
  readonly settings: KubernetesClusterSettings;
  /** Where a pod finds its API server, and what programs that give credentials get. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly times?: InformerTimes;
  readonly clock: Clock;
  readonly log: Log;
}

/** What makes the engine of a cluster from its key. */
export function openKubernetesEngine(
  common: Omit<KubernetesEngineOptions, 'place' | 'settings'>,
): (name: string, cluster: Cluster) => KubernetesEngine {
  return (name, {place, settings}) => new KubernetesEngine({...common, place: place ?? `kubernetes/${name}/${settings.namespace ?? ''}`, settings});
}

const TTL_SECONDS = 600;
const PATIENCE_SECONDS = 300;
const REQUESTS_PER_SECOND = 50;
/** Completion indexes are there by default. @see https://kubernetes.io/docs/reference/command-line-tools-reference/feature-gates-removed/ */
const INDEXED_SINCE = 22;

/**
 * Runs each try as a Kubernetes Job in one namespace.
 *
 * Everything that counts is in the Job: what was decided (annotation `state`), under which fence, whether it is to end, and its exit. Our finalizer keeps
 * it until it is forgotten, and its pods until its exit is recorded, so that nobody has to be there when it ends. Two watches tell what changes; they
 * run as long as somebody listens. Answers that could be wrong because a watch is behind come from the server.
 */
export class KubernetesEngine implements Engine {
  readonly name = 'kubernetes';
  readonly place: string;
  readonly #options: KubernetesEngineOptions;
  readonly #client: ApiClient;
  readonly #api: JobApi;
  readonly #logs: PodLogs;
  readonly #refusals: PodRefusals;
  readonly #claims: TryClaims;
  readonly #settler: JobSettler;
  readonly #forgotten: ForgottenScans;
  readonly #selector: string;
  readonly #watch: RecordWatch;
  readonly #sweeper: RecordSweeper;
  readonly #listeners = new Set<(ref: JobRef) => void>();
  #watching: AbortController | undefined;
  #capabilities: Promise<Capabilities> | undefined;

  constructor(options: KubernetesEngineOptions) {
    const {place, clusterId, settings, env, clock, log} = options;
    this.#options = options;
    this.place = place;
    const load = (): Promise<ClientConfig> =>
      settings.kubeconfig === undefined ? loadInCluster(env) : loadKubeconfig(settings.kubeconfig, settings.context, env);
    const perSecond = settings.requests_per_second ?? REQUESTS_PER_SECOND;
    this.#client = new ApiClient({load, limits: {perSecond, burst: 2 * perSecond, inFlight: 32}, clock});
    this.#api = new JobApi(this.#client, async () => settings.namespace ?? (await this.#client.config()).namespace ?? 'default');
    this.#logs = new PodLogs(this.#api, log);
    this.#refusals = new PodRefusals(this.#api, clock);
    this.#forgotten = new ForgottenScans(this.#api, clusterId, clock);
    this.#claims = new TryClaims({api: this.#api, forgotten: this.#forgotten, clusterId, settings, capabilities: () => this.#known()});
    const patienceMs = (settings.patience_seconds ?? PATIENCE_SECONDS) * 1000;
    const ttlSeconds = settings.ttl_seconds ?? TTL_SECONDS;
    this.#settler = new JobSettler({api: this.#api, logs: this.#logs, patienceMs, ttlSeconds, clock, log});
    this.#selector = `${LABELS.cluster}=${labelHash(clusterId)}`;
    this.#watch = new RecordWatch({
      ...{client: this.#client, api: this.#api, labelSelector: this.#selector, clock, log},
      ...(options.times === undefined ? {} : {times: options.times}),
      onChange: (record, ref, pod) => this.#onChange(record, ref, pod),
    });
    this.#sweeper = new RecordSweeper({watch: this.#watch, settler: this.#settler, api: this.#api, clock, log});
  }

  ensure(job: JobSpec): Promise<JobObservation> {
    return atBorder(async () => {
      checkSpec(job, true);
      if (job.clusterId !== this.#options.clusterId) throw new ControlPlaneError('invalid', `${nameOfRef(job.ref)} is of another database`);
      const record = await this.#claims.launch(job);
      if (record === undefined) return {kind: 'closed'};
      this.#watch.tell(record);
      return this.#observation(record);
    });
  }

  observe(ref: JobRef, place: string): Promise<JobObservation> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) return {kind: 'foreign'};
      const name = this.#recordName(ref);
      const seen = this.#watch.isFresh ? this.#watch.job(name) : undefined;
      // What was not decided when a watch told of it may have been since.
      const record = seen === undefined || seen.state === 'prepared' ? await this.#api.job(name) : seen;
      if (record === undefined) return {kind: (await this.#forgotten.hasClosed(ref)) ? 'closed' : 'absent'};
      return this.#observation(record);
    });
  }

  close(ref: JobRef, place: string, fence: FenceToken): Promise<JobObservation> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) return {kind: 'foreign'};
      const record = await this.#claims.close(ref, fence);
      return record === undefined ? {kind: 'closed'} : this.#observation(record);
    });
  }

  stop(ref: JobRef, place: string): Promise<void> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) return;
      for (;;) {
        const record = await this.#claims.close(ref);
        if (record === undefined || record.state !== 'launched' || record.exit !== undefined || record.end !== undefined) return;
        // What has ended by itself is not ended by us, also where nobody has looked yet.
        const settled = await this.#settler.settle(record.name);
        if (settled === undefined || settled.exit !== undefined || settled.end !== undefined) return;
        const pods = await this.#api.pods(podsOf(record.name));
        if ((await this.#settler.end(settled, pods, 'stopped')) !== undefined) return;
      }
    });
  }

  /** It has no files. What keeps it from beginning is its status until it has one of its own, which it reports over REST. Of its pods, what there is. */
  said(ref: JobRef, place: string): Promise<JobSaid> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) return {};
      const name = this.#recordName(ref);
      const record = this.#watch.isFresh ? this.#watch.job(name) : await this.#api.job(name);
      if (record?.state !== 'launched') return {};
      const facts = await this.#podsOf(record.name);
      const pods = facts
        .sort(byAge)
        .map(({seen}) => seen)
        .slice(-PODS_KEPT);
      const outcome = record.exit === undefined ? this.#settler.judge(record, facts) : undefined;
      if (outcome?.kind !== 'running') return {pods};
      const refusal = pods.length === 0 ? await this.#refusals.why(record) : undefined;
      return {status: refusal === undefined ? (outcome.text ?? 'its pod runs') : `waits for its pod: ${refusal}`, pods};
    });
  }

  /** Whether both its watches live. */
  isReachable(): boolean {
    return this.#watch.isFresh;
  }

  /**
   * Nothing: a Job needs no owner to go on, and every replica that reaches its namespace can adopt it. What nobody ever comes back for is ended by its own
   * deadline.
   */
  renew(): Promise<void> {
    return Promise.resolve();
  }

  /** Both streams are one in a pod's log: all of it counts as standard output. */
  output(ref: JobRef, place: string, index: number, stream: 'stdout' | 'stderr'): Promise<string> {
    return atBorder(async () => {
      checkRef(ref);
      if (place !== this.place) throw new ControlPlaneError('not_found', `the output of ${nameOfRef(ref)} is kept in another namespace`);
      if (stream === 'stderr') return '';
      const name = this.#recordName(ref);
      const seen = this.#watch.isFresh ? this.#watch.job(name) : undefined;
      const record = seen ?? (await this.#api.job(name));
      if (record === undefined) return '';
      const known = await this.#podsOf(name);
      const pods = (known.length > 0 ? known : await this.#api.pods(podsOf(name))).sort(byAge);
      // Numbered pods by their number, the newest of each; others in the order in which they came.
      const pod = pods.findLast((each) => each.index === index) ?? (pods.every((each) => each.index === undefined) ? pods[index] : undefined);
      return pod === undefined ? '' : this.#logs.read(pod, record.outputLimitBytes);
    });
  }

  onChange(listener: (ref: JobRef) => void, signal: AbortSignal): void {
    if (signal.aborted) return;
    const own = (ref: JobRef): void => listener(ref); // The same listener may come twice.
    this.#listeners.add(own);
    if (this.#watching === undefined) {
      this.#watching = new AbortController();
      const {signal: ending} = this.#watching;
      void this.#watch.run(ending);
      void this.#sweeper.run(ending);
    }
    signal.addEventListener(
      'abort',
      () => {
        this.#listeners.delete(own);
        if (this.#listeners.size > 0) return;
        this.#watching?.abort();
        this.#watching = undefined;
      },
      {once: true},
    );
  }

  known(): Promise<readonly string[]> {
    return atBorder(async () => {
      await this.#forgotten.prune();
      const records = this.#watch.isFresh ? [...this.#watch.jobs()] : await this.#api.jobs(this.#selector);
      return [...new Set(records.map(({ref}) => ref.scanId))];
    });
  }

  tries(scanId: string, clusterId: string): Promise<readonly KnownTry[]> {
    return atBorder(async () => {
      if (clusterId !== this.#options.clusterId) return [];
      const records = await this.#api.jobs(`${this.#selector},${LABELS.scanHash}=${labelHash(scanId)}`);
      return records.map(({ref, fence}) => ({...ref, fence})).filter((known) => known.scanId === scanId);
    });
  }

  forget(scanId: string): Promise<void> {
    return atBorder(async () => {
      checkRef({scanId, job: 'any', try: 1});
      const selector = `${this.#selector},${LABELS.scanHash}=${labelHash(scanId)}`;
      let isRemembered = false;
      for (;;) {
        const records: JobRecord[] = [];
        for (const seen of await this.#api.jobs(selector)) {
          const ended = await this.#ended(seen);
          if (ended !== undefined) records.push(ended);
        }
        const [newest] = records.map(({fence}) => fence).sort((a, b) => compareFences(b, a));
        if (newest === undefined) return;
        // Before anything goes: what was decided before and comes from now on finds this. What came in between is found by the next round.
        if (!isRemembered) await this.#forgotten.remember(scanId, newest);
        isRemembered = true;
        for (const pod of await this.#api.pods(selector)) {
          await this.#api.release('pods', pod);
          // A kubelet may take a minute to remove a pod of which nothing runs any more.
          if (pod.phase === 'Succeeded' || pod.phase === 'Failed') await this.#api.delete('pods', pod.name, pod.uid, 0);
        }
        for (const record of records) await this.#claims.remove(record);
      }
    });
  }

  /** Ends all connections. Listeners must have gone. */
  dispose(): void {
    this.#client.close();
  }

  /** A record that nothing runs of, nor ever will; `undefined`: it is gone. @throws ControlPlaneError `wrong_state`: something runs */
  async #ended(seen: JobRecord): Promise<JobRecord | undefined> {
    const decided = seen.state === 'prepared' ? await this.#claims.close(seen.ref) : seen;
    if (decided === undefined) return undefined;
    const record = decided.state === 'launched' && decided.exit === undefined ? await this.#settler.settle(decided.name) : decided;
    if (record?.state === 'launched' && record.exit === undefined) throw new ControlPlaneError('wrong_state', `${nameOfRef(record.ref)} still runs`);
    return record;
  }

  async #observation(record: JobRecord): Promise<JobObservation> {
    if (record.state === 'prepared') return {kind: 'absent'};
    if (record.state === 'closed') return {kind: 'closed'};
    const now = record.exit === undefined ? await this.#settled(record) : record;
    if (now === undefined) return {kind: 'absent'};
    if (now.exit !== undefined) return {kind: 'exited', handle: now.name, exit: now.exit};
    return {kind: 'running', handle: now.name, startedAt: rfc3339(now.createdMs)};
  }

  /** The record after what is due for it has been done; `undefined`: it is gone. */
  async #settled(record: JobRecord): Promise<JobRecord | undefined> {
    const pods = await this.#podsOf(record.name);
    if (this.#settler.judge(record, pods).kind === 'running') return record;
    const settled = await this.#settler.settle(record.name, this.#watch.isFresh ? {job: record, pods} : undefined);
    if (settled !== undefined) this.#watch.tell(settled);
    return settled;
  }

  async #podsOf(record: string): Promise<PodFacts[]> {
    return this.#watch.isFresh ? this.#watch.pods(record) : this.#api.pods(podsOf(record));
  }

  #recordName(ref: JobRef): string {
    return recordName(this.#options.clusterId, ref);
  }

  #known(): Promise<Capabilities> {
    this.#capabilities ??= this.#api
      .version()
      .then(([major, minor]) => ({indexed: major > 1 || (major === 1 && minor >= INDEXED_SINCE)}))
      .catch((err: unknown) => {
        this.#capabilities = undefined;
        throw err;
      });
    return this.#capabilities;
  }

  #onChange(record: string, ref: JobRef | undefined, pod: PodFacts | undefined): void {
    const job = this.#watch.job(record);
    // Its node throws the log away when it has gone.
    if (pod?.deletesMs !== undefined && !pod.isRemoved && job !== undefined) void this.#logs.follow(pod, job.outputLimitBytes);
    const told = ref ?? job?.ref;
    if (told !== undefined) for (const listener of this.#listeners) listener(told);
  }
}

function byAge(a: PodFacts, b: PodFacts): number {
  return a.createdMs - b.createdMs || (a.name < b.name ? -1 : 1);
}
