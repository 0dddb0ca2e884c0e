import {parseGoDuration} from '../lib/go-duration.ts';
import type {PlannedJob} from '../schema/chain.ts';
import type {Job, JobExit, JobTry} from '../schema/job.ts';

/** How many tries a job keeps in its key; the full history is in the job log. */
const TRIES_KEPT = 5;

/** Whether a try ended because we asked it to. */
export function wasStopped(exit: JobExit): boolean {
  return exit.reason?.startsWith('stopped') === true;
}

/** Whether a try that was asked to end did not, until its grace was over. */
export function wasKilled(exit: JobExit): boolean {
  return wasStopped(exit) && exit.signal === 'SIGKILL';
}

/** The pause between a job's `failures`-th failure and its next try, in milliseconds. */
export function retryPauseMs(planned: PlannedJob, failures: number): number {
  const wait = parseGoDuration(planned.retry_wait ?? '') ?? 0;
  const longest = parseGoDuration(planned.retry_max_wait ?? '') ?? Number.MAX_SAFE_INTEGER;
  return Math.min(longest, wait * (planned.retry_backoff ?? 1) ** Math.max(0, failures - 1));
}

/** Whether a failure at `endedMs` is final because the time for retries is over, which began with the first try. */
export function isPastDeadline(retryDeadline: string | undefined, firstTryMs: number, endedMs: number): boolean {
  const deadline = retryDeadline === undefined ? undefined : parseGoDuration(retryDeadline);
  return deadline !== undefined && endedMs - firstTryMs >= deadline;
}

/** The job's record with another try in the place of its newest. */
export function replaceTry(job: Job, next: JobTry, more: Partial<Job>): Job {
  return {...job, ...more, tries: [...job.tries.slice(0, -1), next]};
}

/** The tries of a job with one more, the oldest dropped. Pods are kept of the newest alone. */
export function addTry(previous: Job | undefined, next: JobTry): JobTry[] {
  const earlier = (previous?.tries ?? []).map(({pods: _pods, ...each}): JobTry => each);
  return [...earlier, next].slice(-TRIES_KEPT);
}

/** One line on how the newest ended try of a job ended. */
export function describeExit(job: Job): string {
  const exit = job.tries.findLast((each) => each.exit !== undefined)?.exit;
  if (exit === undefined) return 'it has not ended';
  if (exit.error !== undefined && exit.error !== '') return exit.error;
  if (exit.reason !== undefined && exit.reason !== '') return exit.reason;
  if (exit.signal !== undefined) return `signal ${exit.signal}`;
  return exit.code === 0 ? 'exit code 0 without a final result' : `exit code ${exit.code}`;
}
