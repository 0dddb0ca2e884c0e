import {expect, test} from 'vitest';
import {DEADLINE_MISSED_MS, HELPERS_MS, SETTLE_MS, jobOutcome} from '../../../src/engines/kubernetes/job-outcome.ts';
import type {JobOutcome} from '../../../src/engines/kubernetes/job-outcome.ts';
import type {JobRecord} from '../../../src/engines/kubernetes/job-record.ts';
import {MAIN_CONTAINER} from '../../../src/engines/kubernetes/pod-facts.ts';
import type {ContainerFacts, PodFacts} from '../../../src/engines/kubernetes/pod-facts.ts';

const NOW = Date.parse('2026-01-01T00:10:00Z');

function aRecord(changes: Partial<JobRecord> = {}): JobRecord {
  return {
    ...{name: 'r', uid: 'u', resourceVersion: '1', clusterId: 'c', ref: {scanId: 's', job: 'j', try: 1}, fence: {epoch: 1, revision: 1}},
    ...{state: 'launched', createdMs: 0, startedMs: NOW - 10_000, count: 1, outputLimitBytes: 100, finalizers: [], isDeleting: false, active: 0},
    ...changes,
  };
}

let lastPod = 0;

function aPod(changes: Partial<PodFacts>, container: Partial<ContainerFacts> = {}): PodFacts {
  const name = `p${++lastPod}`;
  return {
    ...{name, uid: name, resourceVersion: '1', record: 'r', ref: undefined, createdMs: 0, phase: 'Running', reason: '', message: '', finalizers: []},
    ...{
      startedMs: 1,
      isRemoved: false,
      main: MAIN_CONTAINER,
      seen: {name: 'p', phase: 'Running', containers: []},
      containers: [{name: MAIN_CONTAINER, isInit: false, isRunning: false, ...container}],
    },
    ...changes,
  };
}

const runs = (changes: Partial<PodFacts> = {}): PodFacts => aPod(changes, {isRunning: true});
const ended = (code: number, endedMs = NOW - 1000, changes: Partial<PodFacts> = {}): PodFacts =>
  aPod({phase: code === 0 ? 'Succeeded' : 'Failed', ...changes}, {terminated: {code, reason: '', message: '', endedMs}});
const gone = (code: number): PodFacts =>
  ended(code, NOW - 1000, {phase: 'Failed', deletesMs: NOW - 2000, deletionAskedMs: NOW - 2000, isRemoved: true});
const stuck = (): PodFacts => aPod({phase: 'Pending'}, {waiting: {reason: 'InvalidImageName', message: ''}});

function judge(job: Partial<JobRecord>, ...pods: readonly PodFacts[]): JobOutcome {
  return jobOutcome(aRecord(job), pods, NOW, 1000);
}

const finished = (type: 'Complete' | 'Failed', reason = ''): NonNullable<JobRecord['finished']> => ({type, reason, message: 'm', atMs: NOW});

test('a Job without a pod yet runs', () => expect(judge({})).toEqual({kind: 'running', text: 'waits for its pod'}));

test('one process: its exit is that of the try', () => {
  expect(judge({}, runs())).toEqual({kind: 'running'});
  expect(judge({}, ended(0))).toEqual({kind: 'exited', exit: {code: 0, ended_at: '2026-01-01T00:09:59.000Z'}});
  expect(judge({}, ended(9))).toMatchObject({kind: 'exited', exit: {code: 9}});
});

test('one process that was told to go is not started again: its try ends', () => {
  expect(judge({}, runs({deletesMs: NOW + 1000}))).toEqual({kind: 'end', reason: 'its pod was deleted'});
});

test('a second pod that the Job controller made after a failure is ended before the exit is told', () => {
  expect(judge({}, ended(1), runs())).toEqual({kind: 'end', reason: ''});
  expect(judge({end: {reason: '', atMs: NOW}}, ended(1), gone(143))).toMatchObject({kind: 'exited', exit: {code: 1}});
});

test('several processes: failures are made up for until as many have failed as there are', () => {
  expect(judge({count: 3}, ended(1), ended(1), runs(), runs())).toEqual({kind: 'running'});
  expect(judge({count: 3}, ended(1), ended(1), ended(1), runs())).toEqual({kind: 'end', reason: ''});
  expect(judge({count: 3, finished: finished('Complete')}, ended(1), ended(0), ended(0), ended(0))).toMatchObject({exit: {code: 0}});
  expect(judge({count: 2}, ended(4, NOW - 2), ended(5, NOW - 3))).toMatchObject({kind: 'exited', exit: {code: 5}});
});

test('several processes: one that was told to go is replaced', () => {
  expect(judge({count: 2}, runs({deletesMs: NOW + 1000}), runs())).toEqual({kind: 'running'});
});

test('what we end says why, with the code that it ended with', () => {
  expect(judge({end: {reason: 'stopped', atMs: NOW}}, runs())).toMatchObject({kind: 'running'});
  expect(judge({end: {reason: 'stopped', atMs: NOW}}, gone(7))).toMatchObject({kind: 'exited', exit: {code: 7, reason: 'stopped'}});
  expect(judge({end: {reason: 'stopped', atMs: NOW}}, gone(137))).toMatchObject({exit: {code: null, signal: 'SIGKILL', reason: 'stopped'}});
  expect(judge({end: {reason: 'its pod was deleted', atMs: NOW}}, gone(143))).toMatchObject({exit: {code: null, reason: 'its pod was deleted'}});
});

test('one process that was told to go and has gone before anybody looked ends its try all the same', () => {
  expect(judge({}, gone(143))).toEqual({kind: 'end', reason: 'its pod was deleted'});
  expect(judge({}, gone(143), runs())).toEqual({kind: 'end', reason: 'its pod was deleted'});
  expect(judge({end: {reason: 'its pod was deleted', atMs: NOW}}, gone(1), gone(0))).toMatchObject({kind: 'exited'});
});

test('one process that had ended before somebody removed its pod ended by itself', () => {
  expect(judge({}, ended(3, NOW - 5000, {deletesMs: NOW, deletionAskedMs: NOW - 1000, isRemoved: true}))).toMatchObject({
    kind: 'exited',
    exit: {code: 3},
  });
});

test('several processes: those that were told to go are no failures of theirs, and never the reason where there is another', () => {
  expect(judge({count: 2}, gone(143), gone(143), runs(), runs())).toEqual({kind: 'running'});
  const failed = finished('Failed', 'BackoffLimitExceeded');
  expect(judge({count: 2, finished: failed}, gone(143), gone(143))).toMatchObject({exit: {code: null, reason: 'its pod was deleted'}});
  expect(judge({count: 2, finished: failed}, gone(143), ended(4, NOW))).toMatchObject({exit: {code: 4}});
});

test('a Job that was to end and shows no pod is given time for one that is on its way', () => {
  expect(judge({end: {reason: 'stopped', atMs: NOW - SETTLE_MS + 1}})).toMatchObject({kind: 'running'});
  expect(judge({end: {reason: 'stopped', atMs: NOW - SETTLE_MS}})).toMatchObject({kind: 'exited', exit: {code: null, reason: 'stopped'}});
});

test('a Job past its deadline has timed out, with the code that it ended with', () => {
  const late = {timeoutMs: 1500, finished: finished('Failed', 'DeadlineExceeded')};
  expect(judge(late, runs({deletesMs: NOW}))).toEqual({kind: 'running'});
  expect(judge(late, gone(7))).toMatchObject({exit: {code: 7, reason: 'timed out after 1.5 s'}});
  expect(judge(late)).toMatchObject({exit: {code: null, reason: 'timed out after 1.5 s'}});
});

test('a Job that runs on long after its deadline is ended by us: its controller has missed it', () => {
  const startedMs = NOW - 10_000 - DEADLINE_MISSED_MS;
  expect(judge({timeoutMs: 9_000, startedMs}, runs())).toEqual({kind: 'end', reason: 'timed out after 9 s'});
  expect(judge({timeoutMs: 11_000, startedMs}, runs())).toEqual({kind: 'running'});
  expect(judge({timeoutMs: 9_000, startedMs: 0}, runs())).toEqual({kind: 'running'});
  expect(judge({timeoutMs: 9_000, startedMs}, ended(0))).toMatchObject({kind: 'exited', exit: {code: 0}});
});

test('a pod that goes when the deadline is over goes because of it, also where its Job does not say so yet', () => {
  const going = runs({deletesMs: NOW + 3000, deletionAskedMs: NOW});
  expect(judge({timeoutMs: 10_000}, going)).toEqual({kind: 'end', reason: 'timed out after 10 s'});
  expect(judge({timeoutMs: 11_000}, going)).toEqual({kind: 'end', reason: 'its pod was deleted'});
});

test('a Job whose pods are gone still says how it went', () => {
  expect(judge({finished: finished('Complete')})).toMatchObject({exit: {code: 0}});
  expect(judge({finished: finished('Failed', 'BackoffLimitExceeded')})).toMatchObject({exit: {code: null, reason: 'm'}});
  expect(judge({finished: finished('Failed', 'SomethingNew')})).toMatchObject({exit: {code: null, reason: 'SomethingNew: m'}});
});

test('a Job that somebody deletes is ended, unless it had ended by itself', () => {
  expect(judge({isDeleting: true}, runs())).toEqual({kind: 'end', reason: 'its Job was deleted'});
  expect(judge({isDeleting: true, end: {reason: 'its Job was deleted', atMs: NOW}}, gone(0))).toMatchObject({exit: {reason: 'its Job was deleted'}});
  expect(judge({isDeleting: true, finished: finished('Complete')}, ended(0))).toMatchObject({kind: 'exited', exit: {code: 0}});
});

test('what never can begin is ended with that reason, when all of it is in that state', () => {
  expect(judge({}, stuck())).toEqual({kind: 'end', reason: 'InvalidImageName'});
  expect(judge({count: 2}, stuck(), runs())).toEqual({kind: 'running'});
  expect(judge({end: {reason: 'InvalidImageName', atMs: NOW}}, aPod({phase: 'Pending', isRemoved: true, deletesMs: NOW}))).toMatchObject({
    kind: 'exited',
    exit: {code: null, reason: 'InvalidImageName'},
  });
});

test('containers beside the main one get a while to end after it', () => {
  const leaving = (endedMs: number): PodFacts => aPod({}, {terminated: {code: 0, reason: '', message: '', endedMs}});
  expect(judge({}, leaving(NOW - HELPERS_MS))).toEqual({kind: 'running'});
  expect(judge({}, leaving(NOW - HELPERS_MS - 1))).toEqual({kind: 'end', reason: ''});
  expect(judge({end: {reason: '', atMs: NOW}}, gone(0))).toMatchObject({kind: 'exited', exit: {code: 0}});
});
