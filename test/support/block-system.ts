import {expect} from 'vitest';
import {loadConfig} from '../../src/config.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import type {Engine} from '../../src/engines/engine.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {Log} from '../../src/lib/log.ts';
import {randomHex} from '../../src/schema/ids.ts';
import * as keys from '../../src/schema/keys.ts';
import type {PbState} from '../../src/schema/processing-block.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';
import type {Commit, KeyValue} from '../../src/store/store.ts';
import type {TestEtcd} from './etcd.ts';
import {eventually} from './eventually.ts';
import {FakeEngine} from './fake-engine.ts';

export interface BlockSystemOptions {
  readonly etcd: TestEtcd;
  /** Further settings, as environment variables. */
  readonly settings?: Readonly<Record<string, string>>;
  /** Slots of the cluster `local`. */
  readonly capacity?: number;
  readonly log?: Log;
}

const PATIENCE = {timeoutMs: 15_000};

/**
 * Controller replicas over a real etcd, for tests that write what scripts and operators write.
 *
 * Jobs are entries of a map. There is one cluster, `local`, and the scripts `batch:vis:1.0` and `realtime:receive:1.0`.
 */
export class BlockSystem {
  readonly database: Database;
  readonly engine = new FakeEngine();
  readonly #options: BlockSystemOptions;
  readonly #stop = new AbortController();
  readonly #watching: Promise<void>;
  readonly #replicas: {stop(): Promise<void>}[] = [];

  private constructor(options: BlockSystemOptions) {
    this.#options = options;
    this.database = openDatabase(this.#config().etcd, silentLog);
    this.#watching = this.database.cache.run(this.#stop.signal);
  }

  /** Without replicas: see {@link startReplica}. */
  static async start(options: BlockSystemOptions): Promise<BlockSystem> {
    const system = new BlockSystem(options);
    await ensureMeta(system.database.store);
    await system.database.cache.ready(AbortSignal.timeout(10_000));
    await system.put(keys.clusterKey('local'), {engine: 'process', capacity: options.capacity ?? 100, settings: {}});
    for (const id of ['batch:vis:1.0', 'realtime:receive:1.0'])
      await system.put(keys.scriptKey(id), {image: `${id.split(':')[1]}:1.0`, command: ['script']});
    return system;
  }

  /** One more replica; it hands over when it is stopped. */
  async startReplica(): Promise<{stop(): Promise<void>}> {
    const stop = new AbortController();
    const closing = new AbortController();
    const config = this.#config();
    const log = this.#options.log ?? silentLog;
    const database = openDatabase(config.etcd, log);
    const watching = database.cache.run(closing.signal);
    await database.cache.ready(AbortSignal.timeout(10_000));
    const engines = new Map<string, Engine>([['process', this.engine]]);
    const options = {replica: randomHex(8), database, engines, scannerAddress: 'http://127.0.0.1:1', config, clock: systemClock, log};
    const running = runReplica(options, stop.signal);
    const replica = {
      stop: async () => {
        stop.abort();
        await running;
        closing.abort();
        await watching;
        database.members.close();
      },
    };
    this.#replicas.push(replica);
    return replica;
  }

  async stop(): Promise<void> {
    await Promise.all(this.#replicas.map((replica) => replica.stop()));
    this.#stop.abort();
    await this.#watching;
    this.database.members.close();
  }

  #config(): ReturnType<typeof loadConfig> {
    return loadConfig({SCANPLANE_ETCD_ENDPOINTS: this.#options.etcd.endpoint, SCANPLANE_TTL_SECONDS: '2', ...this.#options.settings});
  }

  // What operators and scripts do

  /** Puts values as they are given: text, or anything as JSON. */
  async put(key: string, value: unknown): Promise<void> {
    await this.commit({compares: [], ops: [{put: key, value: typeof value === 'string' ? value : JSON.stringify(value)}]});
  }

  async remove(...gone: readonly string[]): Promise<void> {
    await this.commit({compares: [], ops: gone.map((key) => ({delete: key}))});
  }

  async commit(of: Commit): Promise<void> {
    expect(await this.database.store.commit(of)).toMatchObject({ok: true});
  }

  /** A batch block, unless said otherwise. */
  async putPb(id: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.putPbs({[id]: more});
  }

  /** Blocks by id, in one transaction. */
  async putPbs(blocks: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<void> {
    const ops = Object.entries(blocks).map(([id, more]) => {
      const spec = {pb_id: id, eb_id: null, script: {kind: 'batch', name: 'vis', version: '1.0'}, ...more};
      return {put: keys.pbKey(id), value: JSON.stringify(spec)};
    });
    await this.commit({compares: [], ops});
  }

  async putRealtime(id: string, ebId: string | null = null): Promise<void> {
    await this.putPb(id, {eb_id: ebId, script: {kind: 'realtime', name: 'receive', version: '1.0'}});
  }

  /** As a script does: members of others are kept. */
  async say(id: string, state: Readonly<Record<string, unknown>>): Promise<void> {
    await eventually(async () => {
      const entry = await this.get(keys.pbStateKey(id));
      const value = JSON.stringify({...(entry === undefined ? {} : (JSON.parse(entry.value.toString()) as object)), ...state});
      const compares = [{key: keys.pbStateKey(id), modRevision: entry?.modRevision ?? 0}];
      return (await this.database.store.commit({compares, ops: [{put: keys.pbStateKey(id), value}]})).ok;
    }, PATIENCE);
  }

  // What became of it

  get(key: string): Promise<KeyValue | undefined> {
    return this.database.store.get(key);
  }

  async json<T>(key: string): Promise<T | undefined> {
    const entry = await this.get(key);
    return entry === undefined ? undefined : (JSON.parse(entry.value.toString()) as T);
  }

  state(id: string): Promise<PbState | undefined> {
    return this.json(keys.pbStateKey(id));
  }

  untilState(id: string, expected: Readonly<Record<string, unknown>>): Promise<PbState | undefined> {
    return eventually(async () => {
      const state = await this.state(id);
      expect(state).toMatchObject(expected);
      return state;
    }, PATIENCE);
  }

  async untilGone(...gone: readonly string[]): Promise<void> {
    await eventually(async () => {
      for (const key of gone) expect(await this.get(key)).toBeUndefined();
    }, PATIENCE);
  }

  /** A block whose script waits: STARTING was seen, and WAITING written. */
  async waiting(id: string, more: Readonly<Record<string, unknown>> = {}): Promise<void> {
    await this.putPb(id, more);
    await this.untilState(id, {status: 'STARTING'});
    await this.say(id, {status: 'WAITING'});
  }

  /** Resolves when whatever was written before has been looked at: the blocks put here were, which came after it. */
  async lookedAt(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      const id = `mark-${randomHex(8)}`;
      await this.putPb(id);
      await this.untilState(id, {status: 'STARTING'});
      await this.say(id, {status: 'CANCELLED'});
    }
  }

  /** The mod revision of every key, marks and what leads apart. */
  async revisions(): Promise<Record<string, number>> {
    const {entries} = await this.database.store.range('/');
    const lasting = entries.filter(({key, lease}) => lease === '0' && !key.includes('mark-'));
    return Object.fromEntries(lasting.map(({key, modRevision}) => [key, modRevision]));
  }
}
