import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {JobRef} from '../../src/engines/engine.ts';
import {KubernetesEngine} from '../../src/engines/kubernetes/kubernetes-engine.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {eventually} from '../../test/support/eventually.ts';
import {CLUSTER_ID, PHASE_MS, bar, empty, kubectlSide, latencies, newPhase, note, plainJob, rate, specOf, within} from '../lib/kubernetes-phases.ts';
import type {Phase} from '../lib/kubernetes-phases.ts';
import {RequestCount, kubectlOnce, openBenchCluster} from '../lib/kubernetes.ts';
import type {BenchCluster} from '../lib/kubernetes.ts';
import type {Family, Row, Sample} from '../lib/row.ts';

const JOBS = 500;
const QUICK_JOBS = 150;
/** Jobs of the loop that starts one kubectl for each: it is only timed up to their creation. */
const LOOP_JOBS = 40;
/** Launches at once: as many as the engine has requests in flight. */
const IN_FLIGHT = 32;

const row = (id: string, title: string, against: string, unit: string, better: Row['better'], targets: Pick<Row, 'pass' | 'stretch'> = {}): Row => ({
  ...{id, title, against, unit, better, judged: 'median'},
  ...targets,
});

const LIST = 'one kubectl create of a list of the same Jobs';
const WATCH = 'the same Jobs created by kubectl and watched by it';

let counts: RequestCount | undefined;

/** K: no-op Jobs on a real cluster, all at once, to the observed end of the last. */
export const kubernetes: Family = {
  name: 'kubernetes',
  needsKubernetes: true,
  rows: [
    row('K1', 'no-op Jobs launched by the engine, 500 at once', LIST, 'per s', 'higher'),
    row('K2', 'the same, to the observed end of the last', WATCH, 'per s', 'higher', {pass: 0.8, stretch: 1}),
    row('K3', 'asked for → seen to have ended, median', WATCH, 'ms', 'lower', {pass: 1.25, stretch: 1}),
    row('K3.p99', 'the same, p99', WATCH, 'ms', 'lower', {pass: 1.25, stretch: 1}),
    row('K4', 'asked for → seen to run, median', WATCH, 'ms', 'lower'),
    row('K4.p99', 'the same, p99', WATCH, 'ms', 'lower'),
    row('K5', 'no-op Jobs launched by the engine, 500 at once', 'a loop of one kubectl create for each', 'per s', 'higher', {pass: 1, stretch: 5}),
    row('K6', 'requests per Job, from its launch to its recorded end', 'the one that creates it', 'requests', 'lower', {pass: 8, stretch: 6}),
  ],

  async round({isQuick, progress}): Promise<readonly Sample[]> {
    const bench = await openBenchCluster();
    counts ??= new RequestCount();
    const jobs = isQuick ? QUICK_JOBS : JOBS;
    try {
      const engines: Phase[] = [];
      const kubectls: Phase[] = [];
      const requests: number[] = [];
      for (const [at, side] of ['A', 'B', 'B', 'A'].entries()) {
        let told = -1;
        const tell = ({created, ended}: Phase): void => {
          const percent = Math.floor((ended.size * 100) / jobs);
          if (percent === told) return;
          told = percent;
          progress(
            `${'ABBA'.slice(0, at + 1)} ${side === 'A' ? 'engine' : 'kubectl'}: ${bar(ended.size / jobs)} ${created.size} created, ${ended.size} of ${jobs} ended`,
          );
        };
        if (side === 'A') {
          const {phase, made} = await engineSide(bench, `round-${at}`, jobs, tell, counts);
          engines.push(phase);
          requests.push(Object.values(made).reduce((sum, each) => sum + each, 0) / jobs);
          progress(
            `requests: ${Object.entries(made)
              .map(([name, count]) => `${name} ${(count / jobs).toFixed(2)}`)
              .join(', ')} per Job\n`,
          );
        } else kubectls.push(await kubectlSide(bench, `round-${at}`, jobs, tell));
      }
      progress('a loop of kubectl');
      const loop = await loopSide(bench);
      const sample = (id: string, of: (phase: Phase) => number): Sample => ({id, a: engines.map(of), b: kubectls.map(of)});
      const creation = (phase: Phase): number => rate(phase, phase.created);
      return [
        sample('K1', creation),
        sample('K2', (phase) => rate(phase, phase.ended)),
        ...latencies('K3', engines, kubectls, 'ended'),
        ...latencies('K4', engines, kubectls, 'running'),
        {id: 'K5', a: engines.map(creation), b: [loop]},
        {id: 'K6', a: requests, b: [1]},
      ];
    } finally {
      await bench.close();
    }
  },
};

async function engineSide(
  {cluster}: BenchCluster,
  scanId: string,
  jobs: number,
  tell: (phase: Phase) => void,
  requests: RequestCount,
): Promise<{readonly phase: Phase; readonly made: Readonly<Record<string, number>>}> {
  const {kubeconfig, namespace, busybox: image} = cluster;
  const settings = {kubeconfig, namespace, image, requests_per_second: 1000};
  const engine = new KubernetesEngine({place: 'bench', clusterId: CLUSTER_ID, settings, env: {}, clock: systemClock, log: silentLog});
  const listening = new AbortController();
  const specs = Array.from({length: jobs}, (_, index) => specOf(scanId, index));
  const seen = new Map<string, boolean>();
  const done = Promise.withResolvers<void>();
  let phase = newPhase();
  const look = async (ref: JobRef): Promise<void> => {
    // As controllers do: none before its launch is answered, one look at a time, and another after it when something came meanwhile.
    if (ref.scanId !== scanId || !phase.created.has(ref.job) || phase.ended.has(ref.job)) return;
    const isLooking = seen.has(ref.job);
    seen.set(ref.job, true);
    if (isLooking) return;
    while (seen.get(ref.job) === true) {
      seen.set(ref.job, false);
      const observed = await engine.observe(ref, engine.place);
      if (observed.kind === 'running' && !phase.running.has(ref.job)) {
        const {pods = []} = await engine.said(ref, engine.place);
        if (pods.some((pod) => pod.phase !== 'Pending')) note(phase.running, ref.job);
      }
      if (observed.kind !== 'exited') continue;
      if (observed.exit.code !== 0) done.reject(new Error(`${ref.job}: ${JSON.stringify(observed.exit)}`));
      note(phase.running, ref.job);
      note(phase.ended, ref.job);
      tell(phase);
      if (phase.ended.size === jobs) done.resolve();
    }
    seen.delete(ref.job);
  };
  engine.onChange((ref) => void look(ref).catch(done.reject), listening.signal);
  try {
    await engine.known(); // The connection stands, and the watch.
    requests.take();
    phase = newPhase();
    const left = [...specs];
    const launchers = Array.from({length: IN_FLIGHT}, async () => {
      for (let spec = left.shift(); spec !== undefined; spec = left.shift()) {
        await engine.ensure(spec);
        note(phase.created, spec.ref.job);
        await look(spec.ref);
      }
    });
    await Promise.all(launchers);
    await within(done.promise, PHASE_MS);
    await eventually(async () => (await cluster.kubectl(['get', 'pods', '-o', 'jsonpath={range .items[*]}{.metadata.finalizers}{end}'])) === '', {
      timeoutMs: 60_000,
      everyMs: 200,
    });
    const made = requests.take();
    await engine.forget(scanId);
    await empty(cluster);
    return {phase, made};
  } finally {
    listening.abort();
    engine.dispose();
  }
}

/** Jobs per second that a loop in a shell creates. */
async function loopSide(bench: BenchCluster): Promise<number> {
  const {cluster} = bench;
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-bench-'));
  try {
    const files: string[] = [];
    for (let index = 0; index < LOOP_JOBS; index++) {
      files.push(join(folder, `${index}.json`));
      await writeFile(files[index] as string, JSON.stringify(plainJob(specOf('loop', index), cluster.busybox)));
    }
    const startedMs = performance.now();
    for (const file of files) kubectlOnce(bench, ['create', '-f', file]);
    const seconds = (performance.now() - startedMs) / 1000;
    kubectlOnce(bench, ['delete', 'jobs', '--all', '--wait=false']);
    await empty(cluster);
    return LOOP_JOBS / seconds;
  } finally {
    await rm(folder, {recursive: true, force: true});
  }
}
