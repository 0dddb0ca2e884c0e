import {ControlPlaneError} from '../../lib/errors.ts';

// What of the server's records this program shows, by the wire's own member names.

/** Names of states by their values on the wire. */
export const STATE_NAMES = ['UNKNOWN', 'PENDING', 'RUNNING', 'COMPLETE', 'FAIL', 'RESERVED', 'STOPPED', 'SUSPENDED'] as const;

export const ARG_TYPE_REQUIRED = 'required';
export const ARG_TYPE_OPTIONAL = 'optional';

export interface RequestArg {
  readonly Name: string;
  readonly Desc: string;
  readonly Type: string;
  readonly Default: unknown;
  readonly Value: unknown;
}

export interface RequestSpec {
  readonly Name: string;
  readonly Args: readonly RequestArg[];
}

/** Times are RFC 3339, `null` where there is none. */
export interface Request {
  readonly id: string;
  readonly type: string;
  readonly state: number;
  readonly user: string;
  readonly args: readonly RequestArg[];
  readonly createdAt: string | null;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly totalJobs: number;
  readonly finishedJobs: number;
  readonly jrURL: string;
}

/** One try of a job. Times are nanoseconds since 1970, 0 where there is none. */
export interface JobLog {
  readonly jobId: string;
  readonly try: number;
  readonly name: string;
  readonly type: string;
  readonly startedAt: bigint;
  readonly finishedAt: bigint;
  readonly state: number;
  readonly exit: bigint;
  readonly error: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** A job that runs, since `startedAt` in nanoseconds. */
export interface JobStatus {
  readonly requestId: string;
  readonly name: string;
  readonly startedAt: bigint;
  readonly status: string;
  readonly try: number;
}

export interface RunningStatus {
  readonly jobs: readonly JobStatus[];
  readonly requests: ReadonlyMap<string, Request>;
}

/** Members whose numbers have 64 bits: more than a number of JavaScript's holds. */
const INT64 = new Set(['startedAt', 'finishedAt', 'exit']);

/** The JSON text of a log or of what runs, 64-bit members as bigint. @throws SyntaxError */
export function parseExactly(text: string): unknown {
  const exact = (key: string, value: unknown, context: {readonly source?: string}): unknown =>
    typeof value === 'number' && INT64.has(key) && /^-?\d+$/.test(context.source ?? '') ? BigInt(context.source as string) : value;
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown); // Node's own types do not know the third argument.
}

export function readRequest(value: unknown): Request {
  const from = membersOf(value, 'request');
  return {
    id: textOf(from, 'id'),
    type: textOf(from, 'type'),
    state: countOf(from, 'state'),
    user: textOf(from, 'user'),
    args: listOf(from['args'], 'args').map(readArg),
    createdAt: textOf(from, 'createdAt') || null,
    startedAt: textOf(from, 'startedAt') || null,
    finishedAt: textOf(from, 'finishedAt') || null,
    totalJobs: countOf(from, 'totalJobs'),
    finishedJobs: countOf(from, 'finishedJobs'),
    jrURL: textOf(from, 'jrURL'),
  };
}

export function readRequests(value: unknown): Request[] {
  return listOf(value, 'requests').map(readRequest);
}

export function readSpecs(value: unknown): RequestSpec[] {
  return listOf(value, 'request list').map((item) => {
    const from = membersOf(item, 'request list');
    return {Name: textOf(from, 'Name'), Args: listOf(from['Args'], 'Args').map(readArg)};
  });
}

function readArg(value: unknown): RequestArg {
  const from = membersOf(value, 'argument');
  return {Name: textOf(from, 'Name'), Desc: textOf(from, 'Desc'), Type: textOf(from, 'Type'), Default: from['Default'], Value: from['Value']};
}

export function readLog(value: unknown): JobLog[] {
  return listOf(value, 'log').map((item) => {
    const from = membersOf(item, 'log');
    return {
      jobId: textOf(from, 'jobId'),
      try: countOf(from, 'try'),
      name: textOf(from, 'name'),
      type: textOf(from, 'type'),
      startedAt: int64Of(from, 'startedAt'),
      finishedAt: int64Of(from, 'finishedAt'),
      state: countOf(from, 'state'),
      exit: int64Of(from, 'exit'),
      error: textOf(from, 'error'),
      stdout: textOf(from, 'stdout'),
      stderr: textOf(from, 'stderr'),
    };
  });
}

export function readRunning(value: unknown): RunningStatus {
  const from = membersOf(value, 'running status');
  const jobs = listOf(from['jobs'], 'jobs').map((item) => {
    const job = membersOf(item, 'jobs');
    return {
      requestId: textOf(job, 'requestId'),
      name: textOf(job, 'name'),
      startedAt: int64Of(job, 'startedAt'),
      status: textOf(job, 'status'),
      try: countOf(job, 'try'),
    };
  });
  const requests = Object.entries(membersOf(from['requests'] ?? {}, 'requests'));
  return {jobs, requests: new Map(requests.map(([id, request]) => [id, readRequest(request)]))};
}

type Members = Readonly<Record<string, unknown>>;

function membersOf(value: unknown, what: string): Members {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw odd(what, 'an object');
  return value as Members;
}

/** A list; Go sends `null` for an empty one. */
function listOf(value: unknown, what: string): readonly unknown[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw odd(what, 'a list');
  return value;
}

/** What is absent has the zero value of its type, here and below. */
function textOf(from: Members, name: string): string {
  const value = from[name] ?? '';
  if (typeof value !== 'string') throw odd(name, 'a text');
  return value;
}

function countOf(from: Members, name: string): number {
  const value = from[name] ?? 0;
  if (!Number.isSafeInteger(value) || (value as number) < 0) throw odd(name, 'a count');
  return value as number;
}

function int64Of(from: Members, name: string): bigint {
  const value = from[name] ?? 0n;
  if (typeof value !== 'bigint') throw odd(name, 'a whole number');
  return value;
}

function odd(what: string, expected: string): ControlPlaneError {
  return new ControlPlaneError('unavailable', `the server’s answer is not understood: ${what} is not ${expected}`);
}
