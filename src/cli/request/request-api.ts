// Until scanplane/proto is there.
import type {Clock} from '../../lib/clock.ts';
import type {Options} from './options.ts';

export const STATE_NAMES: Readonly<Record<number, string>> = {
  0: 'UNKNOWN',
  1: 'PENDING',
  2: 'RUNNING',
  3: 'COMPLETE',
  4: 'FAIL',
  5: 'RESERVED',
  6: 'STOPPED',
  7: 'SUSPENDED',
};
export const STATE_VALUES: Readonly<Record<string, number>> = Object.fromEntries(Object.entries(STATE_NAMES).map(([v, n]) => [n, Number(v)]));
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
export interface Request {
  readonly id: string;
  readonly type: string;
  readonly state: number;
  readonly user: string;
  readonly args?: readonly RequestArg[];
  readonly createdAt: string;
  readonly startedAt: string | null;
  readonly finishedAt: string | null;
  readonly totalJobs: number;
  readonly finishedJobs: number;
  readonly jrURL?: string;
}
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
export interface JobStatus {
  readonly requestId: string;
  readonly name: string;
  readonly startedAt: bigint;
  readonly status?: string;
  readonly try: number;
}
export interface RunningStatus {
  readonly jobs: readonly JobStatus[];
  readonly requests: Readonly<Record<string, Request>>;
}
export interface RequestFilter {
  readonly type?: string;
  readonly states?: readonly number[];
  readonly user?: string;
  readonly args?: Readonly<Record<string, string>>;
  readonly since?: string;
  readonly until?: string;
  readonly limit?: number;
  readonly offset?: number;
}

/** What the commands ask of the server. */
export interface RequestApi {
  requestList(): Promise<readonly RequestSpec[]>;
  create(type: string, args: Readonly<Record<string, string>>): Promise<Request>;
  get(id: string): Promise<Request>;
  find(filter: RequestFilter): Promise<readonly Request[]>;
  stop(id: string): Promise<void>;
  suspend(id: string): Promise<void>;
  resume(id: string): Promise<void>;
  retry(id: string): Promise<void>;
  log(id: string): Promise<readonly JobLog[]>;
  /** Jobs that run, of one request or of all. */
  running(id?: string): Promise<RunningStatus>;
}

class ApiError extends Error {
  readonly status: number;
  constructor(message: string, status: number) {
    super(message);
    this.status = status;
  }
}

/** Whether the server could not be asked, or could not answer: it may do so later, and what was sent may have been done. */
export function isOutage(err: unknown): boolean {
  return !(err instanceof ApiError) || err.status >= 500;
}

export function openRequestApi(options: Options, interrupt: AbortSignal, clock: Clock, trace: (text: string) => void): RequestApi {
  const call = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const url = `${options.addr}/api/v1${path}`;
    const began = clock.monotonicMs();
    trace(`${method} ${url}`);
    let status: number;
    let text: string;
    try {
      const response = await fetch(url, {
        method,
        redirect: 'error',
        headers: {'content-type': 'application/json', ...(options.token === undefined ? {} : {authorization: `Bearer ${options.token}`})},
        signal: AbortSignal.any([interrupt, AbortSignal.timeout(options.timeoutMs)]),
        ...(body === undefined ? {} : {body: JSON.stringify(body)}),
      });
      status = response.status;
      text = await response.text();
    } catch (err) {
      throw new Error(`${method} ${url}: ${String((err as Error).cause ?? err)}`, {cause: err});
    }
    trace(`${status} after ${Math.round(clock.monotonicMs() - began)} ms`);
    if (status > 201) {
      let message = text;
      try {
        message = (JSON.parse(text) as {message: string}).message;
      } catch {
        // as it is
      }
      throw new ApiError(status === 404 && message !== '' ? message : `API error: ${message} (HTTP status ${status})`, status);
    }
    const reviver = (key: string, value: unknown, context: {source?: string}): unknown =>
      typeof value === 'number' && ['startedAt', 'finishedAt', 'exit'].includes(key) ? BigInt(context.source as string) : value;
    return text === '' ? undefined : JSON.parse(text, reviver as unknown as (key: string, value: unknown) => unknown);
  };
  const put = (id: string, verb: string): Promise<void> => call('PUT', `/requests/${encodeURIComponent(id)}/${verb}`).then(() => {});
  const as = <T>(value: Promise<unknown>): Promise<T> => value as Promise<T>;
  return {
    requestList: () => as(call('GET', '/request-list')),
    create: (type, args) => as(call('POST', '/requests', {Type: type, Args: args, User: ''})),
    get: (id) => as(call('GET', `/requests/${encodeURIComponent(id)}`)),
    find: (filter) => {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries(filter.args ?? {})) query.append('arg', `${name}=${value}`);
      for (const state of filter.states ?? []) query.append('state', STATE_NAMES[state] as string);
      for (const name of ['type', 'user', 'since', 'until'] as const) if (filter[name] !== undefined) query.set(name, filter[name]);
      if (filter.limit) query.set('limit', String(filter.limit));
      if (filter.offset) query.set('offset', String(filter.offset));
      return as(call('GET', `/requests?${query.toString()}`));
    },
    stop: (id) => put(id, 'stop'),
    suspend: (id) => put(id, 'suspend'),
    resume: (id) => put(id, 'resume'),
    retry: (id) => put(id, 'retry'),
    log: (id) => as(call('GET', `/requests/${encodeURIComponent(id)}/log`)),
    running: (id) => as(call('GET', `/status/running${id === undefined ? '' : `?requestId=${encodeURIComponent(id)}`}`)),
  };
}
