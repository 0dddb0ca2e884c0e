import {canonicalJson} from '../lib/canonical-json.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {Engine, JobRef} from '../engines/engine.ts';
import {JOB_HOST} from '../jobs/programs.ts';
import {Placement} from '../model/placement.ts';
import type {ScanRecord} from '../model/scan-record.ts';
import {openTry} from '../model/job-table.ts';
import {rendezvousOrder} from '../model/rendezvous.ts';
import type {Cluster} from '../schema/cluster.ts';
import * as keys from '../schema/keys.ts';
import {isTerminal} from '../schema/state.ts';
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
import {runForgetting, runForgettingDeleted} from './forgetting.ts';
import {Janitor} from './janitor.ts';
import {Launcher} from './launcher.ts';
import {runLone} from './lone.ts';
import {runController} from './loop.ts';
import {runRebalance} from './rebalance.ts';
import {ScanController} from './scan-controller.ts';
import {Scheduler} from './scheduler.ts';
import {Watchdog} from './watchdog.ts';
import {WorkQueue} from './work-queue.ts';
import {WorkflowEnder} from './workflow-ender.ts';
import type {EndsWorkflows} from './workflow-ender.ts';

/**
 * The controllers, with what they read and what they alone write:
 *
 * - scan: leads each scan, one owner at a time (`/scan/[id]/owner`); writes state, chain, jobs and job logs
 * - scheduler: alone (`/leader/scheduler`); writes admissions and the backlog
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
  /** The address that scanners report to. */
  readonly scannerAddress: string;
  /** The outside workload manager, where one is configured. */
  readonly ewms?: EndsWorkflows;
  compact(): Promise<void>;
  /** Builds the chains of requests that are put by hand; without it there is no type of request but the sky scan. */
  readonly buildChain?: BuildChain;
  /** The module of job classes, an absolute path; absent: there is none. */
  readonly jobsModule?: string;
}

/** Objects looked at side by side: most of the time is spent waiting for etcd, and claims travel in batches. */
const CONCURRENCY = 512;
/** How long each replica that comes earlier in an object's order gets to try it first. */
const STAGGER_MS = 300;
/** How often a scan whose jobs run is looked at although nothing called for it, at the most often; with many scans, so many per second. */
const RESYNC_MS = 2000;
const RESYNC_PER_SECOND = 500;

/** Runs all controllers of one replica until `signal` aborts; then launches in flight finish, jobs run on; what we own goes when the caller revokes the lease. */
export async function runControllers(deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const {cache, clock, config, log, membership, ownership, openClusterEngine} = deps;
  const engines = new Map(deps.engines); // Those of clusters come and change with their keys.
  const ttlMs = config.ttlSeconds * 1000;
  const queue = new WorkQueue();
  const launcher = new Launcher(cache, engines, {
    scannerAddress: deps.scannerAddress,
    reportAddress: deps.scannerAddress,
    jobs: {host: JOB_HOST, ...(deps.jobsModule === undefined ? {} : {module: deps.jobsModule})},
    outputLimitBytes: config.outputLimitBytes,
    stopGraceMs: config.stopGraceSeconds * 1000,
    orphanAfterMs: config.orphanAfterSeconds * 1000,
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

  const workflows = deps.ewms === undefined ? undefined : new WorkflowEnder({ewms: deps.ewms, clock, log, signal, onAnswer: (id) => queue.add(id)});
  const scans = new ScanController({
    ...{cache, launcher, clock, log, rank, replica: membership.self, chains: new ChainSource(deps.blobs, deps.buildChain ?? noRequestTypes)},
    ...(workflows === undefined ? {} : {workflows}),
    policy: {
      teardownMs: config.teardownSeconds * 1000,
      retry: config.jobRetries,
      retryBaseMs: config.retryBaseSeconds * 1000,
      orphanAfterMs: config.orphanAfterSeconds * 1000,
      stopGraceMs: config.stopGraceSeconds * 1000,
    },
  });
  const scheduler = new Scheduler({
    ...{cache, ownership, scans, clock, log, rank, concurrency: 64, enqueue: (id) => queue.add(id)},
    pace: {asapEveryMs: config.asapStartSeconds * 1000, otherEveryMs: config.startSeconds * 1000},
  });
  const janitor = new Janitor({
    ...{store: deps.store, cache, blobs: deps.blobs, clock, log},
    ...{intervalMs: config.janitorSeconds * 1000, graceMs: config.janitorGraceSeconds * 1000, compact: () => deps.compact()},
  });

  const watchdog = new Watchdog({cache, clock, log, intervalMs: config.watchdogSeconds * 1000});

  // From now on nobody counts on us: what we give back goes straight to who is next in order.
  const leaving = new Promise<void>((resolve) => {
    const leave = (): void => resolve(membership.leave());
    if (signal.aborted) leave();
    else signal.addEventListener('abort', leave, {once: true});
  });
  const onChange = (ref: JobRef): void => queue.add(ref.scanId);
  for (const engine of deps.engines.values()) engine.onChange(onChange, signal);
  if (openClusterEngine !== undefined) keepClusterEngines(engines, {cache, open: openClusterEngine, onChange, log}, signal);
  const lone = {store: deps.store, cache, ownership, clock, log, rank: rankByName, staggerMs: STAGGER_MS};
  await Promise.all([
    runController(scans, {cache, ownership, queue, clock, log, concurrency: CONCURRENCY, staggerMs: STAGGER_MS, stayAwayMs: ttlMs}, signal),
    runLone(scheduler, lone, signal),
    runLone(janitor, lone, signal),
    ...(config.watchdogSeconds > 0 ? [runLone(watchdog, lone, signal)] : []),
    runRenewals(scans, {...deps, engines}, signal),
    runForgetting({...deps, engines}, signal),
    runForgettingDeleted({...deps, engines}, signal),
    runResync(scans, queue, signal),
    runRebalance(
      {
        ...{log, intervalMs: ttlMs, stableForMs: 2 * ttlMs, atMost: 16},
        stableSinceMs: () => membership.stableForMs(),
        misplaced: () => misplaced(deps, rank),
        resign: (ids) => ownership.resignMany(ids.map(keys.ownerKey)),
      },
      signal,
    ),
  ]);
  // Nothing is in work any more. The lease is revoked next, and all our keys go with it at once: whoever is next in each scan's order takes over.
  await leaving;
}

/** A job's supervisor may die without a word: so every scan with jobs is looked at from time to time, in small portions. */
async function runResync(scans: ScanController, queue: WorkQueue, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    const ids = new Set<string>();
    for (const {ref} of scans.runningTries()) ids.add(ref.scanId);
    const pauseMs = 100;
    const rounds = Math.max(RESYNC_MS / pauseMs, Math.ceil((ids.size * 1000) / (RESYNC_PER_SECOND * pauseMs)));
    const portion = Math.ceil(ids.size / rounds);
    let n = 0;
    for (const id of ids) {
      if (n++ % portion === 0) await sleep(pauseMs, signal);
      if (signal.aborted) return;
      queue.add(id);
    }
    if (ids.size < rounds) await sleep(RESYNC_MS - ids.size * pauseMs, signal);
  }
}

/** Tells the engines which jobs still have an owner, well before they would count as orphans. */
async function runRenewals(scans: ScanController, deps: ControllersDeps, signal: AbortSignal): Promise<void> {
  const {config, engines, lease, log} = deps;
  while (!signal.aborted) {
    await sleep((config.orphanAfterSeconds * 1000) / 6, signal);
    if (signal.aborted) return; // Whoever is next renews in time.
    if (lease.current() === undefined) continue; // Not ours to speak for any more.
    const byPlace = new Map([...engines.values()].map((engine) => [engine.place, engine]));
    const byEngine = new Map<Engine, JobRef[]>();
    for (const {ref, place} of scans.runningTries()) {
      const engine = byPlace.get(place);
      if (engine === undefined) continue;
      const refs = byEngine.get(engine);
      if (refs === undefined) byEngine.set(engine, [ref]);
      else refs.push(ref);
    }
    for (const [engine, refs] of byEngine) {
      await engine.renew(refs).catch((err: unknown) => log.warn({err, engine: engine.name}, 'could not renew jobs; trying again'));
    }
  }
}

function* misplaced(deps: ControllersDeps, rank: (record: ScanRecord) => number): Iterable<string> {
  const {cache, membership, ownership} = deps;
  for (const key of ownership.ownedKeys) {
    const record = cache.scans.get(key.split('/')[2] ?? '');
    if (record === undefined || (record.state !== undefined && isTerminal(record.state.value.name)) || rank(record) === 0) continue;
    // While a launch is being carried out its token exists here alone: not now.
    if ([...(record.jobs?.open.values() ?? [])].some(({value}) => openTry(value)?.handle === undefined)) continue;
    if (membership.live().length > 1) yield record.id;
  }
}

/** Writes the configured clusters where no such key exists; an operator's key stands. */
export async function ensureClusters(store: Store, clusters: Readonly<Record<string, Cluster>>): Promise<void> {
  for (const [name, cluster] of Object.entries(clusters)) {
    const key = keys.clusterKey(name);
    await store.commit({compares: [{key, createRevision: 0}], ops: [{put: key, value: canonicalJson(cluster)}]});
  }
}
