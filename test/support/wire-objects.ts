import {STATE_COMPLETE, STATE_FAIL, STATE_PENDING, STATE_RUNNING, STATE_STOPPED, STATE_SUSPENDED} from '../../src/proto/state.ts';
import type {FinishRequest, Job, JobChain, JobLog, JobStatus, Request, SuspendedJobChain} from '../../src/proto/types.ts';

/** Objects of Spin Cycle's wire, each with all its members but those that lists leave out. */
export function aRequest(): Request {
  return {
    id: 'r9',
    type: 'scan',
    state: STATE_RUNNING,
    user: 'ana',
    args: [
      {Pos: 0, Name: 'k1', Desc: '', Type: 'required', Given: true, Default: null, Value: 'v1'},
      {Pos: 0, Name: 'passes', Desc: 'how often', Type: 'optional', Given: false, Default: '175', Value: '175'},
    ],
    createdAt: '2021-03-04T05:06:07.891234Z',
    startedAt: '2021-03-04T05:06:08Z',
    finishedAt: null,
    totalJobs: 7,
    finishedJobs: 1,
    jrURL: 'http://127.0.0.1:32307',
  };
}

export function aJob(): Job {
  return {
    id: 'aB3x',
    name: 'load',
    type: 'load',
    bytes: 'e30=',
    state: STATE_PENDING,
    args: {field: 'x'},
    data: {rows: 3},
    retry: 5,
    retryWait: '500ms',
    sequenceId: 'aB3x',
    sequenceRetry: 1,
    sequenceRetryWait: '1s',
  };
}

export function aChain(): JobChain {
  return {requestId: 'r9', jobs: {aB3x: aJob()}, adjacencyList: {aB3x: ['Qq77']}, state: STATE_PENDING, finishedJobs: 0};
}

export function aSuspendedChain(): SuspendedJobChain {
  const job: Job = {...aJob(), state: STATE_STOPPED};
  return {
    requestId: 'r9',
    jobChain: {...aChain(), jobs: {aB3x: job}, state: STATE_SUSPENDED},
    totalJobTries: {aB3x: 5},
    latestRunJobTries: {aB3x: 2},
    sequenceTries: {aB3x: 1},
  };
}

export function aFinish(): FinishRequest {
  return {requestId: 'r9', state: STATE_COMPLETE, finishedAt: '2021-03-04T05:10:00.891234Z', finishedJobs: 7};
}

export function aLog(): JobLog {
  return {
    requestId: 'r9',
    jobId: 'aB3x',
    try: 1,
    name: 'load',
    type: 'load',
    startedAt: 1614834367891234567n,
    finishedAt: 1614834368000000000n,
    state: STATE_FAIL,
    exit: 1n,
    error: 'no such field',
    stdout: '',
    stderr: 'x: no such field',
  };
}

export function aStatus(): JobStatus {
  return {
    requestId: 'r9',
    jobId: 'aB3x',
    type: 'load',
    name: 'load',
    startedAt: 1614834367891234567n,
    state: STATE_RUNNING,
    status: 'reading 3/9',
    try: 2,
  };
}
