import type {Authenticator} from '../../src/api/auth/authenticator.ts';
import {RequestGate} from '../../src/api/requests/gate.ts';
import {serveRunner} from '../../src/api/runner/serve.ts';
import type {RunnerOptions} from '../../src/api/runner/serve.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {WireJobs} from '../../src/model/wire-chain.ts';
import {JobRunnerClient} from '../../src/proto/job-runner-client.ts';
import type {Job, JobChain} from '../../src/proto/types.ts';
import {processMetrics} from '../../src/api/process-metrics.ts';
import {openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';

/** Any type is a shell command; `far…` runs on a cluster that is not there, `no-such…` is none. */
export const SHELL_JOBS: WireJobs = {
  typeOf: (type) => {
    if (type.startsWith('no-such')) return undefined;
    const run = {kind: 'command' as const, command: ['/bin/sh', '-c', '${script}']};
    return type.startsWith('far') ? {run, cluster: 'nowhere'} : {run};
  },
  defaultCluster: 'local',
};

/** Who may drive requests, in tests that ask. */
export const GATE = new RequestGate({adminRoles: ['root'], strict: false, executorRole: 'executor', aclOf: () => []});

/** Knows bearers by tokens that are their roles, separated by commas. */
export const byRoles: Authenticator = {
  identify: ({text}) => Promise.resolve({name: text, roles: {v2: [], v1: [], v0: []}, requestRoles: text.split(',')}),
};

/** A job runner's API on loopback over a real etcd, without controllers. */
export interface TestRunner {
  readonly url: string;
  readonly database: Database;
  readonly client: JobRunnerClient;
  /** As SIGTERM does: from now on no more chains are taken. */
  beginStopping(): void;
  stop(): Promise<void>;
}

export async function startRunner(endpoint: string, replaced: Partial<RunnerOptions> = {}): Promise<TestRunner> {
  const database = openDatabase({endpoints: [endpoint], prefix: ''}, silentLog);
  const [stopping, closing] = [new AbortController(), new AbortController()];
  const watching = database.cache.run(closing.signal);
  await database.cache.ready(AbortSignal.timeout(10_000));
  const config = {host: '127.0.0.1', port: 0, publicAddress: '', cert: '', key: ''};
  const runner = await serveRunner(
    {
      ...database,
      ...{
        config,
        metrics: processMetrics(database),
        gate: GATE,
        replica: 'r1',
        jobs: SHELL_JOBS,
        clock: systemClock,
        log: silentLog,
        authenticator: undefined,
      },
      ...{bodyLimitBytes: 64 * 1024 * 1024, ...replaced},
    },
    stopping.signal,
  );
  return {
    url: runner.address,
    database,
    client: new JobRunnerClient(runner.address),
    beginStopping: () => stopping.abort(),
    stop: async () => {
      stopping.abort();
      await runner.close();
      closing.abort();
      await watching;
      database.members.close();
    },
  };
}

/** A job as the wire has it: PENDING, in the sequence of `begin` where there is one. */
export function aWireJob(id: string, more: Partial<Job> = {}): Job {
  return {id, name: id, type: 'sh', state: 1, args: {script: 'true'}, retry: 0, sequenceId: '', sequenceRetry: 0, ...more};
}

/** A chain from outside, of jobs `1→{2,3}` as `{1: [2, 3]}`. */
export function aWireChain(
  requestId: string,
  edges: Readonly<Record<string, readonly string[]>>,
  more: Readonly<Record<string, Partial<Job>>> = {},
): JobChain {
  const ids = new Set([...Object.keys(edges), ...Object.values(edges).flat()]);
  const jobs = Object.fromEntries([...ids].map((id) => [id, aWireJob(id, more[id])]));
  const finishedJobs = Object.values(jobs).filter(({state}) => state === 3).length;
  return {requestId, jobs, adjacencyList: edges, state: 1, finishedJobs};
}
