import type {Job, JobLog, JobStatus} from './types.ts';

/** Log entries by request, then job, then try. */
export function compareJobLogs(a: JobLog, b: JobLog): number {
  return compare(a.requestId, b.requestId) || compare(a.jobId, b.jobId) || a.try - b.try;
}

/** Running jobs, those that began first first. */
export function compareJobStatuses(a: JobStatus, b: JobStatus): number {
  return compare(a.startedAt, b.startedAt);
}

/** Jobs by id. */
export function compareJobs(a: Job, b: Job): number {
  return compare(a.id, b.id);
}

function compare<T extends string | bigint>(a: T, b: T): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
