import {ProtoError} from './error.ts';
import {Fields, countOf, decodeList, jsonOf, textOf} from './fields.ts';
import {ARG_TYPE_OPTIONAL, ARG_TYPE_REQUIRED, ARG_TYPE_STATIC} from './state.ts';
import type {ArgType} from './state.ts';
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

// Decoders take what `decodeJson` gives, or `JSON.parse` where no number is large, and accept what Go accepts: what is missing or null has the zero value
// of its type, unknown members are ignored. They throw a FieldError that names the field. Optional members that are empty are left out.

export function decodeJob(value: unknown, at = ''): Job {
  const from = new Fields(value, at);
  const bytes = from.base64('bytes');
  const args = from.map('args', jsonOf);
  const data = from.map('data', jsonOf);
  const retryWait = from.text('retryWait');
  const sequenceRetryWait = from.text('sequenceRetryWait');
  return {
    id: from.text('id'),
    name: from.text('name'),
    type: from.text('type'),
    ...(bytes === '' ? {} : {bytes}),
    state: from.state('state'),
    ...(isEmpty(args) ? {} : {args}),
    ...(isEmpty(data) ? {} : {data}),
    retry: from.count('retry'),
    ...(retryWait === '' ? {} : {retryWait}),
    sequenceId: from.text('sequenceId'),
    sequenceRetry: from.count('sequenceRetry'),
    ...(sequenceRetryWait === '' ? {} : {sequenceRetryWait}),
  };
}

export function decodeJobChain(value: unknown, at = ''): JobChain {
  const from = new Fields(value, at);
  return {
    requestId: from.text('requestId'),
    jobs: from.map('jobs', decodeJob),
    adjacencyList: from.map('adjacencyList', (ids, idsAt) => decodeList(ids, textOf, idsAt)),
    state: from.state('state'),
    finishedJobs: from.count('finishedJobs'),
  };
}

export function decodeSuspendedJobChain(value: unknown, at = ''): SuspendedJobChain {
  const from = new Fields(value, at);
  return {
    requestId: from.text('requestId'),
    jobChain: decodeJobChain(from.raw('jobChain'), from.path('jobChain')),
    totalJobTries: from.map('totalJobTries', countOf),
    latestRunJobTries: from.map('latestRunJobTries', countOf),
    sequenceTries: from.map('sequenceTries', countOf),
  };
}

export function decodeRequest(value: unknown, at = ''): Request {
  const from = new Fields(value, at);
  const args = from.list('args', decodeRequestArg);
  const chain = from.raw('JobChain');
  const jrURL = from.text('jrURL');
  return {
    id: from.text('id'),
    type: from.text('type'),
    state: from.state('state'),
    user: from.text('user'),
    ...(args.length === 0 ? {} : {args}),
    createdAt: from.time('createdAt'),
    startedAt: from.time('startedAt') || null,
    finishedAt: from.time('finishedAt') || null,
    ...(chain === undefined ? {} : {JobChain: decodeJobChain(chain, from.path('JobChain'))}),
    totalJobs: from.count('totalJobs'),
    finishedJobs: from.count('finishedJobs'),
    ...(jrURL === '' ? {} : {jrURL}),
  };
}

/** Names match in any case. `Type` has no zero value: it is one of three. */
export function decodeRequestArg(value: unknown, at = ''): RequestArg {
  const from = new Fields(value, at, {anyCase: true});
  return {
    Pos: from.integer('Pos'),
    Name: from.text('Name'),
    Desc: from.text('Desc'),
    Type: from.oneOf<ArgType>('Type', [ARG_TYPE_REQUIRED, ARG_TYPE_OPTIONAL, ARG_TYPE_STATIC]),
    Given: from.flag('Given'),
    Default: from.json('Default'),
    Value: from.json('Value'),
  };
}

/** Names match in any case. */
export function decodeRequestSpec(value: unknown, at = ''): RequestSpec {
  const from = new Fields(value, at, {anyCase: true});
  return {Name: from.text('Name'), Args: from.list('Args', decodeRequestArg)};
}

/** Names match in any case. */
export function decodeCreateRequest(value: unknown, at = ''): CreateRequest {
  const from = new Fields(value, at, {anyCase: true});
  return {Type: from.text('Type'), Args: from.map('Args', jsonOf), User: from.text('User')};
}

/** `finishedAt` is empty when it is missing. */
export function decodeFinishRequest(value: unknown, at = ''): FinishRequest {
  const from = new Fields(value, at);
  return {
    requestId: from.text('requestId'),
    state: from.state('state'),
    finishedAt: from.time('finishedAt'),
    finishedJobs: from.count('finishedJobs'),
  };
}

export function decodeRequestProgress(value: unknown, at = ''): RequestProgress {
  const from = new Fields(value, at);
  return {requestId: from.text('requestId'), finishedJobs: from.count('finishedJobs')};
}

export function decodeJobLog(value: unknown, at = ''): JobLog {
  const from = new Fields(value, at);
  return {
    requestId: from.text('requestId'),
    jobId: from.text('jobId'),
    try: from.count('try'),
    name: from.text('name'),
    type: from.text('type'),
    startedAt: from.int64('startedAt'),
    finishedAt: from.int64('finishedAt'),
    state: from.state('state'),
    exit: from.int64('exit'),
    error: from.text('error'),
    stdout: from.text('stdout'),
    stderr: from.text('stderr'),
  };
}

export function decodeJobStatus(value: unknown, at = ''): JobStatus {
  const from = new Fields(value, at);
  const status = from.text('status');
  return {
    requestId: from.text('requestId'),
    jobId: from.text('jobId'),
    type: from.text('type'),
    name: from.text('name'),
    startedAt: from.int64('startedAt'),
    state: from.state('state'),
    ...(status === '' ? {} : {status}),
    try: from.count('try'),
  };
}

export function decodeRunningStatus(value: unknown, at = ''): RunningStatus {
  const from = new Fields(value, at);
  return {jobs: from.list('jobs', decodeJobStatus), requests: from.map('requests', decodeRequest)};
}

/** The body of an answer that reports an error. Those of job runners and of authentication have a message alone. */
export function decodeError(value: unknown, at = ''): ProtoError {
  const from = new Fields(value, at);
  return new ProtoError(from.text('message'), {requestId: from.text('requestId'), httpStatus: from.integer('httpStatus')});
}

function isEmpty(object: JsonObject): boolean {
  return Object.keys(object).length === 0;
}
