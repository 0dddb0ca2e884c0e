import type {Registry} from 'prom-client';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import type {Engine} from '../engines/engine.ts';
import type {Hosting} from '../engines/scan-job.ts';
import {JOB_HOST} from '../jobs/programs.ts';
import {Placement} from '../model/placement.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {rendezvousOrder} from '../model/rendezvous.ts';
import type {Cluster} from '../schema/cluster.ts';
import * as keys from '../schema/keys.ts';
import {putJson} from '../schema/put-json.ts';
import type {Blobs} from '../store/blobs.ts';
import type {Cache} from '../store/cache.ts';
import type {LeaseKeeper, Ownership} from '../store/contracts.ts';
import type {Membership} from '../store/membership.ts';
import type {Store} from '../store/store.ts';
import type {ControllersConfig} from '../config.ts';
import {keepClusterEngines} from './cluster-engines.ts';
import type {OpenClusterEngine} from './cluster-engines.ts';
import {ChainSource, noRequestTypes} from './chain-source.ts';
import type {BuildChain} from './chain-source.ts';
import {DeploymentController} from './deployment-controller.ts';
import type {ScriptConfig} from './deployment-document.ts';
import {runForgettingDeleted} from './forgetting.ts';
import {Janitor} from './janitor.ts';
import {Launcher} from './launcher.ts';
import {runLone} from './lone.ts';
import {runController} from './loop.ts';
import {controllerMetrics} from './metrics.ts';
import type {ControllerMetrics} from './metrics.ts';
import {ProcessingController} from './processing-controller.ts';
import {runRebalance} from './rebalance.ts';
import {ScanController} from './scan-controller.ts';
import {Scheduler} from './scheduler.ts';
import {hintsFor, misplacedKeys, runEnding, runForgetting, runRenewals, runResync} from './upkeep.ts';
import type {Led} from './upkeep.ts';
import {Watchdog} from './watchdog.ts';
import {WorkQueue} from './work-queue.ts';
import {WorkflowEnder} from './workflow-ender.ts';
import type {EndsWorkflows} from './workflow-ender.ts';

/**
 * The controllers, with what they read and what they alone write:
 *
 * - scan: leads each scan, one owner at a time (`/scan/[id]/owner`); writes state, chain, jobs and job logs
 * - deployment: runs each deployment, one owner at a time (`/deploy/[id]/owner`); writes its state and the logs of its tries
 * - scheduler: alone (`/leader/scheduler`); writes admissions and the backlog
 * - processing: alone (`/leader/processing`); starts, releases and ends processing blocks, until the script of each goes on
 * - janitor: alone (`/leader/janitor`); removes what nobody else will, has old revisions compacted
 * - watchdog: alone (`/leader/watchdog`); replaces scans whose server was killed from outside by rescans
 */
export interface ControllersDeps {
  readonly store: Store;
  readonly cache: Cache;
  readonly lease: LeaseKeeper;
  readonly ownership: Ownership;
  readonly membership: Membership;
  readonly blobs: Blobs;
  /** By engine name. */
  readonly engines: ReadonlyMap<string, Engine>;
  /** Makes the engines of clusters that have their own; absent: there are none. */
  readonly openClusterEngine?: OpenClusterEngine;
  readonly clock: Clock;
  readonly log: Log;
  readonly config: ControllersConfig;
  /** Where scripts of processing blocks run that name no cluster. */
  readonly defaultCluster: string;
  /** The address that scanners report to. */
  readonly scannerAddress: string;
  /** The outside workload manager, where one is configured. */
  readonly ewms?: EndsWorkflows;
  compact(): Promise<void>;
  /** Where figures go; absent: nowhere. */
  readonly metrics?: Registry;
  /** Builds the chains of requests that are put by hand; without it there is no type of request but the sky scan. */
  readonly buildChain?: BuildChain;
  /** The module of job classes, an absolute path; absent: there is none. */
  readonly jobsModule?: string;
  /** How servers of scans are started whose workers are outside; absent: not at all. */
  readonly hosting?: Hosting;
  /** Where processes of deployments find the database. */
  readonly etcd: Pick<ScriptConfig, 'etcdEndpoints' | 'etcdPrefix'>;
}

/** Objects looked at side by side: most of the time is spent waiting for etcd, and claims travel in batches. */
const CONCURRENCY = 512;
/** How long each replica that comes earlier in an object's order gets to try it first. */
const STAGGER_MS = 300;

/** Runs all controllers of one replica until `signal` aborts; then launches in flight finish, jobs run on; what we own goes when the caller revokes the lease. */
export async function runControllers(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const {cache, clock, config, log, membership, ownership, openClusterEngine} = deps;
  const engines = new Map(deps.engines); // Those of clusters come and change with their keys.
  const ttlMs = config.ttlSeconds * 1000;
  const queue = new WorkQueue();
  const deploymentQueue = new WorkQueue();
  let figures: ControllerMetrics | undefined; // Of what is made below.
  const launcher = new Launcher(cache, engines, {
    onAsked: (...asked) => figures?.observeAsked(...asked),
    scannerAddress: deps.scannerAddress,
    reportAddress: deps.scannerAddress,
    jobs: {host: JOB_HOST, ...(deps.jobsModule === undefined ? {} : {module: deps.jobsModule})},
    scripts: {...deps.etcd, apiAddress: deps.scannerAddress},
    outputLimitBytes: config.outputLimitBytes,
    stopGraceMs: config.stopGraceSeconds * 1000,
    orphanAfterMs: config.orphanAfterSeconds * 1000,
    ...(deps.hosting === undefined ? {} : {hosting: deps.hosting}),
  });

  const place = (): Placement => new Placement(membership.live(), (cluster) => cache.clusters.get(cluster)?.value.engine);
  let placement = place();
  cache.onChange((changes) => {
    if (changes.some((change) => change.kind === 'relist' || change.ref.kind === 'replica' || change.ref.kind === 'cluster')) placement = place();
  }, signal);
  const rank = (record: ScanRecord): number => placement.rank(record, membership.self);
  const rankByName = (name: string): number => {
    const at = rendezvousOrder(
      membership.live().map(({id}) => id),
      name,
    ).indexOf(membership.self);
    return at === -1 ? 1 : at;
  };

  const times = {
    retryBaseMs: config.retryBaseSeconds * 1000,
    orphanAfterMs: config.orphanAfterSeconds * 1000,
    stopGraceMs: config.stopGraceSeconds * 1000,
  };
  const workflows = deps.ewms === undefined ? undefined : new WorkflowEnder({ewms: deps.ewms, clock, log, signal, onAnswer: (id) => queue.add(id)});
  const scans = new ScanController({
    ...{cache, launcher, clock, log, rank, replica: membership.self, chains: new ChainSource(deps.blobs, deps.buildChain ?? noRequestTypes)},
    ...(workflows === undefined ? {} : {workflows}),
    policy: {...times, teardownMs: config.teardownSeconds * 1000, retry: config.jobRetries},
  });
  const deployments = new DeploymentController({
    ...{cache, launcher, clock, log, replica: membership.self, policy: times, defaultCluster: deps.defaultCluster},
    rank: (id, need) => placement.rankFor(id, need, membership.self),
  });
  const scheduler = new Scheduler({
    ...{cache, ownership, scans, clock, log, rank, concurrency: 64, enqueue: (id: string) => queue.add(id), defaultCluster: deps.defaultCluster},
    pace: {asapEveryMs: config.asapStartSeconds * 1000, otherEveryMs: config.startSeconds * 1000},
  });
  const processing = new ProcessingController({
    ...{cache, clock, log, concurrency: 64, graceMs: config.blockGraceSeconds * 1000, defaultCluster: deps.defaultCluster},
  });
  const janitor = new Janitor({
    ...{store: deps.store, cache, blobs: deps.blobs, clock, log},
    ...{intervalMs: config.janitorSeconds * 1000, graceMs: config.janitorGraceSeconds * 1000, compact: () => deps.compact()},
  });

  const watchdog = new Watchdog({cache, clock, log, intervalMs: config.watchdogSeconds * 1000});
  const leftAlone = new Map<string, number>();
  const lone = [scheduler, processing, janitor, ...(config.watchdogSeconds > 0 ? [watchdog] : [])];
  if (deps.metrics !== undefined) {
    const queues = {scan: queue, deployment: deploymentQueue};
    const names = lone.map(({name}) => name);
    figures = controllerMetrics(deps.metrics, {...deps, engines, queues, lone: names, leftAlone, free: () => scheduler.free}, signal);
  }

  // From now on nobody counts on us: what we give back goes straight to who is next in order.
  const leaving = new Promise<void>((resolve) => {
    const leave = (): void => resolve(membership.leave());
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, {once: true});
  });
  const led: readonly Led[] = [
    {controller: scans, queue},
    {controller: deployments, queue: deploymentQueue},
  ];
  const onChange = hintsFor(led);
  for (const engine of deps.engines.values()) engine.onChange(onChange, signal);
  if (openClusterEngine !== undefined) keepClusterEngines(engines, {cache, open: openClusterEngine, onChange, log}, signal);
  const upkeep = {
    ...{engines, lease: deps.lease, clock, log, leftAlone, meta: () => cache.meta?.value},
    ...{orphanAfterMs: times.orphanAfterMs, keepJobsMs: config.keepJobsSeconds * 1000},
  };
  const loop = {cache, ownership, clock, log, concurrency: CONCURRENCY, staggerMs: STAGGER_MS, stayAwayMs: ttlMs};
  const alone = {store: deps.store, cache, ownership, clock, log, rank: rankByName, staggerMs: STAGGER_MS};
  await Promise.all([
    ...led.map((each) => runController(each.controller, {...loop, queue: each.queue}, signal)),
    ...lone.map((each) => runLone(each, alone, signal)),
    runRenewals(led, upkeep, signal),
    runForgetting(led, upkeep, signal),
    runForgettingDeleted({...deps, engines}, signal),
    runEnding(led, upkeep, signal),
    ...led.map((each) => runResync(each, config.resyncSeconds * 1000, signal)),
    runRebalance(
      {
        ...{log, intervalMs: ttlMs, stableForMs: 2 * ttlMs, atMost: 16},
        stableSinceMs: () => membership.stableForMs(),
        misplaced: () => (membership.live().length > 1 ? misplacedKeys(ownership.ownedKeys, led) : []),
        resign: (ownerKeys) => ownership.resignMany(ownerKeys),
      },
      signal,
    ),
  ]);
  // Nothing is in work any more. The lease is revoked next, and all our keys go with it at once: whoever is next in each scan's order takes over.
  await leaving;
}

/** Writes the configured clusters where no such key exists; an operator's key stands. */
export async function ensureClusters(store: Store, clusters: Readonly<Record<string, Cluster>>): Promise<void> {
  for (const [name, cluster] of Object.entries(clusters)) {
    const key = keys.clusterKey(name);
    await store.commit({compares: [{key, createRevision: 0}], ops: [putJson(key, cluster)]});
  }
}
