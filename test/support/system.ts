import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import type {Authenticator} from '../../src/api/auth/authenticator.ts';
import {RequestGate} from '../../src/api/requests/gate.ts';
import {processMetrics} from '../../src/api/process-metrics.ts';
import {serveRunner} from '../../src/api/runner/serve.ts';
import {serveApi} from '../../src/api/serve.ts';
import {inheritedEnvironment, k8sJobSettings, loadConfig} from '../../src/config.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import type {Engine} from '../../src/engines/engine.ts';
import {openKubernetesEngine} from '../../src/engines/kubernetes/kubernetes-engine.ts';
import {endLeftovers} from '../../src/engines/process/leftovers.ts';
import {openProcessEngine} from '../../src/engines/process/process-engine.ts';
import {openEwms} from '../../src/ewms/client.ts';
import type {EwmsClient} from '../../src/ewms/client.ts';
import {openRequests} from '../../src/jobs/open-requests.ts';
import type {Requests} from '../../src/jobs/open-requests.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {Log} from '../../src/lib/log.ts';
import type {WireJobs} from '../../src/model/wire-chain.ts';
import {randomHex} from '../../src/schema/ids.ts';
import type {RequestSpec} from '../../src/schema/scan.ts';
import type {Cluster} from '../../src/schema/cluster.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';
import type {TestEtcd} from './etcd.ts';

const scanner = (file: string): string => fileURLToPath(new URL(`../../examples/scanner/${file}`, import.meta.url));

export interface TestSystemOptions {
  readonly etcd: TestEtcd;
  readonly capacity?: number;
  readonly log?: Log;
  /** Further settings, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly settingsOfCluster?: Cluster['settings'];
  /** Further clusters besides `local`. */
  readonly clusters?: Readonly<Record<string, Cluster>>;
  /** Where the API, which listens on this port of loopback, is reached from jobs. */
  readonly expose?: (port: number) => Promise<string>;
  /** Who may call the API; without it anybody. */
  readonly authenticator?: Authenticator;
  /** How jobs of chains from outside are run; unless told, as the specs say. */
  readonly jobs?: WireJobs;
}

export interface TestReplica {
  readonly id: string;
  readonly database: Database;
  /** Where it serves the job runner's API. */
  readonly address: string;
  /** Hands over and stops, as on SIGTERM. */
  stop(): Promise<void>;
}

/** An API and controller replicas in this process, over a real etcd; the jobs are real processes. */
export class TestSystem {
  readonly database: Database;
  readonly runDirectory: string;
  address = '';
  readonly #options: TestSystemOptions;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>[] = [];
  #requests: Promise<Requests> | undefined;

  private constructor(options: TestSystemOptions, runDirectory: string) {
    this.#options = options;
    this.runDirectory = runDirectory;
    this.database = openDatabase(this.#config().etcd, this.#log());
  }

  static async start(options: TestSystemOptions): Promise<TestSystem> {
    const system = new TestSystem(options, await mkdtemp(join(tmpdir(), 'scanplane-run-')));
    await system.#startApi();
    return system;
  }

  /** Starts one more controller replica; with a run directory of its own when `runDirectory` says so, as on another host. */
  async startReplica(runDirectory = this.runDirectory, more: Readonly<Record<string, string>> = {}): Promise<TestReplica> {
    const config = this.#config(more);
    const log = this.#log();
    const stop = new AbortController();
    const closing = new AbortController();
    const database = openDatabase(config.etcd, log);
    const watching = database.cache.run(closing.signal);
    await database.cache.ready(AbortSignal.timeout(10_000));
    const engine = openProcessEngine({root: runDirectory, baseEnv: inheritedEnvironment(), log, clock: systemClock});
    const id = randomHex(8);
    const engines = new Map<string, Engine>([['process', engine]]);
    const {builder, jobs, jobsModule} = await this.#openRequests();
    const chains = {
      buildChain: (of: string, {type, args}: RequestSpec) => builder.build(of, type, args),
      ...(jobsModule === undefined ? {} : {jobsModule}),
    };
    const common = {replica: id, database, engines, scannerAddress: await this.#scannerAddress(), config, clock: systemClock, log};
    const types = this.#options.jobs ?? {typeOf: (type: string) => jobs.typeOf(type), defaultCluster: config.requests.defaultCluster};
    const metrics = processMetrics(database);
    const runner = await serveRunner(
      {
        ...{...database, clock: systemClock, log, config: config.runner, replica: id, authenticator: this.#options.authenticator, jobs: types},
        ...{gate: new RequestGate({...config.auth, aclOf: () => []}), bodyLimitBytes: config.api.bodyLimitBytes, metrics},
      },
      stop.signal,
    );
    const clusterId = database.cache.meta?.value.cluster_id ?? '';
    const openClusterEngine = openKubernetesEngine({clusterId, env: {}, log, clock: systemClock});
    const options = {...common, ...chains, metrics, openClusterEngine, ...this.#ewms(config), address: runner.address};
    const run = async (): Promise<void> => {
      try {
        await runReplica(options, stop.signal);
      } finally {
        await runner.close();
        closing.abort();
        await watching;
        database.members.close();
      }
    };
    const done = run();
    this.#running.push(done);
    this.#stop.signal.addEventListener('abort', () => stop.abort());
    return {
      id,
      database,
      address: runner.address,
      stop: async () => {
        stop.abort();
        await done;
      },
    };
  }

  /** Stops everything, then ends the jobs that still run. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.allSettled(this.#running);
    await (await this.#requests)?.close();
    this.database.members.close();
    await endLeftovers(this.runDirectory);
    await rm(this.runDirectory, {recursive: true, force: true, maxRetries: 5});
  }

  async #startApi(): Promise<void> {
    const config = this.#config();
    const log = this.#log();
    this.#running.push(this.database.cache.run(this.#stop.signal));
    await ensureMeta(this.database.store);
    const env: [string, string][] = [
      ['SKYSCAN_PROGRESS_INTERVAL_SEC', '0.2'],
      ['SKYSCAN_RESULT_INTERVAL_SEC', '1'],
      ['SCANNER_PIXEL_WORK', '0.2'],
    ];
    const settings = this.#options.settingsOfCluster ?? {
      scanner_server: [process.execPath, scanner('server.ts')],
      worker: [process.execPath, scanner('worker.ts')],
      env,
    };
    await ensureClusters(this.database.store, {
      local: {engine: 'process', capacity: this.#options.capacity ?? 8, settings},
      ...this.#options.clusters,
    });
    await this.database.cache.ready(AbortSignal.timeout(10_000));
    const listening = Promise.withResolvers<number>();
    const {authenticator} = this.#options;
    const {builder} = await this.#openRequests();
    const requests = {builder, policy: config.auth};
    const parts = {database: this.database, clock: systemClock, log, authenticator, requests, onListening: listening.resolve, ...this.#ewms(config)};
    const api = serveApi({config: config.api, k8sJob: k8sJobSettings(config), ...parts}, this.#stop.signal);
    api.catch(listening.reject);
    this.#running.push(api);
    this.address = `http://127.0.0.1:${await listening.promise}`;
  }

  /** Of API and replicas alike. */
  #openRequests(): Promise<Requests> {
    return (this.#requests ??= openRequests({...this.#config().requests, env: inheritedEnvironment(), log: this.#log()}));
  }

  #config(more: Readonly<Record<string, string>> = {}): ReturnType<typeof loadConfig> {
    return loadConfig({
      SCANPLANE_ETCD_ENDPOINTS: this.#options.etcd.endpoint,
      SCANPLANE_API_PORT: '0',
      SCANPLANE_TTL_SECONDS: '2',
      SCANPLANE_ORPHAN_AFTER_SECONDS: '20',
      SCANPLANE_RETRY_BASE_SECONDS: '0.1',
      SCANPLANE_STOP_GRACE_SECONDS: '2',
      SCANPLANE_RUN_DIRECTORY: this.runDirectory,
      ...this.#options.settings,
      ...more,
    });
  }

  async #scannerAddress(): Promise<string> {
    const {expose} = this.#options;
    return expose === undefined ? this.address : `http://${await expose(Number(new URL(this.address).port))}`;
  }

  #ewms(config: ReturnType<typeof loadConfig>): {readonly ewms?: EwmsClient} {
    const ewms = openEwms(config.ewms, systemClock);
    return ewms === undefined ? {} : {ewms};
  }

  #log(): Log {
    return this.#options.log ?? silentLog;
  }
}
