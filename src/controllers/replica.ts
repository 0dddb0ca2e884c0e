import {hostname} from 'node:os';
import type {Registry} from 'prom-client';
import type {Config} from '../config.ts';
import type {Engine} from '../engines/engine.ts';
import {rfc3339} from '../lib/clock.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {KUBERNETES_ENGINE} from '../schema/cluster.ts';
import {EtcdLeaseKeeper} from '../store/lease-keeper.ts';
import {Membership} from '../store/membership.ts';
import type {Database} from '../store/open.ts';
import {EtcdOwnership} from '../store/ownership.ts';
import type {BuildChain} from './chain-source.ts';
import type {OpenClusterEngine} from './cluster-engines.ts';
import {runControllers} from './index.ts';
import type {EndsWorkflows} from './workflow-ender.ts';

export interface ReplicaOptions {
  /** Random for each start of a process, so that no two are ever taken for one. */
  readonly replica: string;
  readonly database: Database;
  readonly engines: ReadonlyMap<string, Engine>;
  /** Makes the engines of Kubernetes clusters; absent: this replica serves none. */
  readonly openClusterEngine?: OpenClusterEngine;
  /** The address that scanners report to. */
  readonly scannerAddress: string;
  /** The outside workload manager, where one is configured. */
  readonly ewms?: EndsWorkflows;
  /** Builds the chains of requests that are put by hand. */
  readonly buildChain?: BuildChain;
  /** The module of job classes, an absolute path. */
  readonly jobsModule?: string;
  /** Where this process serves the job runner's API. */
  readonly address?: string;
  /** Where figures go; absent: nowhere. */
  readonly metrics?: Registry;
  readonly config: Pick<Config, 'controllers' | 'etcd' | 'requests'>;
  readonly clock: Clock;
  readonly log: Log;
}

/** One controller replica: its lease, its membership, its controllers. On abort it hands over and revokes its lease last. */
export async function runReplica(options: ReplicaOptions, signal: AbortSignal): Promise<void> {
  const {replica, database, engines, config, clock, log} = options;
  const {members, store, cache} = database;
  const identity = {hostname: hostname(), pid: process.pid};
  const nowText = rfc3339(clock.now());
  const lease = new EtcdLeaseKeeper({members, clock, log, ttlSeconds: config.controllers.ttlSeconds});
  const ownership = new EtcdOwnership({store, cache, lease, identity: {...identity, command: process.argv, replica}, clock, log});
  // Every replica reaches every API server, or waits for it: there is no one place.
  const anywhere = options.openClusterEngine === undefined ? {} : {[KUBERNETES_ENGINE]: ''};
  const places = {...Object.fromEntries([...engines].map(([name, engine]) => [name, engine.place])), ...anywhere};
  const announced = {...identity, started_at: nowText, places, ...(options.address === undefined ? {} : {address: options.address})};
  const membership = new Membership({store, cache, lease, id: replica, replica: announced, clock, log});

  const last = new AbortController(); // Until the hand-over is done the lease is needed.
  const kept = Promise.all([lease.run(last.signal), membership.run(last.signal), ownership.run(last.signal)]);
  try {
    const compact = async (): Promise<void> => void (await database.space.compact(config.etcd.keepHistorySeconds * 1000));
    const {scannerAddress, ewms, buildChain, jobsModule, openClusterEngine, metrics} = options;
    const requests = {...(buildChain === undefined ? {} : {buildChain}), ...(jobsModule === undefined ? {} : {jobsModule})};
    const clusters = {...(openClusterEngine === undefined ? {} : {openClusterEngine}), ...(metrics === undefined ? {} : {metrics})};
    const deps = {...database, lease, ownership, membership, engines, clock, log, config: config.controllers, scannerAddress, compact};
    const scripts = {
      defaultCluster: config.requests.defaultCluster,
      etcd: {etcdEndpoints: config.etcd.endpoints, etcdPrefix: config.etcd.prefix},
    };
    await runControllers({...deps, ...scripts, ...(ewms === undefined ? {} : {ewms}), ...requests, ...clusters}, signal);
  } finally {
    last.abort();
    await kept;
  }
}
