import type {ArgType, State} from './state.ts';

// Every object of the wire, by the wire's own member names. What is optional is absent when empty. Times are RFC 3339 texts in UTC, but in JobLog and JobStatus
// nanoseconds since 1970: signed 64-bit integers, more than a number of JavaScript's holds. Durations are Go's texts (`500ms`).

/** Any JSON object. */
export type JsonObject = Readonly<Record<string, unknown>>;

export interface Job {
  /** Four letters or digits, unique within its request. */
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

/** The jobs of a request by id, and for each the ids of those that follow it. */
export interface JobChain {
  readonly requestId: string;
  readonly jobs: Readonly<Record<string, Job>>;
  readonly adjacencyList: Readonly<Record<string, readonly string[]>>;
  readonly state: State;
  readonly finishedJobs: number;
}

/** An argument as its spec declares it and, in a request, with its value; `null` where there is no default or value. */
export interface RequestArg {
  /** Its place among those of its type. */
  readonly Pos: number;
  readonly Name: string;
  readonly Desc: string;
  readonly Type: ArgType;
  /** Whether the caller gave it. */
  readonly Given: boolean;
  readonly Default: unknown;
  readonly Value: unknown;
}

/** One request. `args` and `JobChain` are not in lists. */
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

/** A type of request that can be asked for, with its arguments in the order of its spec, static ones left out. */
export interface RequestSpec {
  readonly Name: string;
  readonly Args: readonly RequestArg[];
}

/** What a request is created from. Servers read the names of its members in any case, and ignore `User` when they know who calls. */
export interface CreateRequest {
  readonly Type: string;
  readonly Args: JsonObject;
  readonly User: string;
}

/** How a request ended. */
export interface FinishRequest {
  readonly requestId: string;
  readonly state: State;
  readonly finishedAt: string;
  readonly finishedJobs: number;
}

/** How many jobs of a request have completed. */
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
  /** Signed, 64 bits. */
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
  /** What the job says of itself. */
  readonly status?: string;
  /** All tries so far: may be more than 1 + retry when its sequence was tried again. */
  readonly try: number;
}

/** The jobs that run, and the requests that they belong to by id. */
export interface RunningStatus {
  readonly jobs: readonly JobStatus[];
  readonly requests: Readonly<Record<string, Request>>;
}

/** A chain that was parked, with the tries that going on with it needs. */
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
