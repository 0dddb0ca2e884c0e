import {expect, test} from 'vitest';
import {needsOwner, planScan, waitingState} from '../../src/model/scan-plan.ts';
import type {PlanInput, ScanStep} from '../../src/model/scan-plan.ts';
import type {Observed} from '../../src/model/try-learning.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {Control} from '../../src/schema/control.ts';
import type {Job, JobExit} from '../../src/schema/job.ts';
import type {ScanState} from '../../src/schema/state.ts';
import {aJob, aScan, aSpec, aTry, entry} from '../support/builders.ts';
import {JobTable} from '../../src/model/job-table.ts';
import {skymapChain} from '../../src/specs/skymap-chain.ts';

/** Of all scans here: two workers on one cluster. */
const CHAIN = await skymapChain({request_clusters: [['local', 2]]}, 2);

const NOW = Date.parse('2026-01-01T00:01:00.000Z');
const POLICY = {teardownMs: 60_000, retry: 2, retryBaseMs: 1000, orphanAfterMs: 10_000, stopGraceMs: 2000};
const RUNNING: Observed = {kind: 'running', handle: 'h', startedAt: '2026-01-01T00:00:01.000Z'};
const BLOB = {digest: '0'.repeat(64), size: 1, stored_size: 1, chunks: 1, compression: 'zstd'} as const;

function plan(record: ScanRecord, observed: Record<string, Observed> = {}, more: Partial<PlanInput> = {}): ScanStep {
  return planScan({record, observed: new Map(Object.entries(observed)), nowMs: NOW, ownedForMs: 0, policy: POLICY, chain: CHAIN, ...more});
}

function jobs(of: Record<string, Job>): NonNullable<ScanRecord['jobs']> {
  return JobTable.of(Object.entries(of).map(([name, job]) => [name, entry(job)]));
}

const aWorkers = (more: Partial<Job> = {}): Job => aJob({type: 'workers', count: 2, ...more});
const running = (more: Partial<ScanState> = {}): NonNullable<ScanRecord['state']> =>
  entry({name: 'RUNNING', attempt: 1, started_at: '2026-01-01T00:00:00.000Z', ...more});
const control = (more: Partial<Control>): NonNullable<ScanRecord['control']> => entry({...DEFAULT_CONTROL, ...more});
const result = (is_final: boolean): NonNullable<ScanRecord['result']> => entry({is_final, blob: BLOB, updated_at: 1});
const exited = (exit: Partial<JobExit>): Observed => ({kind: 'exited', handle: 'h', exit: {code: 0, ended_at: '2026-01-01T00:00:59.000Z', ...exit}});
const isRunning = (more: Partial<ScanRecord> = {}): ScanRecord =>
  aScan({
    state: running(),
    jobs: jobs({server: aJob({tries: [aTry({handle: 'h'})]}), 'workers-1': aWorkers({tries: [aTry({handle: 'h'})]})}),
    ...more,
  });

test('an admitted scan launches its server and as many workers as were granted', async () => {
  const chain = await skymapChain({request_clusters: [['local', 5]]}, 2);
  const step = plan(aScan({spec: entry(aSpec({request_clusters: [['local', 5]]}))}), {}, {chain});
  expect(step).toMatchObject({kind: 'launch', state: {name: 'RUNNING', attempt: 1}});
  if (step.kind !== 'launch') throw new Error('no launch');
  expect(Object.fromEntries(step.jobs)).toMatchObject({server: {count: 1}, 'workers-1': {count: 2}});
});

test('a scan that is not admitted is given back', () => {
  const {admission: _, ...unadmitted} = aScan();
  expect(plan(unadmitted)).toEqual({kind: 'resign'});
});

test('an admission without slots is a failure with its reason', () => {
  const step = plan(aScan({admission: entry({attempt: 1, slots: {}, admitted_at: '', short: 'no cluster is called nope'})}));
  expect(step).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason: 'no cluster is called nope'}});
});

test('a scan of which nothing can be launched now says why, once; one that is run again waits anew', () => {
  const why = 'its cluster does not answer';
  const waiting = waitingState(aScan(), why);
  expect(waiting).toEqual({name: 'PENDING', attempt: 1, reason: 'waits: its cluster does not answer'});
  expect(waitingState(aScan({state: entry(waiting as ScanState)}), why)).toBeUndefined();
  expect(waitingState(isRunning(), why)).toEqual({...running().value, reason: `waits: ${why}`});
  const stopped = running({name: 'STOPPED', reason: 'stopped by the user'});
  expect(waitingState(aScan({state: stopped}), why)).toEqual({name: 'PENDING', attempt: 1, reason: `waits: ${why}`});
});

test('while everything runs there is nothing to do', () => {
  expect(plan(isRunning(), {server: RUNNING, 'workers-1': RUNNING})).toEqual({kind: 'wait'});
});

test('slots granted later start a further workers job', () => {
  const step = plan(isRunning({admission: entry({attempt: 1, slots: {local: 5}, admitted_at: ''})}), {server: RUNNING, 'workers-1': RUNNING});
  if (step.kind !== 'launch') throw new Error(`no launch but ${step.kind}`);
  expect([...step.jobs]).toMatchObject([['extra-local-1', {type: 'workers', cluster: 'local', count: 3}]]);
});

test('a server that dies is tried again after a pause, and its workers go on', () => {
  const seen = {server: exited({code: null, signal: 'SIGKILL'}), 'workers-1': RUNNING};
  const first = plan(isRunning(), seen);
  expect(first).toMatchObject({kind: 'launch'});
  if (first.kind !== 'launch') throw new Error('no launch');
  expect([...first.jobs.keys()]).toEqual(['server']);
  expect(first.changes.get('server')).toMatchObject({failures: 1, state: 'PENDING'});
  const justNow = {server: exited({code: null, signal: 'SIGKILL', ended_at: new Date(NOW).toISOString()}), 'workers-1': RUNNING};
  expect(plan(isRunning(), justNow)).toMatchObject({kind: 'record'});
});

test('a server that used up its tries ends the scan, after its workers were stopped', () => {
  const dead = aJob({failures: 3, state: 'FAIL', tries: [aTry({exit: {code: 1, ended_at: '2026-01-01T00:00:59.000Z'}})]});
  const record = isRunning({jobs: jobs({server: dead, 'workers-1': aWorkers()})});
  expect(plan(record, {'workers-1': RUNNING})).toMatchObject({kind: 'quiet', stop: ['workers-1'], close: []});
  const ended = aWorkers({tries: [aTry({exit: {code: null, reason: 'stopped', ended_at: ''}})], state: 'PENDING'});
  expect(plan(isRunning({jobs: jobs({server: dead, 'workers-1': ended})}))).toMatchObject({
    kind: 'finish',
    state: {name: 'FAIL', reason: 'the scanner server failed 3 times, last: exit code 1'},
  });
});

test('a server that exits with 0 but without a final result has failed', () => {
  const step = plan(isRunning(), {server: exited({code: 0}), 'workers-1': RUNNING});
  if (step.kind !== 'launch') throw new Error(`no launch but ${step.kind}`);
  expect(step.changes.get('server')?.failures).toBe(1);
});

test('a final result sets the time of teardown, once', () => {
  const step = plan(isRunning({result: result(true)}), {server: RUNNING, 'workers-1': RUNNING});
  expect(step).toMatchObject({kind: 'record', state: {name: 'RUNNING', teardown_due_at: '2026-01-01T00:02:00.000Z'}});
  const due = isRunning({result: result(true), state: running({teardown_due_at: '2026-01-01T00:02:00.000Z'})});
  expect(plan(due, {server: RUNNING, 'workers-1': RUNNING})).toEqual({kind: 'wait', afterMs: 60_000});
});

test('when the server has exited after a final result its workers are stopped, then the scan is COMPLETE', () => {
  const due = isRunning({result: result(true), state: running({teardown_due_at: '2026-01-01T00:02:00.000Z'})});
  expect(plan(due, {server: exited({code: 0}), 'workers-1': RUNNING})).toMatchObject({kind: 'quiet', stop: ['workers-1']});
  expect(plan(due, {server: exited({code: 0}), 'workers-1': exited({code: null, signal: 'SIGTERM'})})).toMatchObject({
    kind: 'finish',
    state: {name: 'COMPLETE', jobs_total: 2, jobs_finished: 2},
  });
});

test('a server that does not exit after the final result is stopped when the teardown is due', () => {
  const due = isRunning({result: result(true), state: running({teardown_due_at: '2026-01-01T00:01:00.000Z'})});
  expect(plan(due, {server: RUNNING, 'workers-1': RUNNING})).toMatchObject({kind: 'quiet', stop: ['server', 'workers-1']});
});

test('a partial result does not end anything', () => {
  expect(plan(isRunning({result: result(false)}), {server: RUNNING, 'workers-1': RUNNING})).toEqual({kind: 'wait'});
});

test.each([
  ['a stop', {desired: 'stop'} as const, 'STOPPED', 'stopped by the user'],
  ['a deletion', {is_deleted: true, desired: 'stop'} as const, 'STOPPED', 'deleted by the user'],
  ['a suspend', {desired: 'suspend'} as const, 'SUSPENDED', 'suspended by the user'],
])('%s ends the jobs first and is written only when none runs', (_, wish, name, reason) => {
  const record = isRunning({control: control(wish)});
  expect(plan(record, {server: RUNNING, 'workers-1': {kind: 'absent'}})).toMatchObject({kind: 'quiet', stop: ['server'], close: ['workers-1']});
  const gone = {server: exited({code: null, signal: 'SIGTERM'}), 'workers-1': {kind: 'closed'} as const};
  const step = plan(record, gone);
  expect(step).toMatchObject({kind: 'finish', state: {name, reason}});
  if (step.kind === 'finish') expect(step.changes.get('server')?.failures).toBe(0);
});

test('a stop of a scan that waits is written at once', () => {
  const {admission: _, ...waiting} = aScan({control: control({desired: 'stop'})});
  expect(plan(waiting)).toMatchObject({kind: 'finish', state: {name: 'STOPPED'}});
});

test('an intent that nobody carried out is closed, and the next try does not count as a failure', () => {
  const intent = isRunning({jobs: jobs({server: aJob(), 'workers-1': aWorkers({tries: [aTry({handle: 'h'})]})})});
  expect(plan(intent, {server: {kind: 'absent'}, 'workers-1': RUNNING})).toMatchObject({kind: 'quiet', stop: [], close: ['server']});
  const step = plan(intent, {server: {kind: 'closed'}, 'workers-1': RUNNING});
  if (step.kind !== 'launch') throw new Error(`no launch but ${step.kind}`);
  expect(step.changes.get('server')).toMatchObject({failures: 0, state: 'PENDING'});
});

test('a job on another host is left alone until it must have ended by itself, then tried again here', () => {
  const seen = {server: {kind: 'foreign'} as const, 'workers-1': {kind: 'foreign'} as const};
  expect(plan(isRunning(), seen, {ownedForMs: 10_000})).toEqual({kind: 'wait'});
  const later = plan(isRunning(), seen, {ownedForMs: 18_001});
  expect(later).toMatchObject({kind: 'launch'});
});

test('a bad admission stops nothing that runs and starts nothing', () => {
  const {admission: _, ...record} = isRunning({bad: new Map([['admission', {key: '', reason: '', createRevision: 1, modRevision: 1, lease: '0'}]])});
  expect(plan(record, {server: RUNNING, 'workers-1': RUNNING})).toEqual({kind: 'wait'});
});

test('a state written by hand ends what runs', () => {
  expect(plan(isRunning({state: entry({name: 'STOPPED', attempt: 1})}), {server: RUNNING, 'workers-1': RUNNING})).toMatchObject({
    kind: 'quiet',
    stop: ['server', 'workers-1'],
  });
});

test('jobs of a scan whose key was deleted are ended', () => {
  const {spec: _, ...gone} = isRunning();
  expect(plan(gone, {server: RUNNING, 'workers-1': RUNNING})).toMatchObject({kind: 'quiet', stop: ['server', 'workers-1']});
});

test('workers that fail again and again end the scan with a reason', () => {
  const dead = aWorkers({failures: 3, state: 'FAIL', tries: [aTry({exit: {code: 7, ended_at: '2026-01-01T00:00:00.000Z'}})]});
  const record = isRunning({jobs: jobs({server: aJob({tries: [aTry({handle: 'h'})]}), 'workers-1': dead})});
  expect(plan(record, {server: RUNNING})).toMatchObject({kind: 'quiet', stop: ['server']});
});

test('an error that no retry can mend ends the jobs, then the scan', () => {
  expect(plan(isRunning(), {server: RUNNING, 'workers-1': RUNNING}, {doomed: 'no such command'})).toMatchObject({kind: 'quiet'});
  const {jobs: _, ...bare} = isRunning();
  expect(plan(bare, {}, {doomed: 'no such command'})).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason: 'no such command'}});
});

test('a resume that is taken back before anything was launched gives its slots back', () => {
  const record = aScan({state: entry({name: 'SUSPENDED', attempt: 1}), control: control({desired: 'suspend'})});
  expect(needsOwner(record)).toBe(true);
  expect(plan(record)).toMatchObject({kind: 'finish', state: {name: 'SUSPENDED'}});
  const {admission: _, ...suspended} = record;
  expect(needsOwner(suspended)).toBe(false);
  expect(plan(suspended)).toEqual({kind: 'resign'});
});

test('a job that runs has somebody who looks after it, whatever was deleted beside it', () => {
  const {admission: _, spec: __, ...gone} = isRunning();
  expect(needsOwner(gone)).toBe(true);
  const ended = {server: exited({code: 0}), 'workers-1': exited({code: 0})};
  expect(plan(gone, ended), 'what was learnt is written down before the scan is let go').toMatchObject({kind: 'record'});
});

test('a scan whose own key is damaged keeps its jobs, and can be stopped', () => {
  const {spec: _, ...record} = isRunning({bad: new Map([['spec', {key: '', reason: '', createRevision: 1, modRevision: 1, lease: '0'}]])});
  expect(plan(record, {server: RUNNING, 'workers-1': RUNNING})).toEqual({kind: 'wait'});
  const stopped = {...record, control: control({desired: 'stop'})};
  expect(plan(stopped, {server: RUNNING, 'workers-1': RUNNING})).toMatchObject({kind: 'quiet', stop: ['server', 'workers-1']});
});

test('workers that ended well while their server goes on are started again after a pause', () => {
  const left = (endedMs: number): ScanStep =>
    plan(isRunning(), {server: RUNNING, 'workers-1': exited({code: 0, ended_at: new Date(endedMs).toISOString()})});
  expect(left(NOW - 29_000)).toMatchObject({kind: 'record'});
  const again = left(NOW - 30_000);
  if (again.kind !== 'launch') throw new Error(`no launch but ${again.kind}`);
  expect([...again.jobs.keys()]).toEqual(['workers-1']);
});

test('the server runs where its workers are, when the cluster that was asked first gave no slots', async () => {
  const {request} = aSpec({
    request_clusters: [
      ['nowhere', 1],
      ['local', 2],
    ],
  });
  const step = plan(aScan({spec: entry(aSpec(request))}), {}, {chain: await skymapChain(request, 2)});
  if (step.kind !== 'launch') throw new Error(`no launch but ${step.kind}`);
  expect(Object.fromEntries(step.jobs)).toMatchObject({server: {cluster: 'local'}, 'workers-2': {cluster: 'local', count: 2}});
});

test('a time that nobody can read does not keep a job from its next try', () => {
  const failed = aWorkers({failures: 1, state: 'PENDING', tries: [aTry({exit: {code: 1, ended_at: 'yesterday'}})]});
  const record = isRunning({jobs: jobs({server: aJob({tries: [aTry({handle: 'h'})]}), 'workers-1': failed})});
  expect(plan(record, {server: RUNNING})).toMatchObject({kind: 'launch'});
});
