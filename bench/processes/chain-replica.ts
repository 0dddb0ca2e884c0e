import {once} from 'node:events';
import {loadConfig} from '../../src/config.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog} from '../../src/lib/log.ts';
import {isOver} from '../../src/model/scan-record.ts';
import type {Chain} from '../../src/schema/chain.ts';
import {NOOP} from '../../src/schema/chain.ts';
import {randomHex} from '../../src/schema/ids.ts';
import {scanKey} from '../../src/schema/keys.ts';
import {stageChain} from '../../src/store/chain-store.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';
import {InstantEngine} from '../lib/instant-engine.ts';
import {msBetween, nowNs} from '../lib/machine.ts';
import {serve} from '../lib/remote.ts';

const CLUSTER = 'bench';
const SETTLE_MS = 300_000;

const engine = new InstantEngine();
const stop = new AbortController();
let database: Database;

/** Controllers as main.ts wires them, with an engine whose jobs end at once. */
async function start({endpoint}: {readonly endpoint: string}): Promise<void> {
  const config = loadConfig({
    SCANPLANE_LOG_LEVEL: process.env['BENCH_LOG_LEVEL'] ?? 'error',
    SCANPLANE_ETCD_ENDPOINTS: endpoint,
    SCANPLANE_CLUSTERS: JSON.stringify({[CLUSTER]: {engine: engine.name, capacity: 1_000_000, settings: {}}}),
  });
  const log = createLog(config.logLevel);
  database = openDatabase({...config.etcd, compaction: false}, log);
  void database.cache.run(stop.signal);
  await ensureMeta(database.store);
  await ensureClusters(database.store, config.clusters);
  await database.cache.ready();
  await database.cache.catchUp();
  const common = {database, clock: systemClock, log, config};
  runReplica({...common, replica: randomHex(8), engines: new Map([[engine.name, engine]]), scannerAddress: 'http://127.0.0.1:1'}, stop.signal).catch(
    (err: unknown) => {
      console.error(err);
      process.exit(1);
    },
  );
}

/** A chain of so many jobs: layers of `width` jobs side by side, each layer behind a noop that joins the one before. */
function layered(count: number, width: number): Chain {
  const chain: {jobs: Record<string, Chain['jobs'][string]>; adjacency: Record<string, string[]>} = {jobs: {}, adjacency: {}};
  const add = (id: string, type: string, after: readonly string[]): string => {
    const isNoop = type === NOOP;
    chain.jobs[id] = {name: id, type, cluster: isNoop ? '' : CLUSTER, count: 1, retry: 0, sequence: 'b0', ...(isNoop ? {} : {args: {tile: id}})};
    chain.adjacency[id] = [];
    for (const before of after) chain.adjacency[before]?.push(id);
    return id;
  };
  let join = add('b0', NOOP, []);
  for (let done = 0; done < count; done += width) {
    const layer = Array.from({length: Math.min(width, count - done)}, (_, n) => add(`j${done + n}`, 'work', [join]));
    join = add(`b${done + 1}`, NOOP, layer);
  }
  return {...chain, sequences: {b0: {retry: 0}}, types: {work: {run: {kind: 'command', command: ['true']}}}};
}

/** Runs requests one after the other, each of so many jobs. Resolves with the milliseconds it took when all are COMPLETE. */
async function run({requests, jobs, width}: {readonly requests: number; readonly jobs: number; readonly width: number}): Promise<number> {
  const began = nowNs();
  for (let n = 0; n < requests; n++) {
    const id = `chain${jobs}x${randomHex(6)}`;
    const staged = await stageChain(database.blobs, id, layered(jobs, width));
    const ops = [...staged.ops, {put: scanKey(id), value: canonicalJson({type: 'bench', args: {}})}];
    const written = await database.store.commit({compares: [...staged.compares, {key: scanKey(id), createRevision: 0}], ops});
    if (!written.ok) throw new Error('could not create a request');
    await ended(id);
    const state = database.cache.scans.get(id)?.state?.value;
    if (state?.name !== 'COMPLETE') throw new Error(`request ended as ${state?.name}: ${state?.reason}`);
  }
  return msBetween(began, nowNs());
}

async function ended(id: string): Promise<void> {
  const done = new AbortController();
  const isDone = (): boolean => {
    const record = database.cache.scans.get(id);
    return record !== undefined && isOver(record) && record.owner === undefined;
  };
  database.cache.onChange(
    () => {
      if (isDone()) done.abort();
    },
    AbortSignal.any([stop.signal, done.signal]),
  );
  if (isDone()) return;
  await once(AbortSignal.any([done.signal, AbortSignal.timeout(SETTLE_MS)]), 'abort');
  if (!isDone()) throw new Error(`request ${id} did not end`);
}

process.on('SIGTERM', () => stop.abort());

const methods = {start, run};
export type ChainReplica = typeof methods;
serve(methods);
