import {once} from 'node:events';
import {loadConfig} from '../../src/config.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {runReplica} from '../../src/controllers/replica.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog} from '../../src/lib/log.ts';
import type {PbRecord} from '../../src/model/block-record.ts';
import {randomHex} from '../../src/schema/ids.ts';
import {pbKey, pbStateKey, scriptKey} from '../../src/schema/keys.ts';
import type {PbState} from '../../src/schema/processing-block.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';
import type {Op} from '../../src/store/store.ts';
import {msBetween, nowNs} from '../lib/machine.ts';
import {PatientEngine} from '../lib/patient-engine.ts';
import {serve} from '../lib/remote.ts';

const CLUSTER = 'bench';
const SETTLE_MS = 120_000;
/** Blocks that are put, or removed, in one transaction. */
const AT_ONCE = 50;

const engine = new PatientEngine();
const stop = new AbortController();
let database: Database;

/** Controllers as main.ts wires them, and so many processing blocks whose scripts run. */
async function start({endpoint, others}: {readonly endpoint: string; readonly others: number}): Promise<void> {
  const config = loadConfig({
    SCANPLANE_LOG_LEVEL: process.env['BENCH_LOG_LEVEL'] ?? 'error',
    SCANPLANE_ETCD_ENDPOINTS: endpoint,
    SCANPLANE_DEFAULT_CLUSTER: CLUSTER,
    SCANPLANE_CLUSTERS: JSON.stringify({[CLUSTER]: {engine: engine.name, capacity: 1_000_000, settings: {}}}),
  });
  const log = createLog(config.logLevel);
  database = openDatabase(config.etcd, log);
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
  await commit([{put: scriptKey('batch:bench:1'), value: canonicalJson({command: ['true']})}]);
  const ids = Array.from({length: others}, (_, n) => `pb-other-20260101-${n}`);
  // Each waits for the one before it, in chains of ten, as blocks of one observation do.
  const put = (id: string, n: number): Op => blockOp(id, n % 10 === 0 ? [] : [ids[n - 1] as string]);
  for (let n = 0; n < others; n += AT_ONCE) await commit(ids.slice(n, n + AT_ONCE).map((id, i) => put(id, n + i)));
  const isRunning = (id: string): boolean => database.cache.deployments.get(`proc-${id}-script`)?.state?.value.status === 'RUNNING';
  // Looked at now and then: to look at all for each change would take longer than what is waited for.
  const deadline = Date.now() + SETTLE_MS;
  while (!ids.every((id) => isStarted(database.cache.pbs.get(id)) && isRunning(id))) {
    if (Date.now() > deadline) throw new Error('the controllers did not get there');
    await pause(200);
  }
}

const pause = (ms: number): Promise<void> =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

function blockOp(id: string, dependencies: readonly string[]): Op {
  const script = {kind: 'batch', name: 'bench', version: '1'};
  return {
    put: pbKey(id),
    value: canonicalJson({pb_id: id, eb_id: null, script, parameters: {}, dependencies: dependencies.map((pb_id) => ({pb_id, kind: []}))}),
  };
}

async function commit(ops: readonly Op[]): Promise<void> {
  const result = await database.store.commit({compares: [], ops});
  if (!result.ok) throw new Error('a write was refused');
}

const isStarted = (record: PbRecord | undefined): boolean => record?.state?.value.status === 'STARTING';

/**
 * One block after the other, each with one dependency: milliseconds from before it is put to when it is STARTING, and from before its dependency is FINISHED to
 * when it is told to begin.
 */
async function measure({count, everyMs}: {readonly count: number; readonly everyMs: number}): Promise<{started: number[]; released: number[]}> {
  const {cache} = database;
  const [started, released]: number[][] = [[], []];
  for (let n = 0; n < count; n++) {
    const [first, second] = [`pb-first-20260101-${randomHex(6)}`, `pb-second-20260101-${randomHex(6)}`];
    await commit([blockOp(first, [])]);
    await until(() => isStarted(cache.pbs.get(first)));
    let began = nowNs();
    await commit([blockOp(second, [first])]);
    await until(() => isStarted(cache.pbs.get(second)));
    started?.push(msBetween(began, nowNs()));
    await say(second, 'WAITING');
    began = nowNs();
    await say(first, 'FINISHED');
    await until(() => cache.pbs.get(second)?.state?.value.resources_available === true);
    released?.push(msBetween(began, nowNs()));
    await commit([first, second].flatMap((id) => [{delete: pbKey(id)}, {delete: pbStateKey(id)}]));
    await until(() => [first, second].every((id) => cache.deployments.get(`proc-${id}-script`) === undefined && cache.pbs.get(id) === undefined));
    await pause(everyMs);
  }
  return {started: started ?? [], released: released ?? []};
}

/** Writes a status as the block's script does. */
async function say(id: string, status: PbState['status']): Promise<void> {
  const before = database.cache.pbs.get(id)?.state?.value;
  await commit([{put: pbStateKey(id), value: canonicalJson({...before, status})}]);
}

async function until(isSo: () => boolean): Promise<void> {
  if (isSo()) return;
  const done = new AbortController();
  const signal = AbortSignal.any([done.signal, stop.signal]);
  database.cache.onChange(() => {
    if (isSo()) done.abort();
  }, signal);
  const timer = setTimeout(() => done.abort(), SETTLE_MS);
  if (!isSo()) await once(signal, 'abort');
  clearTimeout(timer);
  done.abort();
  if (!isSo()) throw new Error('the controllers did not get there');
}

process.on('SIGTERM', () => stop.abort());

const methods = {start, measure};
export type BlockReplica = typeof methods;
serve(methods);
