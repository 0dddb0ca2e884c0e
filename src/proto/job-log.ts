import type {State} from './state.ts';

/** One try of a job that ended. Its identity is (`requestId`, `jobId`, `try`). Times are nanoseconds since 1970, 64 bits. */
export interface JobLog {
  readonly requestId: string;
  readonly jobId: string;
  readonly try: number;
  readonly name: string;
  readonly type: string;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly state: State;
  /** Signed, 64 bits. */
  readonly exit: bigint;
  readonly error: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Orders log entries by request, then job; the tries of one job stay in their order. */
export function compareJobLogs(a: JobLog, b: JobLog): number {
  if (a.requestId !== b.requestId) return a.requestId < b.requestId ? -1 : 1;
  if (a.jobId !== b.jobId) return a.jobId < b.jobId ? -1 : 1;
  return a.try - b.try;
}
