import {describe, expect, test} from 'vitest';
import {grantFor, growthFor, mixtureOf} from '../../src/model/admission-plan.ts';
import {NOT_YET_REQUESTED, workflowIdOf} from '../../src/model/manifest.ts';
import {deactivationOf, scanCode} from '../../src/model/scan-codes.ts';
import {needsOwner, planScan} from '../../src/model/scan-plan.ts';
import type {PlanInput, ScanStep} from '../../src/model/scan-plan.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {JobTable} from '../../src/model/job-table.ts';
import type {Observed} from '../../src/model/try-learning.ts';
import type {Job} from '../../src/schema/job.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {ScanState} from '../../src/schema/state.ts';
import {aJob, aScan, aSpec, aTry, entry} from '../support/builders.ts';
import {skymapChain} from '../../src/specs/skymap-chain.ts';

/** Of all scans here: two workers on one cluster. */
const CHAIN = await skymapChain({request_clusters: [['local', 2]]}, 2);

const NOW = Date.parse('2026-01-01T00:00:00.000Z');
const POLICY = {teardownMs: 60_000, retry: 2, retryBaseMs: 1000, orphanAfterMs: 10_000, stopGraceMs: 2000};
const BLOB = {digest: '0'.repeat(64), size: 1, stored_size: 1, chunks: 1, compression: 'zstd'} as const;
const admission = entry({attempt: 1, slots: {osg: 2}, admitted_at: '', external: true} as const);
const external = (more: Partial<ScanRecord> = {}): ScanRecord => aScan({admission, ...more});
const inState = (more: Partial<ScanState> = {}) => ({
  state: entry({name: 'RUNNING', attempt: 1, external: true, started_at: '2026-01-01T00:00:00.000Z', ...more} as ScanState),
});
const handedOver = {ewms: entry({workflow_id: 'W', ewms_address: 'a'})};
const deleted = {control: entry({...DEFAULT_CONTROL, desired: 'stop', is_deleted: true} as const)};
const finished = {result: entry({is_final: true, blob: BLOB, updated_at: 1})};
const plan = (record: ScanRecord, more: Partial<PlanInput> = {}): ScanStep =>
  planScan({record, observed: new Map(), nowMs: NOW, ownedForMs: 0, policy: POLICY, chain: CHAIN, ...more});

describe('admission', () => {
  const clusters = new Map([
    ['osg', {engine: 'external', capacity: 5}],
    ['local', {engine: 'process', capacity: 5}],
    ['damaged', {capacity: 0}],
  ]);
  const waiting = (request_clusters: [string, number][], more: Partial<ScanRecord> = {}): ScanRecord => ({
    id: 's1',
    spec: entry(aSpec({request_clusters})),
    ...more,
  });
  const free = () => new Map([...clusters].map(([name, {capacity}]) => [name, capacity]));

  test('a scan for an external cluster gets slots, and is marked', () => {
    expect(grantFor(waiting([['osg', 3]]), free(), clusters)).toEqual({slots: {osg: 3}, external: true});
    expect(grantFor(waiting([['local', 3]]), free(), clusters)).toEqual({slots: {local: 3}});
  });

  test('one whose workflow was handed over while it waited is marked, whatever its cluster is', () => {
    expect(grantFor(waiting([['local', 3]], handedOver), free(), clusters)).toEqual({slots: {local: 3}, external: true});
  });

  test('external clusters and others do not go together, and that is said', () => {
    const short = 'cannot mix external clusters (osg) with others (local)';
    expect(
      grantFor(
        waiting([
          ['local', 1],
          ['osg', 1],
        ]),
        free(),
        clusters,
      ),
    ).toEqual({slots: {}, short});
    const refused = waiting([['local', 1]], {admission: entry({attempt: 1, slots: {}, admitted_at: '', short})});
    expect(growthFor(refused, free())).toBeUndefined();
    const extra = entry({...DEFAULT_CONTROL, extra_workers: [{id: 'x', cluster: 'osg', count: 1}]});
    const ours = waiting([['local', 1]], {control: extra, admission: entry({attempt: 1, slots: {local: 1}, admitted_at: ''})});
    expect(growthFor(ours, free(), (name) => clusters.get(name as 'osg')?.engine)).toBeUndefined();
    expect(growthFor(ours, free())).toEqual({local: 1, osg: 1});
    expect(mixtureOf(['osg', 'unknown', 'damaged'], (name) => clusters.get(name as 'osg')?.engine)).toBeUndefined();
  });
});

describe('a scan on external clusters', () => {
  test('is RUNNING once its owner has seen it, launches nothing, and waits', () => {
    expect(plan(external())).toMatchObject({kind: 'record', state: {name: 'RUNNING', external: true, started_at: '2026-01-01T00:00:00.000Z'}});
    expect(plan(external(inState()))).toEqual({kind: 'wait'});
    expect(needsOwner(external(inState()))).toBe(true);
  });

  test('cannot be suspended', () => {
    const control = entry({...DEFAULT_CONTROL, desired: 'suspend'} as const);
    expect(plan(external({...inState(), control}))).toEqual({kind: 'wait'});
  });

  test('has no workflow until the hand-over, and shows so, also after its end', () => {
    expect(workflowIdOf(external(inState()))).toBe(NOT_YET_REQUESTED);
    expect(scanCode(external(inState()))).toBe('PENDING__PRESTARTUP');
    expect(workflowIdOf(external({...inState(), ...handedOver}))).toBe('W');
    expect(scanCode(external({...inState(), ...handedOver}))).toBe('PENDING__WAITING_ON_SCANNER_SERVER_STARTUP');
    const {admission: _, ...ended} = external({...inState({name: 'STOPPED'}), ...deleted});
    expect(workflowIdOf(ended)).toBe(NOT_YET_REQUESTED);
    expect(deactivationOf(ended)).toBeNull();
  });

  test.each([
    ['ABORTED', 'ABORTED__WAITING_ON_SCANNER_SERVER_STARTUP'],
    ['abort', 'ABORT__WAITING_ON_SCANNER_SERVER_STARTUP'],
    ['FINISHED', 'FINISHED__WAITING_ON_SCANNER_SERVER_STARTUP'],
    [null, 'PENDING__WAITING_ON_SCANNER_SERVER_STARTUP'],
  ])('case 57: a workflow that is deactivated as %s outside shows as %s', (deactivated, code) => {
    expect(scanCode(external({...inState(), ...handedOver}), deactivated)).toBe(code);
  });

  test('gets its time after the final result, since nobody knows when its server ends', () => {
    const due = '2026-01-01T00:01:00.000Z';
    expect(plan(external({...inState(), ...finished}))).toMatchObject({
      kind: 'record',
      state: {name: 'RUNNING', external: true, teardown_due_at: due},
    });
    const waiting = external({...inState({teardown_due_at: due}), ...finished});
    expect(plan(waiting)).toEqual({kind: 'wait', afterMs: 60_000});
    expect(plan(waiting, {nowMs: NOW + 60_000})).toMatchObject({kind: 'finish', state: {name: 'COMPLETE', external: true}});
  });
});

describe('a workflow that was handed over', () => {
  const told = {workflowIsOver: false};

  test('is ended before its deleted scan: written down, told until that is answered, then STOPPED', () => {
    const scan = external({...inState(), ...handedOver, ...deleted});
    expect(plan(scan, told)).toMatchObject({kind: 'record', state: {name: 'RUNNING', workflow_ending: 'abort'}});
    const decided = external({...inState({workflow_ending: 'abort'}), ...handedOver, ...deleted});
    expect(plan(decided, told)).toEqual({kind: 'end-workflow', ending: 'abort', workflowId: 'W'});
    expect(plan(decided, {workflowIsOver: true})).toMatchObject({kind: 'finish', state: {name: 'STOPPED', workflow_ending: 'abort'}});
  });

  test('is finished when the final result has had its time', () => {
    const scan = external({...inState({teardown_due_at: '2026-01-01T00:00:00.000Z'}), ...handedOver, ...finished});
    expect(plan(scan, told)).toMatchObject({kind: 'record', state: {workflow_ending: 'finished'}});
  });

  test('is aborted even when its scan was deleted before it was admitted', () => {
    const {admission: _, ...scan} = external({...handedOver, ...deleted});
    expect(needsOwner(scan)).toBe(true);
    expect(plan(scan, told)).toMatchObject({kind: 'record', state: {name: 'PENDING', workflow_ending: 'abort'}});
  });

  test('stays ended when somebody wants the scan to run after all', () => {
    const {admission: _, ...scan} = external({...inState({workflow_ending: 'abort'}), ...handedOver});
    expect(needsOwner(scan)).toBe(true);
    expect(plan(scan, told)).toEqual({kind: 'end-workflow', ending: 'abort', workflowId: 'W'});
    expect(plan(scan, {workflowIsOver: true})).toMatchObject({kind: 'finish', state: {name: 'STOPPED'}});
  });

  test('is left alone where no workload manager is configured', () => {
    expect(plan(external({...inState(), ...handedOver, ...deleted}))).toMatchObject({kind: 'finish', state: {name: 'STOPPED'}});
  });
});

describe('a scan whose workers are outside and whose server is ours', () => {
  const clusters = new Map([
    ['osg', {engine: 'external', capacity: 5, settings: {server_cluster: 'k8s'}}],
    ['bare', {engine: 'external', capacity: 5, settings: {}}],
    ['lost', {engine: 'external', capacity: 5, settings: {server_cluster: 'nope'}}],
    ['odd', {engine: 'external', capacity: 5, settings: {server_cluster: 'local'}}],
    ['broken', {engine: 'external', capacity: 5, settings: {server_cluster: 'damaged'}}],
    ['k8s', {engine: 'kubernetes', capacity: 0}],
    ['local', {engine: 'process', capacity: 5}],
    ['damaged', {capacity: 0}],
  ]);
  const grant = (request_clusters: [string, number][], more: Partial<ScanRecord> = {}) =>
    grantFor(
      {id: 's1', spec: entry(aSpec({request_clusters})), ...more},
      new Map([...clusters].map(([name, {capacity}]) => [name, capacity])),
      clusters,
    );
  const hosted = (more: Partial<ScanRecord> = {}): ScanRecord => aScan({admission: entry({...admission.value, server_cluster: 'k8s'}), ...more});
  const withServer = (job: Partial<Job>, more: Partial<ScanRecord> = {}): ScanRecord =>
    hosted({...inState(), jobs: JobTable.of([['server', entry(aJob({cluster: 'k8s', tries: [aTry({handle: 'h'})], ...job}))]]), ...more});
  const runs: Observed = {kind: 'running', handle: 'h', startedAt: 'T'};
  const gone = aTry({handle: 'h', exit: {code: null, reason: 'its pod was deleted', ended_at: '2026-01-01T00:00:00.000Z'}});

  test('is admitted with the cluster of its server, which needs no slot there', () => {
    expect(
      grant([
        ['bare', 1],
        ['osg', 3],
      ]),
    ).toEqual({slots: {bare: 1, osg: 3}, external: true, server_cluster: 'k8s'});
    expect(grant([['bare', 1]])).toEqual({slots: {bare: 1}, external: true});
    expect(grant([['osg', 1]], handedOver)).toEqual({slots: {osg: 1}, external: true});
  });

  test('can never run where its server cannot, and waits for a key that is damaged', () => {
    expect(grant([['lost', 1]])).toEqual({slots: {}, short: 'no cluster is called nope, where lost has servers run'});
    expect(grant([['odd', 1]])).toEqual({slots: {}, short: 'cluster local, where odd has servers run, is none of Kubernetes'});
    expect(grant([['broken', 1]])).toBeUndefined();
  });

  test('has its server launched there, and no workers', () => {
    const step = plan(hosted());
    if (step.kind !== 'launch') throw new Error(`no launch but ${step.kind}`);
    expect([...step.jobs]).toMatchObject([['server', {type: 'scanner-server', cluster: 'k8s', count: 1}]]);
    expect(step.state).toMatchObject({name: 'RUNNING', external: true});
    expect(plan(withServer({}), {observed: new Map([['server', runs]])})).toEqual({kind: 'wait'});
  });

  test('tries its server again until its workflow is handed over, and never after', () => {
    expect(plan(withServer({tries: [gone], state: 'PENDING'}), {nowMs: NOW + 2000})).toMatchObject({kind: 'launch'});
    const lost = withServer({tries: [gone], state: 'PENDING'}, handedOver);
    const reason = 'the scanner server ended after its workflow was handed over: its pod was deleted';
    expect(plan(lost)).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason}});
    // First its workflow is told.
    const told = plan(lost, {workflowIsOver: false});
    expect(told).toMatchObject({kind: 'record', state: {name: 'RUNNING', workflow_ending: 'abort'}});
    expect(told.kind === 'record' && told.changes.get('server')?.state).toBe('FAIL');
    const ending = withServer({tries: [gone], state: 'FAIL'}, {...handedOver, ...inState({workflow_ending: 'abort'})});
    expect(plan(ending, {workflowIsOver: false})).toMatchObject({kind: 'end-workflow', ending: 'abort'});
    expect(plan(ending, {workflowIsOver: true})).toMatchObject({kind: 'finish', state: {name: 'FAIL', reason}});
  });

  test('leaves alone what somebody else has handed over before its server began', () => {
    expect(plan(hosted({...inState(), ...handedOver}))).toEqual({kind: 'wait'});
  });

  test('is COMPLETE when its server has exited after the final result', () => {
    const record = withServer({}, {...finished, ...handedOver});
    const observed = new Map([['server', runs]]);
    expect(plan(record, {observed})).toMatchObject({kind: 'record', state: {teardown_due_at: expect.any(String)}});
    const done = new Map<string, Observed>([['server', {kind: 'exited', handle: 'h', exit: {code: 0, ended_at: '2026-01-01T00:00:00.000Z'}}]]);
    expect(plan(record, {observed: done, workflowIsOver: true})).toMatchObject({kind: 'finish', state: {name: 'COMPLETE'}});
  });
});
