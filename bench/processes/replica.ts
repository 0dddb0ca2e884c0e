import {serveApi} from '../../src/api/serve.ts';
import {loadConfig} from '../../src/config.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog} from '../../src/lib/log.ts';
import {randomHex} from '../../src/schema/ids.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Cache, Change} from '../../src/store/cache.ts';
import {nowNs} from '../lib/machine.ts';
import {NullEngine} from '../lib/null-engine.ts';
import {serve} from '../lib/remote.ts';

const engine = new NullEngine();
const stop = new AbortController();

export interface ReplicaSettings {
  readonly endpoint: string;
  readonly cluster: string;
  readonly capacity: number;
  readonly ttlSeconds: number;
  readonly hasApi: boolean;
}

/** `scanplane up` (or `controllers`) as main.ts wires it, with an engine that runs nothing. Resolves with its replica id and the API's port. */
async function start({endpoint, cluster, capacity, ttlSeconds, hasApi}: ReplicaSettings): Promise<{replica: string; port: number}> {
  const settings = {scanner_server: ['true'], worker: ['true']};
  const config = loadConfig({
    SCANPLANE_LOG_LEVEL: process.env['BENCH_LOG_LEVEL'] ?? 'error',
    SCANPLANE_ETCD_ENDPOINTS: endpoint,
    SCANPLANE_API_PORT: '0',
    SCANPLANE_TTL_SECONDS: String(ttlSeconds),
    SCANPLANE_CLUSTERS: JSON.stringify({[cluster]: {engine: engine.name, capacity, settings}}),
  });
  const log = createLog(config.logLevel);
  const database = openDatabase(config.etcd, log);
  const closing = new AbortController();
  const watching = database.cache.run(closing.signal);
  await ensureMeta(database.store);
  await ensureClusters(database.store, config.clusters);
  await database.cache.ready();
  await database.cache.catchUp(); // The list may be older than what was just written.

  const replica = randomHex(8);
  database.cache.onChange((changes) => noteOwners(changes, database.cache, replica), stop.signal);
  const common = {database, clock: systemClock, log};
  const listening = Promise.withResolvers<number>();
  const running = [
    runReplica({...common, replica, engines: new Map([[engine.name, engine]]), scannerAddress: 'http://127.0.0.1:1', config}, stop.signal),
  ];
  if (hasApi) running.push(serveApi({...common, config: config.api, onListening: listening.resolve}, stop.signal));
  else listening.resolve(0);
  Promise.all(running)
    .finally(() => closing.abort())
    .then(() => watching)
    .then(
      () => process.exit(0),
      (err: unknown) => {
        console.error(err);
        process.exit(1);
      },
    );
  return {replica, port: await listening.promise};
}

/** Owner keys as our own cache sees them come and go: an observer outside would take processor time from what is measured. */
let firstFreeNs = 0n;
let lastOwnNs = 0n;
const own = new Set<string>();

function noteOwners(changes: readonly Change[], cache: Cache, replica: string): void {
  let isNew = false;
  for (const change of changes) {
    if (change.kind !== 'key' || change.ref.kind !== 'owner') continue;
    const owner = cache.scans.get(change.ref.id)?.owner?.value.replica;
    if (owner === undefined && firstFreeNs === 0n) firstFreeNs = nowNs();
    if (owner !== replica) continue;
    own.add(change.ref.id);
    isNew = true;
  }
  if (isNew) lastOwnNs = nowNs();
}

// As main.ts: hand over, then go.
process.on('SIGTERM', () => stop.abort());

/** When a launch was first asked for, by scan. */
function launches(): ReadonlyMap<string, bigint> {
  return engine.launches;
}

/** How far a takeover is, at most: cheap enough to be asked while it is timed. */
function soFar(): {readonly owned: number; readonly called: number} {
  return {owned: own.size, called: engine.actions.size};
}

/** How a takeover went: scans that we have claimed since the last {@link forget}, those of them that we were called for, and when. */
interface Takeover {
  readonly owned: number;
  readonly acted: number;
  readonly firstFreeNs: bigint;
  readonly lastOwnNs: bigint;
  readonly lastActedNs: bigint;
}

function takeover(): Takeover {
  let acted = 0;
  let lastActedNs = 0n;
  for (const id of own) {
    const at = engine.actions.get(id);
    if (at === undefined) continue;
    acted++;
    if (at > lastActedNs) lastActedNs = at;
  }
  return {owned: own.size, acted, firstFreeNs, lastOwnNs, lastActedNs};
}

/** @returns how many scans we have claimed so far */
function forget(): number {
  const count = own.size;
  engine.launches.clear();
  engine.actions.clear();
  own.clear();
  firstFreeNs = lastOwnNs = 0n;
  return count;
}

const methods = {start, launches, soFar, takeover, forget};
export type BenchReplica = typeof methods;
serve(methods);
