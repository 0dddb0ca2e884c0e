import {serveApi} from '../../src/api/serve.ts';
import {loadConfig} from '../../src/config.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog} from '../../src/lib/log.ts';
import {randomHex} from '../../src/schema/ids.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
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

  const replica = randomHex(8);
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

// As main.ts: hand over, then go.
process.on('SIGTERM', () => stop.abort());

/** When a launch was first asked for, by scan. */
function launches(): ReadonlyMap<string, bigint> {
  return engine.launches;
}

/** How many scans were acted on since the last {@link forget}, and when the last of them was first. */
function acted(): {count: number; lastNs: bigint} {
  let lastNs = 0n;
  for (const at of engine.actions.values()) if (at > lastNs) lastNs = at;
  return {count: engine.actions.size, lastNs};
}

function forget(): void {
  engine.launches.clear();
  engine.actions.clear();
}

const methods = {start, launches, acted, forget};
export type BenchReplica = typeof methods;
serve(methods);
