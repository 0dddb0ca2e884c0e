import type {JobChain} from './job-chain.ts';
import type {State} from './state.ts';

/** What a caller may be allowed to do with a request. */
export const REQUEST_OP_START = 'start';
export const REQUEST_OP_STOP = 'stop';
export const REQUEST_OPS = [REQUEST_OP_START, REQUEST_OP_STOP] as const;
export type RequestOp = (typeof REQUEST_OPS)[number];

export const ARG_TYPE_REQUIRED = 'required';
export const ARG_TYPE_OPTIONAL = 'optional';
export const ARG_TYPE_STATIC = 'static';
export const ARG_TYPES = [ARG_TYPE_REQUIRED, ARG_TYPE_OPTIONAL, ARG_TYPE_STATIC] as const;
export type ArgType = (typeof ARG_TYPES)[number];

/** One argument of a request: as its spec declares it and, in a request, with its value. `null` where there is no default or value. */
export interface RequestArg {
  readonly Pos: number;
  readonly Name: string;
  readonly Desc: string;
  readonly Type: ArgType;
  /** Whether the caller gave it. */
  readonly Given: boolean;
  readonly Default: unknown;
  readonly Value: unknown;
}

/** A type of request that can be asked for, and its arguments in the order of its spec. */
export interface RequestSpec {
  readonly Name: string;
  readonly Args: readonly RequestArg[];
}

/** One request. Times are RFC 3339 in UTC. */
export interface Request {
  /** 20 characters; ids sort by time. */
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
  /** Where the runner of its chain answers, while it runs. */
  readonly jrURL?: string;
}

/** Body of a creation. A server reads its members in any case. `User` is ignored by servers that know who calls. */
export interface CreateRequest {
  readonly Type: string;
  readonly Args: Readonly<Record<string, unknown>>;
  readonly User: string;
}

/** How a request ended. `finishedAt` is RFC 3339. */
export interface FinishRequest {
  readonly requestId: string;
  readonly state: State;
  readonly finishedAt: string;
  readonly finishedJobs: number;
}

/** How far a request is. */
export interface RequestProgress {
  readonly requestId: string;
  readonly finishedJobs: number;
}
