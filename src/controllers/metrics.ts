import {Counter, Gauge, Histogram} from 'prom-client';
import type {Registry} from 'prom-client';
import type {Engine} from '../engines/engine.ts';
import type {FreeSlots} from '../model/admission-plan.ts';
import {leaderKey, parseKey} from '../schema/keys.ts';
import type {Cache} from '../store/cache.ts';
import type {LeaseKeeper, Ownership} from '../store/contracts.ts';
import type {Membership} from '../store/membership.ts';
import {engineKey} from './cluster-engines.ts';
import type {WorkQueue} from './work-queue.ts';

export interface MetricsDeps {
  readonly cache: Cache;
  readonly lease: LeaseKeeper;
  readonly ownership: Ownership;
  readonly membership: Membership;
  readonly engines: ReadonlyMap<string, Engine>;
  /** By controller. */
  readonly queues: Readonly<Record<string, WorkQueue>>;
  /** Names of the controllers that are alone. */
  readonly lone: readonly string[];
  /** What is left of each cluster's capacity; `undefined` where another replica leads the scheduler. */
  readonly free: () => FreeSlots | undefined;
}

export interface ControllerMetrics {
  /** Counts one question to an engine. */
  observeAsked(cluster: string, seconds: number, refusal: string | undefined): void;
}

/** Adds the figures of one replica's controllers. Labels are names of clusters and controllers, and codes: never what users choose. */
export function controllerMetrics(registry: Registry, deps: MetricsDeps, signal: AbortSignal): ControllerMetrics {
  const {cache, engines, lease, membership, ownership} = deps;
  const registers = [registry];
  const asked = new Histogram({
    name: 'scanplane_launch_duration_seconds',
    help: 'From asking an engine to start a job to its answer.',
    labelNames: ['cluster'],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const refused = new Counter({
    name: 'scanplane_launch_refusals_total',
    help: 'Launches that an engine refused, by the code of its error. unavailable: it is asked again.',
    labelNames: ['cluster', 'code'],
    registers,
  });
  const lost = new Counter({
    name: 'scanplane_owner_keys_lost_total',
    help: 'Owner keys that went. lease: with the lease; deleted: by somebody else; resigned: given back.',
    labelNames: ['cause'],
    registers,
  });
  for (const cause of ['lease', 'deleted', 'resigned']) lost.inc({cause}, 0);
  ownership.onLost((_key, cause) => lost.inc({cause}), signal);

  const gauge = (
    name: string,
    help: string,
    labelNames: readonly string[],
    collect: (set: (labels: Record<string, string>, value: number) => void) => void,
  ): void => {
    new Gauge({
      name,
      help,
      labelNames,
      registers,
      collect() {
        this.reset();
        collect((labels, value) => this.set(labels, value));
      },
    });
  };
  gauge('scanplane_replicas', 'Controller replicas that live, as this one sees them.', [], (set) => set({}, membership.live().length));
  gauge('scanplane_lease_held', '1 while this replica may act, else 0.', [], (set) => set({}, lease.current() === undefined ? 0 : 1));
  gauge('scanplane_owned', 'What this replica owns: scans (requests of any type) and deployments.', ['kind'], (set) => {
    const counts = {scan: 0, deployment: 0};
    for (const key of ownership.ownedKeys) {
      const kind = parseKey(key)?.kind;
      if (kind === 'owner') counts.scan += 1;
      else if (kind === 'deploy-owner') counts.deployment += 1;
    }
    for (const [kind, count] of Object.entries(counts)) set({kind}, count);
  });
  gauge('scanplane_leading', '1 for each controller that is alone and runs here, else 0.', ['controller'], (set) => {
    for (const controller of deps.lone) set({controller}, ownership.owned(leaderKey(controller)) === undefined ? 0 : 1);
  });
  gauge('scanplane_work_queue', 'What waits to be looked at.', ['controller'], (set) => {
    for (const [controller, queue] of Object.entries(deps.queues)) set({controller}, queue.size);
  });
  gauge('scanplane_waiting', 'What waits for admission: scans (requests of any type) and processing blocks.', ['kind'], (set) => {
    const counts = {scan: 0, pb: 0};
    for (const {of} of cache.backlog()) counts[of] += 1;
    for (const [kind, count] of Object.entries(counts)) set({kind}, count);
  });
  gauge('scanplane_cluster_slots', 'Capacity of each cluster.', ['cluster'], (set) => {
    for (const [cluster, {value}] of cache.clusters) set({cluster}, value.capacity);
  });
  gauge('scanplane_cluster_slots_free', 'What is left of it; told by the replica that leads the scheduler.', ['cluster'], (set) => {
    for (const [cluster, free] of deps.free() ?? []) set({cluster}, free);
  });
  gauge(
    'scanplane_cluster_reachable',
    '1 where this replica has an engine for the cluster, and what that runs jobs on answers; else 0.',
    ['cluster'],
    (set) => {
      for (const [cluster, {value}] of cache.clusters) {
        const engine = engines.get(engineKey(cluster, value));
        set({cluster}, engine !== undefined && engine.isReachable?.() !== false ? 1 : 0);
      }
    },
  );
  return {
    observeAsked: (cluster, seconds, refusal) => {
      asked.observe({cluster}, seconds);
      if (refusal !== undefined) refused.inc({cluster, code: refusal});
    },
  };
}
