import type {ArgType, State} from './state.ts';

// Every object of the wire, by the wire's own member names. Times are RFC 3339 texts, those that end in Ns-precision integers are bigint: nanoseconds since
// 1970, more than a number of JavaScript's holds. Durations are Go's texts. @see Spin Cycle, package proto

/** Any JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface Job {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  /** What the job serialised when it was created, base64. */
  readonly bytes?: string;
  readonly state: State;
  /** The arguments that it was created with. */
  readonly args?: JsonObject;
  /** What it was given, and has set, while its chain ran. */
  readonly data?: JsonObject;
  readonly retry: number;
  readonly retryWait?: string;
  /** Id of the first job of its sequence. */
  readonly sequenceId: string;
  /** Not 0 only on that first job. */
  readonly sequenceRetry: number;
  readonly sequenceRetryWait?: string;
}

export interface JobChain {
  readonly requestId: string;
  readonly jobs: Readonly<Record<string, Job>>;
  readonly adjacencyList: Readonly<Record<string, readonly string[]>>;
  readonly state: State;
  readonly finishedJobs: number;
}

export interface RequestArg {
  /** Its place among those of its type. */
  readonly Pos: number;
  readonly Name: string;
  readonly Desc: string;
  readonly Type: ArgType;
  readonly Given: boolean;
  readonly Default: unknown;
  readonly Value: unknown;
}

export interface Request {
  readonly id: string;
  readonly type: string;
  readonly state: State;
  readonly user: string;
  readonly args?: readonly RequestArg[];
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly JobChain?: JobChain;
  readonly totalJobs: number;
  readonly finishedJobs: number;
  /** Address of whoever runs it. */
  readonly jrURL?: string;
}

export interface RequestSpec {
  readonly Name: string;
  readonly Args: readonly RequestArg[];
}

export interface CreateRequest {
  readonly Type: string;
  readonly Args: JsonObject;
  readonly User: string;
}

export interface FinishRequest {
  readonly requestId: string;
  readonly state: State;
  readonly finishedAt: string;
  readonly finishedJobs: number;
}

export interface RequestProgress {
  readonly requestId: string;
  readonly finishedJobs: number;
}

/** How one try of a job went; its identity is request, job and try. */
export interface JobLog {
  readonly requestId: string;
  readonly jobId: string;
  readonly try: number;
  readonly name: string;
  readonly type: string;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly state: State;
  readonly exit: bigint;
  readonly error: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A job that runs. */
export interface JobStatus {
  readonly requestId: string;
  readonly jobId: string;
  readonly type: string;
  readonly name: string;
  readonly startedAt: bigint;
  readonly state: State;
  readonly status?: string;
  /** All tries so far: may be more than 1 + retry when its sequence was tried again. */
  readonly try: number;
}

export interface RunningStatus {
  readonly jobs: readonly JobStatus[];
  readonly requests: Readonly<Record<string, Request>>;
}

export interface SuspendedJobChain {
  readonly requestId: string;
  readonly jobChain: JobChain;
  /** By job: all tries ever. */
  readonly totalJobTries: Readonly<Record<string, number>>;
  /** By job: tries within the present try of its sequence. */
  readonly latestRunJobTries: Readonly<Record<string, number>>;
  /** By the first job of a sequence. */
  readonly sequenceTries: Readonly<Record<string, number>>;
}
