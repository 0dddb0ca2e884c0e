import {describe, expect, test} from 'vitest';
import {clusterMeant, isPastHope, presentClusters, presentCondorClusters, withReport} from '../../src/model/older-clusters.ts';
import type {ClusterTable} from '../../src/model/older-clusters.ts';
import {olderScanCode, olderScanCodeFrom, workersAreDone} from '../../src/model/older-codes.ts';
import {presentV0Manifest, presentV1Manifest} from '../../src/model/older-manifest.ts';
import type {Scan} from '../../src/model/manifest.ts';
import {podStatuses} from '../../src/model/pod-statuses.ts';
import {scanCode} from '../../src/model/scan-codes.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {scannerGeneration} from '../../src/model/scanner-generation.ts';
import {scannerEnvironment} from '../../src/model/scanner-command.ts';
import type {ClusterSettings} from '../../src/schema/cluster.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import {NO_LEGACY, parseLegacy} from '../../src/schema/legacy.ts';
import type {JobTry} from '../../src/schema/job.ts';
import type {ReportedCluster} from '../../src/schema/legacy.ts';
import type {ScanStateName} from '../../src/schema/state.ts';
import {aJob, aScan, aSpec, aTry, entry} from '../support/builders.ts';
import {JobTable} from '../../src/model/job-table.ts';

const clusters = (table: Record<string, ClusterSettings & {engine?: string}>): ClusterTable =>
  new Map(Object.entries(table).map(([name, {engine = 'process', ...settings}]) => [name, {value: {engine, capacity: 8, settings}}]));

const REPORT: ReportedCluster = {
  orchestrator: 'condor',
  location: {collector: 'c', schedd: 's'},
  n_workers: 4,
  uuid: 'u1',
  cluster_id: '17',
  starter_info: {},
  statuses: {},
  top_task_errors: {},
};
const olderScan = (more: Partial<ScanRecord> = {}): Scan => aScan({spec: entry({...aSpec(), generation: 'v1'}), ...more}) as Scan;
const workers = JobTable.of([['workers-1', entry(aJob({type: 'workers', count: 2, tries: [aTry({handle: 'h'})]}))]]);
const progress = (stats: Record<string, unknown>): NonNullable<ScanRecord['progress']> =>
  entry({
    progress: {processing_stats: {start: {}, runtime: {}, rate: {}, end: '', finished: false, predictions: {}, ...stats}} as never,
    event_metadata: null,
    scan_metadata: null,
    updated_at: 1,
  });
const inState = (name: ScanStateName): NonNullable<ScanRecord['state']> => entry({name, attempt: 1});
const control = (more: object): NonNullable<ScanRecord['control']> => entry({...DEFAULT_CONTROL, ...more});

describe('case 77: the states of version 1', () => {
  const rate = (value: unknown, finished = false): {processing_stats: {rate: unknown; finished: boolean}} => ({
    processing_stats: {rate: value, finished},
  });
  test.each([
    [true, rate({a: 1}), 'IN_PROGRESS__PARTIAL_RESULT_GENERATED'],
    [true, rate({}), 'IN_PROGRESS__WAITING_ON_FIRST_PIXEL_RECO'],
    [true, rate(null), 'IN_PROGRESS__WAITING_ON_FIRST_PIXEL_RECO'],
    [false, rate({a: 1}), 'PENDING__WAITING_ON_CLUSTER_STARTUP'],
    [true, null, 'PENDING__WAITING_ON_SCANNER_SERVER_STARTUP'],
    [false, null, 'PENDING__PRESTARTUP'],
  ] as const)('clusters %s, progress %j', (hasClusters, report, code) => {
    expect(olderScanCodeFrom({isComplete: false, progress: report, hasClusters})).toBe(code);
    expect(olderScanCodeFrom({isComplete: true, progress: report, hasClusters})).toBe(`STOPPED__${code.split('__')[1]}`);
  });

  test('a complete scan whose scanner said that it has finished has finished, one that is not complete goes on', () => {
    for (const hasClusters of [true, false]) {
      expect(olderScanCodeFrom({isComplete: true, progress: rate({a: 1}, true), hasClusters})).toBe('SCAN_FINISHED_SUCCESSFULLY');
    }
    expect(olderScanCodeFrom({isComplete: false, progress: rate({a: 1}, true), hasClusters: true})).toBe('IN_PROGRESS__PARTIAL_RESULT_GENERATED');
  });

  test('a scanner of that time reads the word at which it ends as soon as its scan is to end', () => {
    const running = {jobs: workers, progress: progress({rate: {a: 1}}), state: inState('RUNNING')};
    expect(olderScanCode(olderScan(running))).toBe('IN_PROGRESS__PARTIAL_RESULT_GENERATED');
    expect(olderScanCode(olderScan({...running, control: control({is_deleted: true})}))).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
    expect(olderScanCode(olderScan({...running, control: control({desired: 'stop'})}))).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
    expect(olderScanCode(olderScan({...running, state: inState('FAIL')}))).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
    expect(olderScanCode(olderScan({...running, state: inState('COMPLETE')}))).toBe('SCAN_FINISHED_SUCCESSFULLY');
    expect(olderScanCode(olderScan({control: control({is_deleted: true})}))).toBe('STOPPED__PRESTARTUP');
  });

  test('complete is a scan that has ended or is to be stopped, not one that is suspended', () => {
    expect(workersAreDone(olderScan())).toBe(false);
    for (const name of ['COMPLETE', 'FAIL', 'STOPPED'] as const) expect(workersAreDone(olderScan({state: inState(name)}))).toBe(true);
    for (const name of ['RUNNING', 'PENDING', 'SUSPENDED'] as const) expect(workersAreDone(olderScan({state: inState(name)}))).toBe(false);
    expect(workersAreDone(olderScan({control: control({desired: 'suspend'})}))).toBe(false);
  });
});

describe('case 59: in version 2, a scan that an older version asked for', () => {
  test('is stopped when its workers are done, and never aborted', () => {
    const running = {progress: progress({rate: {a: 1}}), state: inState('RUNNING')};
    expect(scanCode(olderScan(running))).toBe('IN_PROGRESS__PARTIAL_RESULT_GENERATED');
    expect(scanCode(olderScan({...running, control: control({is_deleted: true})}))).toBe('STOPPED__PARTIAL_RESULT_GENERATED');
    expect(scanCode(olderScan({control: control({desired: 'stop'})}))).toBe('STOPPED__WAITING_ON_SCANNER_SERVER_STARTUP');
    expect(scanCode(aScan({...running, control: control({is_deleted: true})}))).toBe('ABORTED__PARTIAL_RESULT_GENERATED');
  });

  test('has left the backlog once a starter has reported', () => {
    const {admission: _, ...waiting} = olderScan({control: control({desired: 'stop'})});
    expect(scanCode(waiting)).toBe('STOPPED__PRESTARTUP');
    const reported = {...waiting, legacy: entry({...NO_LEGACY, clusters: [REPORT]})};
    expect(scanCode(reported)).toBe('STOPPED__WAITING_ON_SCANNER_SERVER_STARTUP');
  });
});

describe('which of our clusters version 0 means', () => {
  const table = clusters({
    named: {collector: 'c1', schedd: 's1'},
    'only-schedd': {schedd: 's2'},
    s1: {},
    c3: {},
  });
  test.each([
    ['c1', 's1', 'named'],
    ['other', 's1', 's1'],
    ['any', 's2', 'only-schedd'],
    ['c3', 'nowhere', 'c3'],
    ['c4', 's4', undefined],
  ])('%s and %s', (collector, schedd, name) => {
    expect(clusterMeant({collector, schedd}, table)).toBe(name);
  });
});

describe('what starters report', () => {
  test('a report replaces the one of its starter, and is added else', () => {
    const second = {...REPORT, uuid: 'u2'};
    const renewed = {...REPORT, n_workers: 5};
    expect(withReport([REPORT], second)).toEqual([REPORT, second]);
    expect(withReport([REPORT, second], renewed)).toEqual([renewed, second]);
  });

  test.each([
    [{}, false],
    [{Running: {Tasking: 4}}, false],
    [{'Held: memory': {null: 3}, Running: {Tasking: 1}}, false],
    [{'Held: memory': {null: 4}}, true],
    [{'HELD: memory': {FatalError: 2}, Running: {FatalError: 2}}, true],
    [{'Held: memory': {FatalError: 2, null: 1}, Running: {FatalError: 0}}, false],
    [{Completed: {FatalError: 4}}, true],
  ])('with %j all workers are lost: %s', (statuses, isLost) => {
    expect(
      isPastHope([
        {...REPORT, n_workers: 9},
        {...REPORT, uuid: 'u2', statuses: statuses as ReportedCluster['statuses']},
      ]),
    ).toBe(isLost);
  });

  test('a starter that wants no workers has lost none', () => {
    expect(isPastHope([{...REPORT, n_workers: 0}])).toBe(false);
  });
});

describe('our own workers as older versions show them', () => {
  const scan = olderScan({jobs: workers, legacy: entry({...NO_LEGACY, clusters: [REPORT]})});

  test('stand before what starters reported, as HTCondor’s, with the names that the cluster’s settings give', () => {
    const [own, reported, ...more] = presentClusters(scan, clusters({local: {collector: 'c', schedd: 's'}}));
    expect(own).toEqual({
      orchestrator: 'condor',
      location: {collector: 'c', schedd: 's'},
      n_workers: 2,
      uuid: 's1-workers-1',
      cluster_id: 'workers-1',
      starter_info: {},
      statuses: {RUNNING: {Tasking: 2}},
      top_task_errors: {},
    });
    expect(reported).toEqual(REPORT);
    expect(more).toEqual([]);
    expect(presentClusters(scan, clusters({local: {engine: 'kubernetes', host: 'h'}}))[0]).toMatchObject({
      orchestrator: 'k8s',
      location: {host: 'h', namespace: 'local'},
    });
    expect(presentClusters(scan, new Map())[0]).toMatchObject({location: {collector: 'local', schedd: 'local'}});
    expect(presentCondorClusters(scan, new Map())).toEqual([{collector: 'local', schedd: 'local', cluster_id: 1, jobs: 2}]);
  });

  test('as pods: the newest try of each job', () => {
    expect(podStatuses(olderScan())).toEqual({pod_status: {}, pod_message: 'pod(s) not found', pod_status_message: 'pod(s) not found'});
    const waiting = olderScan({backlog: {...entry({timestamp: 1, priority: 0, pending_timestamp: 0, next_attempt: 0}), order: 'o'}});
    expect(podStatuses(waiting).pod_message).toBe('in backlog');
    const ended = aTry({handle: 'h', exit: {code: 1, reason: 'why', ended_at: '2026-01-01T00:00:00.000Z'}});
    const jobs = JobTable.of([
      ['server', entry(aJob({tries: [ended, aTry({try: 2})], tries_total: 2}))],
      ['workers-1', entry(aJob({type: 'workers', tries: [ended]}))],
    ]);
    const {pod_status, pod_message} = podStatuses(olderScan({jobs}));
    expect(pod_message).toBe('retrieved');
    expect(Object.keys(pod_status)).toEqual(['skyscan-s1-server-2', 'skyscan-s1-workers-1-1']);
    expect(pod_status['skyscan-s1-server-2']).toMatchObject({phase: 'Pending', container_statuses: [{name: 'server', restart_count: 1}]});
    expect(pod_status['skyscan-s1-workers-1-1']).toMatchObject({phase: 'Failed', message: 'why'});
  });
});

describe('pods as a cluster has them', () => {
  const seen = {
    ...{name: 's-1-abc', phase: 'Running', started_at: 'T0', pod_ip: '10.0.0.1', host_ip: '10.0.0.9', qos_class: 'Burstable'},
    containers: [
      {name: 'init', is_init: true as const, terminated: {exit_code: 0, reason: 'Completed'}},
      {name: 'main', image: 'i:1', ready: true as const, restart_count: 1, running: {started_at: 'T1'}},
    ],
  };
  const shown = (more: Partial<JobTry>): Record<string, unknown> => {
    const jobs = JobTable.of([['server', entry(aJob({tries: [aTry({handle: 'h', pods: [seen], ...more})]}))]]);
    return podStatuses(olderScan({jobs})).pod_status as Record<string, unknown>;
  };

  test('by their names, with what is not known as null', () => {
    expect(shown({})).toEqual({
      's-1-abc': {
        ...{conditions: [], ephemeral_container_statuses: null, host_ip: '10.0.0.9', message: null, nominated_node_name: null, phase: 'Running'},
        ...{pod_ip: '10.0.0.1', pod_i_ps: [{ip: '10.0.0.1'}], qos_class: 'Burstable', reason: null, start_time: 'T0'},
        container_statuses: [
          {name: 'main', image: 'i:1', ready: true, restart_count: 1, state: {waiting: null, running: {started_at: 'T1'}, terminated: null}},
        ],
        init_container_statuses: [
          {
            ...{name: 'init', image: null, ready: false, restart_count: 0},
            state: {
              ...{waiting: null, running: null},
              terminated: {exit_code: 0, reason: 'Completed', signal: null, message: null, started_at: null, finished_at: null},
            },
          },
        ],
      },
    });
  });

  test('one that went before anybody saw its end has that of its try', () => {
    expect(shown({exit: {code: null, reason: 'its node was lost', ended_at: 'T9'}})).toMatchObject({
      's-1-abc': {
        ...{phase: 'Failed', message: 'its node was lost'},
        container_statuses: [{ready: false, state: {running: null, terminated: {exit_code: null, reason: 'its node was lost', finished_at: 'T9'}}}],
        init_container_statuses: [{state: {terminated: {exit_code: 0}}}],
      },
    });
  });
});

describe('the version that a scanner is given an address of', () => {
  test.each([
    ['v1', '3.22.0', 'v1'],
    ['v1', '3.8.3', 'v1'],
    ['v1', '3.8.2', 'v0'],
    ['v1', 'v3', 'v1'],
    ['v1', '3.8', 'v1'],
    ['v1', '3.0.69', 'v0'],
    ['v0', '3.9.0', 'v1'],
    ['v1', '4.0.0', undefined],
    ['v0', '4', undefined],
    ['v0', '10.1.0', undefined],
    ['v0', 'latest', undefined],
    ['v0', 'my-branch-0123abc', 'v0'],
    ['v1', 'my-branch-0123abc', 'v1'],
    [undefined, '3.22.0', undefined],
    [undefined, 'my-branch-0123abc', undefined],
  ] as const)('a scan asked through %s with the image %s: %s', (generation, docker_tag, expected) => {
    const spec = aSpec({docker_tag});
    expect(scannerGeneration(generation === undefined ? spec : {...spec, generation})).toBe(expected);
  });
});

describe('manifests of older versions', () => {
  const request = {
    docker_tag: '3.22.0',
    scanner_server_env_from_user: [
      ['MY_SECRET', 'hidden'],
      ['PLAIN', true],
    ] as const,
    older: {max_worker_runtime: 60, skyscan_mq_client_timeout_wait_for_first_message: 5, memory: '8GB'},
  };
  const scan = aScan({spec: entry({...aSpec(request), generation: 'v1'})}) as Scan;
  const view = {clusters: clusters({local: {}}), address: 'http://api.example'};

  test('show what only they know, and never a secret', () => {
    const {ewms_task: task} = presentV1Manifest(scan, view) as {ewms_task: {tms_args: string[]; env_vars: {scanner_server: object[]}}};
    expect(task).toEqual({
      tms_args: [expect.stringMatching(/condor --collector local --schedd local start --n-workers 2 .* --max-worker-runtime 60 --priority 0$/)],
      env_vars: {scanner_server: expect.any(Array), tms_starters: [expect.any(Array)]},
      clusters: [],
      complete: false,
    });
    expect(task.env_vars.scanner_server).toEqual([
      {name: 'SKYSCAN_SKYDRIVER_ADDRESS', value: 'http://api.example/v1', value_from: null},
      {name: 'SKYSCAN_SKYDRIVER_SCAN_ID', value: 's1', value_from: null},
      {name: 'SKYSCAN_SKYDRIVER_AUTH', value: '***', value_from: null},
      {name: 'SKYSCAN_MQ_CLIENT_TIMEOUT_WAIT_FOR_FIRST_MESSAGE', value: '5', value_from: null},
      {name: 'EWMS_WORKER_MAX_WORKER_RUNTIME', value: '60', value_from: null},
      {name: 'EWMS_WORKER_MEMORY_BYTES', value: '8000000000', value_from: null},
      {name: 'MY_SECRET', value: '***', value_from: null},
      {name: 'PLAIN', value: 'True', value_from: null},
    ]);
    expect(JSON.stringify(presentV0Manifest(scan, view))).not.toContain('hidden');
  });

  test('a projection leaves out what is not asked', () => {
    expect(presentV1Manifest(scan, view, new Set(['priority', 'scan_id', 'nope']))).toEqual({scan_id: 's1', priority: 0});
  });

  test('the scanner is given an address of its own version, and its arguments', () => {
    const environment = new Map(scannerEnvironment('s1', scan.spec.value, 'http://api.example', 'token'));
    expect(environment.get('SKYSCAN_SKYDRIVER_ADDRESS')).toBe('http://api.example/v1');
    expect(environment.get('SKYSCAN_MQ_CLIENT_TIMEOUT_WAIT_FOR_FIRST_MESSAGE')).toBe('5');
    const newest = scannerEnvironment('s1', aSpec(), 'http://api.example', 'token');
    expect(newest.map(([name]) => name)).toEqual(['SKYSCAN_SKYDRIVER_ADDRESS', 'SKYSCAN_SKYDRIVER_SCAN_ID', 'SKYSCAN_SKYDRIVER_AUTH']);
    expect(newest[0]).toEqual(['SKYSCAN_SKYDRIVER_ADDRESS', 'http://api.example']);
  });
});

test('an operator may leave out most of what older clients report', () => {
  expect(parseLegacy('{}', 'k')).toEqual(NO_LEGACY);
  expect(parseLegacy('{"clusters": [{"uuid": "u", "n_workers": 1}]}', 'k').clusters[0]).toMatchObject({statuses: {}, top_task_errors: {}});
});
