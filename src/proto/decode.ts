import {ProtoError} from './error.ts';
import {ARG_TYPE_OPTIONAL, ARG_TYPE_REQUIRED, ARG_TYPE_STATIC, isState} from './state.ts';
import type {ArgType, State} from './state.ts';
import {formatTime} from './time.ts';
import type {
  CreateRequest,
  FinishRequest,
  Job,
  JobChain,
  JobLog,
  JobStatus,
  JsonObject,
  Request,
  RequestArg,
  RequestProgress,
  RequestSpec,
  RunningStatus,
  SuspendedJobChain,
} from './types.ts';

// Values from the wire, taken as Go takes them: what is missing or null is the zero value of its type, unknown members are left out, and the names of members
// count without their case where the original's do. What has the wrong type is refused with status 400 and the name of the member.

const ARG_TYPES: readonly string[] = [ARG_TYPE_REQUIRED, ARG_TYPE_OPTIONAL, ARG_TYPE_STATIC];
const INT64 = {least: -(2n ** 63n), most: 2n ** 63n - 1n};

/** Reads the members of one object. */
class Members {
  readonly #path: string;
  readonly #members: JsonObject;

  constructor(value: unknown, path: string, ignoresCase = false) {
    if (value !== null && value !== undefined && !isObject(value)) throw wrong(path === '' ? 'body' : path, 'an object');
    this.#path = path;
    const members = (value ?? {}) as JsonObject;
    this.#members = ignoresCase ? Object.fromEntries(Object.entries(members).map(([name, member]) => [name.toLowerCase(), member])) : members;
    this.#ignoresCase = ignoresCase;
  }

  readonly #ignoresCase: boolean;

  get(name: string): unknown {
    const key = this.#ignoresCase ? name.toLowerCase() : name;
    return Object.hasOwn(this.#members, key) ? this.#members[key] : undefined;
  }

  path(name: string): string {
    return this.#path === '' ? name : `${this.#path}.${name}`;
  }

  text(name: string): string {
    const value = this.get(name) ?? '';
    if (typeof value !== 'string') throw wrong(this.path(name), 'a text');
    return value;
  }

  count(name: string): number {
    return countOf(this.get(name), this.path(name));
  }

  int64(name: string): bigint {
    const value = this.get(name) ?? 0;
    const whole = typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value)) ? BigInt(value) : undefined;
    if (whole === undefined || whole < INT64.least || whole > INT64.most) throw wrong(this.path(name), 'a whole number of 64 bits');
    return whole;
  }

  truth(name: string): boolean {
    const value = this.get(name) ?? false;
    if (typeof value !== 'boolean') throw wrong(this.path(name), 'true or false');
    return value;
  }

  state(name: string): State {
    const value = this.get(name) ?? 0;
    if (!isState(value)) throw wrong(this.path(name), 'the number of a state, 0 to 7');
    return value;
  }

  time(name: string): string | null {
    const value = this.get(name) ?? null;
    if (value === null) return null;
    if (typeof value !== 'string') throw wrong(this.path(name), 'an RFC 3339 time');
    try {
      return formatTime(value);
    } catch {
      throw wrong(this.path(name), 'an RFC 3339 time');
    }
  }

  object(name: string): JsonObject {
    const value = this.get(name) ?? {};
    if (!isObject(value)) throw wrong(this.path(name), 'an object');
    return value;
  }

  /** A map, each value read by itself. */
  map<T>(name: string, read: (value: unknown, path: string) => T): Record<string, T> {
    return Object.fromEntries(Object.entries(this.object(name)).map(([key, value]) => [key, read(value, `${this.path(name)}.${key}`)]));
  }

  list<T>(name: string, read: (value: unknown, path: string) => T): T[] {
    return listOf(this.get(name), this.path(name), read);
  }
}

export function decodeCreateRequest(value: unknown): CreateRequest {
  const from = new Members(value, '', true);
  return {Type: from.text('Type'), Args: from.object('Args'), User: from.text('User')};
}

export function decodeRequestArg(value: unknown, path = ''): RequestArg {
  const from = new Members(value, path, true);
  const Type = from.text('Type');
  if (!ARG_TYPES.includes(Type)) throw wrong(from.path('Type'), `one of ${ARG_TYPES.join(', ')}`);
  return {
    ...{Pos: from.count('Pos'), Name: from.text('Name'), Desc: from.text('Desc'), Type: Type as ArgType, Given: from.truth('Given')},
    ...{Default: from.get('Default') ?? null, Value: from.get('Value') ?? null},
  };
}

export function decodeRequestSpec(value: unknown, path = ''): RequestSpec {
  const from = new Members(value, path, true);
  return {Name: from.text('Name'), Args: from.list('Args', decodeRequestArg)};
}

export function decodeJob(value: unknown, path = ''): Job {
  const from = new Members(value, path);
  const bytes = from.text('bytes');
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(bytes)) throw wrong(from.path('bytes'), 'base64');
  const [retryWait, sequenceRetryWait] = [from.text('retryWait'), from.text('sequenceRetryWait')];
  return {
    ...{id: from.text('id'), name: from.text('name'), type: from.text('type'), ...(bytes === '' ? {} : {bytes}), state: from.state('state')},
    ...(isEmpty(from.object('args')) ? {} : {args: from.object('args')}),
    ...(isEmpty(from.object('data')) ? {} : {data: from.object('data')}),
    ...{retry: from.count('retry'), ...(retryWait === '' ? {} : {retryWait}), sequenceId: from.text('sequenceId')},
    ...{sequenceRetry: from.count('sequenceRetry'), ...(sequenceRetryWait === '' ? {} : {sequenceRetryWait})},
  };
}

export function decodeJobChain(value: unknown, path = ''): JobChain {
  const from = new Members(value, path);
  return {
    requestId: from.text('requestId'),
    jobs: from.map('jobs', decodeJob),
    adjacencyList: from.map('adjacencyList', (each, at) => listOf(each, at, textOf)),
    state: from.state('state'),
    finishedJobs: from.count('finishedJobs'),
  };
}

export function decodeSuspendedJobChain(value: unknown): SuspendedJobChain {
  const from = new Members(value, '');
  return {
    requestId: from.text('requestId'),
    jobChain: decodeJobChain(from.get('jobChain'), 'jobChain'),
    totalJobTries: from.map('totalJobTries', countOf),
    latestRunJobTries: from.map('latestRunJobTries', countOf),
    sequenceTries: from.map('sequenceTries', countOf),
  };
}

export function decodeRequest(value: unknown, path = ''): Request {
  const from = new Members(value, path);
  const jrURL = from.text('jrURL');
  return {
    ...{id: from.text('id'), type: from.text('type'), state: from.state('state'), user: from.text('user')},
    ...((from.get('args') ?? null) === null ? {} : {args: from.list('args', decodeRequestArg)}),
    ...{createdAt: from.time('createdAt') ?? '', startedAt: from.time('startedAt'), finishedAt: from.time('finishedAt')},
    ...((from.get('JobChain') ?? null) === null ? {} : {JobChain: decodeJobChain(from.get('JobChain'), from.path('JobChain'))}),
    ...{totalJobs: from.count('totalJobs'), finishedJobs: from.count('finishedJobs')},
    ...(jrURL === '' ? {} : {jrURL}),
  };
}

/** `finishedAt` is empty when it is missing. */
export function decodeFinishRequest(value: unknown): FinishRequest {
  const from = new Members(value, '');
  return {
    ...{requestId: from.text('requestId'), state: from.state('state')},
    ...{finishedAt: from.time('finishedAt') ?? '', finishedJobs: from.count('finishedJobs')},
  };
}

export function decodeRequestProgress(value: unknown): RequestProgress {
  const from = new Members(value, '');
  return {requestId: from.text('requestId'), finishedJobs: from.count('finishedJobs')};
}

export function decodeJobLog(value: unknown, path = ''): JobLog {
  const from = new Members(value, path);
  return {
    ...{requestId: from.text('requestId'), jobId: from.text('jobId'), try: from.count('try'), name: from.text('name'), type: from.text('type')},
    ...{startedAt: from.int64('startedAt'), finishedAt: from.int64('finishedAt'), state: from.state('state'), exit: from.int64('exit')},
    ...{error: from.text('error'), stdout: from.text('stdout'), stderr: from.text('stderr')},
  };
}

export function decodeJobStatus(value: unknown, path = ''): JobStatus {
  const from = new Members(value, path);
  const status = from.text('status');
  return {
    ...{requestId: from.text('requestId'), jobId: from.text('jobId'), type: from.text('type'), name: from.text('name')},
    ...{startedAt: from.int64('startedAt'), state: from.state('state'), ...(status === '' ? {} : {status}), try: from.count('try')},
  };
}

export function decodeRunningStatus(value: unknown): RunningStatus {
  const from = new Members(value, '');
  return {jobs: from.list('jobs', decodeJobStatus), requests: from.map('requests', decodeRequest)};
}

/** A list, each element read by itself; null is an empty one. */
export function decodeList<T>(value: unknown, read: (value: unknown, path: string) => T): T[] {
  return listOf(value, '', read);
}

function listOf<T>(value: unknown, path: string, read: (value: unknown, path: string) => T): T[] {
  if (value === null || value === undefined) return [];
  if (!Array.isArray(value)) throw wrong(path === '' ? 'body' : path, 'a list');
  return value.map((each, at) => read(each, `${path}[${at}]`));
}

function textOf(value: unknown, path: string): string {
  if (typeof value !== 'string') throw wrong(path, 'a text');
  return value;
}

function countOf(value: unknown, path: string): number {
  const count = value ?? 0;
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 0) throw wrong(path, 'a whole number from 0');
  return count;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isEmpty(value: JsonObject): boolean {
  return Object.keys(value).length === 0;
}

function wrong(path: string, expected: string): ProtoError {
  return new ProtoError(`${path} must be ${expected}`, {httpStatus: 400});
}
