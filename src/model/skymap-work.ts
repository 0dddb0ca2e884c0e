import type {Admission} from '../schema/admission.ts';
import type {Chain, JobFacts} from '../schema/chain.ts';
import type {Job} from '../schema/job.ts';
import {SERVER_JOB} from './chain.ts';
import {isTransientReason} from './exit-reasons.ts';
import {openTry} from './job-table.ts';
import {describeExit} from './job-try.ts';
import type {PlanInput} from './scan-plan.ts';

// What is ready, and what has failed, in a sky scan: a server, and workers that serve it until it is done.

/** How long a server goes on after a workers job of its ended well, before that job is started again: a worker may end by mistake, and a server waits. */
const WORKERS_AGAIN_MS = 30_000;
const LONGEST_PAUSE_MS = 30_000;

/** Why the scan cannot go on: the server has used up its tries, or every workers job has. */
export function failureOf(jobs: ReadonlyMap<string, Job>): string | undefined {
  const server = jobs.get(SERVER_JOB);
  if (server?.state === 'FAIL') return `the scanner server failed ${server.failures} times, last: ${describeExit(server)}`;
  let last: Job | undefined;
  for (const job of jobs.values()) {
    if (job.type !== 'workers') continue;
    if (job.state !== 'FAIL') return undefined;
    last = job;
  }
  return last === undefined ? undefined : `the workers failed ${last.failures} times, last: ${describeExit(last)}`;
}

/** Which jobs may start now, with how many processes; and when the next one may. */
export function launchable(
  chain: Chain,
  jobs: ReadonlyMap<string, Job>,
  admission: Admission,
  input: PlanInput,
): {readonly ready: ReadonlyMap<string, JobFacts>; readonly waitMs: number | undefined} {
  const ready = new Map<string, JobFacts>();
  let waitMs: number | undefined;
  const server = jobs.get(SERVER_JOB);
  const serverIsOpen = server !== undefined && openTry(server) !== undefined;
  const consider = (name: string, {type, cluster, retry, count}: JobFacts): void => {
    const job = jobs.get(name);
    const left = job === undefined ? 0 : pauseLeftMs(job, ready.has(SERVER_JOB), input);
    if (left <= 0) ready.set(name, {type, cluster, retry, count});
    else waitMs = Math.min(waitMs ?? left, left);
  };

  const plannedServer = server ?? chain.jobs[SERVER_JOB];
  if (!serverIsOpen && plannedServer !== undefined) consider(SERVER_JOB, server ?? {...plannedServer, cluster: homeOf(plannedServer, admission)});
  if (admission.external === true) return {ready, waitMs}; // Its workers are asked for outside.

  const free = new Map<string, number>();
  for (const cluster of Object.keys(admission.slots)) free.set(cluster, admission.slots[cluster] ?? 0);
  const take = ({cluster, count}: JobFacts): number => {
    const left = free.get(cluster) ?? 0;
    const granted = Math.min(count, left);
    free.set(cluster, left - granted);
    return granted;
  };
  const startable: [string, JobFacts][] = [];
  jobs.forEach((job, name) => {
    if (job.type !== 'workers') return;
    if (openTry(job) !== undefined) take(job);
    else if (job.state !== 'FAIL') startable.push([name, job]);
  });
  for (const name of Object.keys(chain.jobs)) {
    const planned = chain.jobs[name];
    if (planned?.type === 'workers' && !jobs.has(name)) startable.push([name, planned]);
  }
  for (const [name, planned] of startable) {
    const count = take(planned);
    if (count > 0) consider(name, {...planned, count});
  }
  // What was given up keeps its slots: they are not handed to a further job, which would only be the same again.
  jobs.forEach((job) => {
    if (job.type === 'workers' && job.state === 'FAIL' && openTry(job) === undefined) take(job);
  });
  // Slots granted later than the start, or asked for as extra workers: a further job for what is left.
  free.forEach((left, cluster) => {
    if (left <= 0) return;
    let n = 1;
    while (chain.jobs[`extra-${cluster}-${n}`] !== undefined || jobs.has(`extra-${cluster}-${n}`)) n++;
    consider(`extra-${cluster}-${n}`, {type: 'workers', cluster, count: left, retry: input.policy.retry});
  });
  return {ready, waitMs};
}

/** Where the server runs: beside workers of its. The cluster that was asked first may not exist, or have no slot now. */
function homeOf(planned: JobFacts, {slots, server_cluster: home}: Admission): string {
  if (home !== undefined) return home;
  if ((slots[planned.cluster] ?? 0) > 0) return planned.cluster;
  return Object.keys(slots).find((cluster) => (slots[cluster] ?? 0) > 0) ?? planned.cluster;
}

/** How long a job that has ended waits before its next try. A new server gets all workers at once, also those that its predecessor told to go. */
function pauseLeftMs(job: Job, serverStarts: boolean, input: PlanInput): number {
  const exit = job.tries.at(-1)?.exit;
  if (exit === undefined) return 0;
  const hasDone = job.type === 'workers' && job.state === 'COMPLETE';
  const {retryBaseMs} = input.policy;
  // What nobody is to blame for may meet the same state of its cluster again.
  const first = isTransientReason(exit.reason) ? retryBaseMs : 0;
  const afterFailure = job.failures === 0 ? first : Math.min(LONGEST_PAUSE_MS, retryBaseMs * 2 ** (job.failures - 1));
  const pause = !hasDone ? afterFailure : serverStarts ? 0 : WORKERS_AGAIN_MS;
  // A wall clock that was set back, or a time that nobody can read, must not make this wait longer than the pause itself.
  const elapsed = input.nowMs - Date.parse(exit.ended_at);
  return Number.isNaN(elapsed) ? 0 : Math.min(pause, pause - elapsed);
}
