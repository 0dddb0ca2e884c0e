import type {Request} from './request.ts';
import type {State} from './state.ts';

/** One job that runs now. */
export interface JobStatus {
  readonly requestId: string;
  readonly jobId: string;
  readonly type: string;
  readonly name: string;
  /** Nanoseconds since 1970, 64 bits. */
  readonly startedAt: bigint;
  readonly state: State;
  /** What the job says of itself. */
  readonly status?: string;
  /** All its tries so far: more than 1 + its retries when its sequence was tried again. */
  readonly try: number;
}

/** What runs now, and the requests that it belongs to, by id. */
export interface RunningStatus {
  readonly jobs: readonly JobStatus[];
  readonly requests: Readonly<Record<string, Request>>;
}

/** Orders job statuses by start, the earliest first. */
export function compareJobStatuses(a: JobStatus, b: JobStatus): number {
  return a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : 0;
}
