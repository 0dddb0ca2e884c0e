import {runReplica} from '../../src/controllers/replica.ts';
import {ensureClusters} from '../../src/controllers/index.ts';
import {loadConfig} from '../../src/config.ts';
import {KubernetesEngine, openKubernetesEngine} from '../../src/engines/kubernetes/kubernetes-engine.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {createLog, silentLog} from '../../src/lib/log.ts';
import {NOOP} from '../../src/schema/chain.ts';
import {randomHex} from '../../src/schema/ids.ts';
import {chainKey, scanKey} from '../../src/schema/keys.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import {startEtcd} from '../../test/support/etcd.ts';
import {RequestCount, openBenchCluster} from '../lib/kubernetes.ts';
import type {BenchCluster} from '../lib/kubernetes.ts';
import {PHASE_MS, bar, empty, kubectlSide, newPhase, note, rate, within} from '../lib/kubernetes-phases.ts';
import type {Phase} from '../lib/kubernetes-phases.ts';
import type {Family, Sample} from '../lib/row.ts';

const JOBS = 500;
const QUICK_JOBS = 60;
const REQUEST = 'bench';
const AGAINST = 'the same Jobs, without Secrets, created by kubectl and watched by it';

let counts: RequestCount | undefined;

/** K7, K8: a chain of no-op commands, through a replica of controllers and its etcd, to the stored end of the last. Each Job has a Secret: its token and its document. */
export const kubernetesChain: Family = {
  name: 'kubernetes chain',
  needsKubernetes: true,
  rows: [
    {
      id: 'K7',
      title: 'a chain of 500 no-op commands, to the stored end of the last',
      against: AGAINST,
      unit: 'per s',
      better: 'higher',
      judged: 'median',
      pass: 0.7,
    },
    {
      id: 'K8',
      title: 'requests per command, to its stored end',
      against: 'the one that creates a Job',
      unit: 'requests',
      better: 'lower',
      judged: 'median',
      pass: 8,
    },
  ],

  async round({isQuick, progress}): Promise<readonly Sample[]> {
    const bench = await openBenchCluster();
    counts ??= new RequestCount();
    const jobs = isQuick ? QUICK_JOBS : JOBS;
    try {
      const chains: Phase[] = [];
      const kubectls: Phase[] = [];
      const requests: number[] = [];
      for (const [at, side] of ['A', 'B', 'B', 'A'].entries()) {
        let told = -1;
        const tell = ({ended}: Phase): void => {
          const percent = Math.floor((ended.size * 100) / jobs);
          if (percent === told) return;
          told = percent;
          progress(
            `${'ABBA'.slice(0, at + 1)} ${side === 'A' ? 'controllers' : 'kubectl'}: ${bar(ended.size / jobs)} ${ended.size} of ${jobs} ended`,
          );
        };
        if (side === 'A') {
          const {phase, made} = await chainSide(bench, jobs, tell, counts);
          chains.push(phase);
          requests.push(Object.values(made).reduce((sum, each) => sum + each, 0) / jobs);
          const each = Object.entries(made).map(([name, count]) => `${name} ${(count / jobs).toFixed(2)}`);
          progress(`requests: ${each.join(', ')} per command\n`);
        } else kubectls.push(await kubectlSide(bench, `chain-${at}`, jobs, tell));
      }
      const done = (phase: Phase): number => rate(phase, phase.ended);
      return [
        {id: 'K7', a: chains.map(done), b: kubectls.map(done)},
        {id: 'K8', a: requests, b: [1]},
      ];
    } finally {
      await bench.close();
    }
  },
};

/** begin → the commands, side by side → end. */
function chainOf(jobs: number): object {
  const noop = {type: NOOP, cluster: '', count: 1, retry: 0, sequence: 'begin'};
  const names = Array.from({length: jobs}, (_, n) => `j${n}`);
  const commands = names.map((name) => [name, {name, type: 'noop-command', cluster: 'k8s', count: 1, retry: 0, sequence: 'begin'}] as const);
  return {
    jobs: {begin: {...noop, name: 'begin'}, end: {...noop, name: 'end'}, ...Object.fromEntries(commands)},
    adjacency: {begin: names, end: [], ...Object.fromEntries(names.map((name) => [name, ['end']]))},
    types: {'noop-command': {run: {kind: 'command', command: ['true']}}},
    sequences: {begin: {retry: 0}},
  };
}

async function chainSide(
  {cluster}: BenchCluster,
  jobs: number,
  tell: (phase: Phase) => void,
  requests: RequestCount,
): Promise<{readonly phase: Phase; readonly made: Readonly<Record<string, number>>}> {
  const etcd = await startEtcd();
  const stop = new AbortController();
  const closing = new AbortController();
  const settings = {kubeconfig: cluster.kubeconfig, namespace: cluster.namespace, image: cluster.busybox, requests_per_second: 1000};
  const config = loadConfig({
    SCANPLANE_LOG_LEVEL: 'error',
    SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint,
    SCANPLANE_CLUSTERS: JSON.stringify({k8s: {engine: 'kubernetes', capacity: jobs, settings}}),
  });
  const log = createLog(config.logLevel);
  const database = openDatabase(config.etcd, log);
  const watching = database.cache.run(closing.signal);
  try {
    const {cluster_id: clusterId} = await ensureMeta(database.store);
    await ensureClusters(database.store, config.clusters);
    await database.cache.ready();
    await database.cache.catchUp();
    const openClusterEngine = openKubernetesEngine({clusterId, env: {}, log, clock: systemClock});
    const common = {database, engines: new Map(), openClusterEngine, scannerAddress: 'http://127.0.0.1:1', config, clock: systemClock, log};
    const running = runReplica({...common, replica: randomHex(8)}, stop.signal);
    try {
      let phase = newPhase();
      const done = Promise.withResolvers<void>();
      running.catch(done.reject);
      database.cache.onChange((changes) => {
        for (const change of changes) {
          if (change.kind !== 'key' || change.ref.kind !== 'job' || change.ref.id !== REQUEST) continue;
          const newest = database.cache.scans.get(REQUEST)?.jobs?.get(change.ref.job)?.value.tries.at(-1);
          if (newest?.handle !== undefined) note(phase.created, change.ref.job);
          if (newest?.exit === undefined) continue;
          note(phase.ended, change.ref.job);
          tell(phase);
          if (phase.ended.size === jobs) done.resolve();
        }
      }, stop.signal);
      await new Promise((resolve) => setTimeout(resolve, 3000)); // It leads, and its watches stand.
      requests.take();
      await database.store.commit({compares: [], ops: [{put: chainKey(REQUEST), value: canonicalJson(chainOf(jobs))}]});
      phase = newPhase();
      await database.store.commit({compares: [], ops: [{put: scanKey(REQUEST), value: canonicalJson({type: 'by-hand'})}]});
      await within(done.promise, PHASE_MS);
      const made = requests.take();
      stop.abort();
      await running;
      // Nobody else is left to let go of them.
      const engine = new KubernetesEngine({place: 'bench', clusterId, settings, env: {}, clock: systemClock, log: silentLog});
      await engine.forget(REQUEST).finally(() => engine.dispose());
      await empty(cluster);
      return {phase, made};
    } finally {
      stop.abort();
      await running.catch(() => undefined);
    }
  } finally {
    closing.abort();
    await watching;
    database.members.close();
    await etcd.stop();
  }
}
