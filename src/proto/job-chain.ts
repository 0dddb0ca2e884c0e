import type {State} from './state.ts';

/** One job of a chain. Durations are Go's (`500ms`). What is optional is absent when empty. */
export interface Job {
  /** Four letters or digits, unique within its request. */
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** What the job serialised when it was created, in base64. */
  readonly bytes?: string;
  readonly state: State;
  /** The job arguments as they were when the job was created. */
  readonly args?: Readonly<Record<string, unknown>>;
  /** Data that jobs set while they ran. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** How many further tries a failure gets. */
  readonly retry: number;
  readonly retryWait?: string;
  /** Id of the first job of its sequence. */
  readonly sequenceId: string;
  /** How often its sequence may be tried again; not zero on the first job of a sequence alone. */
  readonly sequenceRetry: number;
  readonly sequenceRetryWait?: string;
}

/** The jobs of a request, by id, and for each job the ids of those that follow it. */
export interface JobChain {
  readonly requestId: string;
  readonly jobs: Readonly<Record<string, Job>>;
  readonly adjacencyList: Readonly<Record<string, readonly string[]>>;
  readonly state: State;
  readonly finishedJobs: number;
}

/** A chain that was parked, with what is needed to go on with it: tries by job id, and tries of sequences by the id of their first job. */
export interface SuspendedJobChain {
  readonly requestId: string;
  readonly jobChain: JobChain;
  /** All tries, ever. */
  readonly totalJobTries: Readonly<Record<string, number>>;
  /** Tries within the present try of the sequence. */
  readonly latestRunJobTries: Readonly<Record<string, number>>;
  readonly sequenceTries: Readonly<Record<string, number>>;
}

/** Orders jobs by id. */
export function compareJobs(a: Job, b: Job): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0;
}
