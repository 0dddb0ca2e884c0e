import {createHash} from 'node:crypto';
import {ConfigDatabase} from '../../../src/client/config-database.ts';
import {loadConfig} from '../../../src/config.ts';
import {ensureClusters} from '../../../src/controllers/index.ts';
import {runReplica} from '../../../src/controllers/replica.ts';
import type {Engine} from '../../../src/engines/engine.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {silentLog} from '../../../src/lib/log.ts';
import type {Log} from '../../../src/lib/log.ts';
import {sleep} from '../../../src/lib/sleep.ts';
import type {Cluster} from '../../../src/schema/cluster.ts';
import {randomHex} from '../../../src/schema/ids.ts';
import {EtcdMembers} from '../../../src/store/etcd-members.ts';
import {EtcdStore} from '../../../src/store/etcd-store.ts';
import {ensureMeta, openDatabase} from '../../../src/store/open.ts';
import type {Database} from '../../../src/store/open.ts';
import {SimulatedEtcd} from '../simulated-etcd/simulated-etcd.ts';
import type {SimulatedEtcdOptions} from '../simulated-etcd/simulated-etcd.ts';
import {SimulatedLink} from '../simulated-etcd/simulated-link.ts';
import {SimulatedMember} from '../simulated-etcd/simulated-member.ts';
import {inVirtualTime} from '../virtual-time/in-virtual-time.ts';
import type {VirtualProcess} from '../virtual-time/virtual-process.ts';
import type {VirtualTime} from '../virtual-time/virtual-time.ts';
import {SimulatedHost} from './simulated-host.ts';
import type {Behaviour} from './simulated-host.ts';

export interface SimulationOptions {
  /** Decides everything that is left to chance: the same seed gives the same events. */
  readonly seed: number;
  /** What jobs do. */
  readonly jobs?: (simulation: Simulation) => Behaviour;
  readonly clusters?: Readonly<Record<string, Cluster>>;
  /** Further settings, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
  readonly etcd?: Pick<SimulatedEtcdOptions, 'version' | 'quotaBytes' | 'fragmentBytes'>;
  readonly log?: Log;
  /** Spoils the database of each replica: to see that what goes wrong then is noticed. */
  readonly spoil?: (database: Database) => void;
}

/** A controller replica in a simulated process. */
export interface SimulatedReplica {
  readonly id: string;
  readonly process: VirtualProcess;
  /** Its way to etcd, which misbehaves on command. */
  readonly link: SimulatedLink;
  readonly database: Database;
  /** Whether it is there: not killed, and not stopped yet. */
  isAlive(): boolean;
  /** Whether it is there to stay: nobody has asked it to stop. */
  isServing(): boolean;
  /** kill -9: its connections end at once, its lease runs on until it expires. */
  kill(): void;
  /** Hands over and stops, as on SIGTERM. */
  stop(): Promise<void>;
}

const ENDPOINT = 'http://simulated:2379';
const CLUSTERS: Readonly<Record<string, Cluster>> = {
  local: {engine: 'process', capacity: 8, settings: {scanner_server: ['server'], worker: ['worker']}},
};
/** Of the messages between a client and etcd, one in so many is slow. */
const SLOW_ONE_IN = 50;

/**
 * The real controllers over the real store, on a model of etcd and a host of simulated jobs, in virtual time.
 *
 *     await simulate({seed: 7}, async (simulation) => {
 *       const [first] = [simulation.startReplica(), simulation.startReplica()];
 *       simulation.etcd.put('/scan/s1', …);
 *       await sleep(500);
 *       first.kill();
 *       await eventually(() => simulation.etcd.get('/scan/s1/state')…);
 *     });
 *
 * In the body, time passes while it waits for something. What a replica does is done in its process; the body itself is outside of all.
 */
export class Simulation {
  readonly seed: number;
  readonly time: VirtualTime;
  readonly random: () => number;
  readonly etcd: SimulatedEtcd;
  readonly host: SimulatedHost;
  readonly replicas: SimulatedReplica[] = [];
  /** Everything that etcd has written, one line for each key: time, revision, `put` or `delete`, key, value. */
  readonly history: string[] = [];
  readonly #options: SimulationOptions;

  /** @internal Use {@link simulate}. */
  constructor(options: SimulationOptions, time: VirtualTime, random: () => number) {
    this.seed = options.seed;
    this.time = time;
    this.random = random;
    this.#options = options;
    this.etcd = new SimulatedEtcd({time, random, ...options.etcd});
    this.etcd.onWrite(({revision, changes}) => {
      for (const {event} of changes)
        this.history.push(`${time.nowMs.toFixed(3)} ${revision} ${event.kind} ${event.kv.key} ${event.kv.value.toString()}`);
    });
    this.host = new SimulatedHost(time, random, options.jobs?.(this) ?? (() => {}));
  }

  /** A way to etcd for whoever speaks to it in the name of `process`. */
  link(process?: VirtualProcess): SimulatedLink {
    const latency = (): number => (this.random() * SLOW_ONE_IN < 1 ? 5 + this.random() * 50 : 0.2 + this.random() * 1.5);
    return new SimulatedLink(this.etcd, process, latency, this.random);
  }

  /** A database as a program has it, over its own link; its cache does not run yet. */
  database(link: SimulatedLink = this.link()): Database {
    const config = this.#config();
    const members = new EtcdMembers({endpoints: [ENDPOINT]}, 0, (endpoint) => new SimulatedMember(endpoint, link));
    return openDatabase(config.etcd, this.#log(), systemClock, members);
  }

  /** The library as a program has it that runs as `process`. */
  library(process: VirtualProcess, ttlSeconds: number): ConfigDatabase {
    const link = this.link(process);
    const members = new EtcdMembers({endpoints: [ENDPOINT]}, 0, (endpoint) => new SimulatedMember(endpoint, link));
    const store = new EtcdStore(members, {prefix: '', clock: systemClock});
    return new ConfigDatabase({store, clock: systemClock, log: this.#log(), ttlSeconds, command: [process.name]});
  }

  /** Starts one more controller replica; it is not ready at once. */
  startReplica(): SimulatedReplica {
    const process = this.time.spawn(`replica-${this.replicas.length + 1}`);
    const link = this.link(process);
    const database = process.run(() => this.database(link));
    this.#options.spoil?.(database);
    const id = randomHex(8);
    const stop = new AbortController();
    let isOver = false;
    const done = process
      .run(() => this.#runReplica(id, database, process, stop.signal))
      .finally(() => {
        isOver = true;
      });
    done.catch(() => {}); // Whoever stops it hears of it.
    const replica: SimulatedReplica = {
      ...{id, process, link, database},
      isAlive: () => process.state !== 'killed' && !isOver,
      isServing: () => replica.isAlive() && !stop.signal.aborted,
      kill: () => process.kill(),
      stop: () => {
        process.run(() => stop.abort());
        return done;
      },
    };
    this.replicas.push(replica);
    return replica;
  }

  alive(): readonly SimulatedReplica[] {
    return this.replicas.filter((replica) => replica.isAlive());
  }

  serving(): readonly SimulatedReplica[] {
    return this.replicas.filter((replica) => replica.isServing());
  }

  /** A number from 0 up to (not including) `below`. */
  pick(below: number): number {
    return Math.floor(this.random() * below);
  }

  /** What identifies the course of events: equal for two runs in which the same was written at the same times. */
  digest(): string {
    return createHash('sha256').update(this.history.join('\n')).digest('hex');
  }

  async #runReplica(id: string, database: Database, process: VirtualProcess, signal: AbortSignal): Promise<void> {
    const config = this.#config();
    const closing = new AbortController();
    const watching = database.cache.run(closing.signal);
    try {
      await this.#start(database, signal);
      if (signal.aborted) return;
      const engines = new Map<string, Engine>([['process', this.host.engine(process)]]);
      const options = {replica: id, database, engines, scannerAddress: 'http://simulated', config, clock: systemClock, log: this.#log()};
      await runReplica(options, signal);
    } finally {
      closing.abort();
      await watching;
      database.members.close();
    }
  }

  /** Waits for etcd however long it takes to come, as a real process does, or until it is told to stop. */
  async #start(database: Database, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        await ensureMeta(database.store);
        await ensureClusters(database.store, this.#options.clusters ?? CLUSTERS);
        return await database.cache.ready(signal);
      } catch {
        await sleep(500, signal);
      }
    }
  }

  #config(): ReturnType<typeof loadConfig> {
    return loadConfig({
      SCANPLANE_ETCD_ENDPOINTS: ENDPOINT,
      SCANPLANE_TTL_SECONDS: '2',
      SCANPLANE_ORPHAN_AFTER_SECONDS: '20',
      SCANPLANE_RETRY_BASE_SECONDS: '0.1',
      SCANPLANE_STOP_GRACE_SECONDS: '2',
      ...this.#options.settings,
    });
  }

  #log(): Log {
    return this.#options.log ?? silentLog;
  }
}

/** Runs a simulation to the end of `body`. @throws what `body` throws, with the seed in its message. */
export async function simulate<T>(options: SimulationOptions, body: (simulation: Simulation) => Promise<T>): Promise<T> {
  try {
    return await inVirtualTime(options.seed, (time, random) => body(new Simulation(options, time, random)));
  } catch (err) {
    throw new Error(`seed ${options.seed}: ${err instanceof Error ? err.message : String(err)}`, {cause: err});
  }
}
