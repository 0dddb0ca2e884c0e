import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import type {JobSpec} from '../../src/engines/engine.ts';
import {buildJob} from '../../src/engines/kubernetes/job-manifest.ts';
import {recordName} from '../../src/engines/kubernetes/names.ts';
import {eventually} from '../../test/support/eventually.ts';
import {kubectlLines, kubectlOnce} from './kubernetes.ts';
import type {BenchCluster} from './kubernetes.ts';
import type {Sample} from './row.ts';
import {quantile} from './stats.ts';

/** The database that the Jobs say they belong to. */
export const CLUSTER_ID = 'bench';
export const PHASE_MS = 1_200_000;

/** When each Job was asked for, began to run and was seen to have ended; milliseconds of one clock. */
export interface Phase {
  readonly startedMs: number;
  readonly created: Map<string, number>;
  readonly running: Map<string, number>;
  readonly ended: Map<string, number>;
}

export function bar(share: number): string {
  const full = Math.round(share * 20);
  return `[${'#'.repeat(full)}${' '.repeat(20 - full)}]`;
}

export function rate({startedMs}: Phase, times: ReadonlyMap<string, number>): number {
  return (times.size * 1000) / (Math.max(...times.values()) - startedMs);
}

export function latencies(id: string, a: readonly Phase[], b: readonly Phase[], what: 'running' | 'ended'): readonly Sample[] {
  // All are asked for at once.
  const of = (q: number) => (phase: Phase) =>
    quantile(
      [...phase[what].values()].map((at) => at - phase.startedMs),
      q,
    );
  return [
    {id, a: a.map(of(0.5)), b: b.map(of(0.5))},
    {id: `${id}.p99`, a: a.map(of(0.99)), b: b.map(of(0.99))},
  ];
}

export function newPhase(): Phase {
  return {startedMs: performance.now(), created: new Map(), running: new Map(), ended: new Map()};
}

export function note(times: Map<string, number>, name: string): void {
  if (!times.has(name)) times.set(name, performance.now());
}

export function specOf(scanId: string, index: number): JobSpec {
  return {
    ref: {scanId, job: `j${index}`, try: 1},
    fence: {epoch: 1, revision: 1},
    clusterId: CLUSTER_ID,
    command: ['true'],
    env: [['INDEX', String(index)]],
    count: 1,
    outputLimitBytes: 0,
    stopGraceMs: 1000,
    orphanAfterMs: 60_000,
  };
}

/** The Job that the engine makes of a spec, as somebody would write it who keeps nothing: without our finalizers, and running at once. */
export function plainJob(spec: JobSpec, image: string): object {
  const {job} = buildJob(spec, {image}, {indexed: false}) as {
    readonly job: {readonly metadata: object; readonly spec: {readonly template: {readonly metadata: object}}};
  };
  const {template} = job.spec;
  return {
    ...job,
    metadata: {...job.metadata, finalizers: []},
    spec: {...job.spec, parallelism: 1, template: {...template, metadata: {...template.metadata, finalizers: []}}},
  };
}

export async function kubectlSide(bench: BenchCluster, scanId: string, jobs: number, tell: (phase: Phase) => void): Promise<Phase> {
  const {cluster} = bench;
  const specs = Array.from({length: jobs}, (_, index) => specOf(scanId, index));
  const folder = await mkdtemp(join(tmpdir(), 'scanplane-bench-'));
  const done = Promise.withResolvers<void>();
  let phase = newPhase();
  const ours = new Set(specs.map(({ref}) => recordName(CLUSTER_ID, ref)));
  const watches = [
    kubectlLines(bench, ['get', 'jobs', '--watch', '-o', 'jsonpath={.metadata.name} {.status.succeeded}{"\\n"}'], (line) => {
      const [name = '', succeeded] = line.split(' ');
      if (succeeded !== '1' || !ours.has(name)) return;
      note(phase.running, name);
      note(phase.ended, name);
      tell(phase);
      if (phase.ended.size === jobs) done.resolve();
    }),
    kubectlLines(bench, ['get', 'pods', '--watch', '-o', 'jsonpath={.metadata.labels.job-name} {.status.phase}{"\\n"}'], (line) => {
      const [name = '', state] = line.split(' ');
      if (ours.has(name) && (state === 'Running' || state === 'Succeeded')) note(phase.running, name);
    }),
  ];
  try {
    const file = join(folder, 'jobs.json');
    await writeFile(file, JSON.stringify({apiVersion: 'v1', kind: 'List', items: specs.map((spec) => plainJob(spec, cluster.busybox))}));
    await new Promise((resolve) => setTimeout(resolve, 1000)); // The watches stand.
    phase = newPhase();
    await kubectlLines(bench, ['create', '-f', file], (line) => note(phase.created, line)).ended;
    await within(done.promise, PHASE_MS);
    return phase;
  } finally {
    for (const watch of watches) watch.stop();
    await Promise.all(watches.map(({ended}) => ended.catch(() => undefined)));
    await rm(folder, {recursive: true, force: true});
    kubectlOnce(bench, ['delete', 'jobs', '--all', '--wait=false']);
    await empty(cluster);
  }
}

/** Waits until nothing is left of a phase that would take time of the next. */
export async function empty(cluster: BenchCluster['cluster']): Promise<void> {
  await eventually(async () => (await cluster.kubectl(['get', 'jobs,pods', '-o', 'name'])).trim() === '', {timeoutMs: PHASE_MS, everyMs: 500});
}

export async function within<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => (timer = setTimeout(() => reject(new Error(`not done after ${ms / 1000} s`)), ms)));
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
