import {describe, expect, test} from 'vitest';
import type {Scan} from '../../src/model/manifest.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {presentTaskforces, taskforceUuid} from '../../src/model/taskforce.ts';
import {presentWorkforce, workforceOf} from '../../src/model/workforce.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {Job} from '../../src/schema/job.ts';
import {aJob, aScan, aTry, entry} from '../support/builders.ts';
import {JobTable} from '../../src/model/job-table.ts';

const workers = (more: Partial<Job> = {}): Job => aJob({type: 'workers', count: 3, ...more});
const exit = (code: number | null, reason?: string) => ({code, ended_at: '2026-01-01T00:02:00.000Z', ...(reason === undefined ? {} : {reason})});
const running = aTry({handle: 'h1', started_at: '2026-01-01T00:01:00.000Z'});
const withJobs = (jobs: Readonly<Record<string, Job>>, more: Partial<ScanRecord> = {}): Scan =>
  aScan({jobs: JobTable.of(Object.entries(jobs).map(([name, job]) => [name, entry(job)])), ...more}) as Scan;
const phaseOf = (job: Job, more: Partial<ScanRecord> = {}): string | undefined =>
  presentTaskforces(withJobs({'workers-1': job}, more), () => undefined)[0]?.phase;

describe('taskforces of our own jobs', () => {
  test('there is one per workers job, and none before they are launched', () => {
    expect(presentTaskforces(aScan() as Scan, () => undefined)).toEqual([]);
    const found = presentTaskforces(withJobs({server: aJob(), 'workers-2': workers(), 'workers-1': workers()}), () => undefined);
    expect(found.map(({taskforce_uuid}) => taskforce_uuid)).toEqual([taskforceUuid('s1', 'workers-1'), taskforceUuid('s1', 'workers-2')]);
  });

  test('one has all fields that users know', () => {
    const cluster = {engine: 'process', capacity: 1, settings: {schedd: 'sched.example'}};
    const [taskforce] = presentTaskforces(withJobs({'workers-1': workers({tries: [running]})}), () => cluster);
    expect(taskforce).toEqual({
      taskforce_uuid: taskforceUuid('s1', 'workers-1'),
      task_id: 's1',
      workflow_id: 's1',
      timestamp: Date.parse('2026-01-01T00:00:00.000Z') / 1000,
      priority: 0,
      collector: '',
      schedd: 'sched.example',
      n_workers: 3,
      worker_config: {n_cores: 1, worker_disk: 1_000_000_000, worker_memory: 8_000_000_000},
      pilot_config: {tag: 'latest', environment: {}, input_files: []},
      cluster_id: 'h1',
      submit_dict: {},
      job_event_log_fpath: '',
      phase: 'condor-submit',
      phase_change_log: [
        expect.objectContaining({target_phase: 'pending-starter', was_successful: true}),
        expect.objectContaining({target_phase: 'condor-submit', timestamp: Date.parse('2026-01-01T00:01:00.000Z') / 1000, context: 'h1'}),
      ],
      compound_statuses: {RUNNING: {Tasking: 3}},
      top_task_errors: {},
    });
  });

  test('ids are the same whoever computes them, and differ from job to job', () => {
    expect(taskforceUuid('s1', 'workers-1')).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(taskforceUuid('s1', 'workers-1')).toBe(taskforceUuid('s1', 'workers-1'));
    expect(taskforceUuid('s1', 'workers-1')).not.toBe(taskforceUuid('s1', 'workers-2'));
  });

  test('a job goes through the phases', () => {
    const stop = {control: entry({...DEFAULT_CONTROL, desired: 'stop'} as const)};
    expect(phaseOf(workers())).toBe('pending-starter');
    expect(phaseOf(workers({tries: [running]}))).toBe('condor-submit');
    expect(phaseOf(workers({tries: [running]}), stop)).toBe('pending-stopper');
    expect(phaseOf(workers({state: 'STOPPED', tries: [{...running, exit: exit(null, 'stopped')}]}))).toBe('condor-rm');
    expect(phaseOf(workers({state: 'COMPLETE', tries: [{...running, exit: exit(0)}]}))).toBe('condor-complete');
    expect(phaseOf(workers({state: 'PENDING', tries: [{...running, exit: exit(1)}]}))).toBe('pre-launch');
  });

  test('a job that failed tells its error and how often', () => {
    const failed = workers({state: 'FAIL', failures: 3, tries: [{...running, exit: exit(1, 'no space left')}]});
    const [taskforce] = presentTaskforces(withJobs({'workers-1': failed}), () => undefined);
    expect(taskforce).toMatchObject({compound_statuses: {COMPLETED: {FatalError: 3}}, top_task_errors: {'no space left': 3}});
  });
});

describe('the workforce', () => {
  test('sums the taskforces; a worker that has given up does not run', () => {
    const taskforces = [
      {compound_statuses: {RUNNING: {Tasking: 2, FatalError: 1, Done: 1, null: 1}, IDLE: {null: 4}}, top_task_errors: {boom: 2}},
      {compound_statuses: {RUNNING: {Tasking: 3}, 'HELD: no disk': {null: 1}}, top_task_errors: {boom: 1, bang: 1}},
    ];
    expect(workforceOf('W', taskforces)).toEqual({
      workflow_id: 'W',
      statuses: {RUNNING: {Tasking: 5, FatalError: 1, Done: 1, null: 1}, IDLE: {null: 4}, 'HELD: no disk': {null: 1}},
      n_running: 6,
      top_errors: {boom: 3, bang: 1},
    });
  });

  test('what an outside workload manager left out or muddled counts as nothing', () => {
    const muddled = [{}, {compound_statuses: null, top_task_errors: null}, {compound_statuses: {RUNNING: {Tasking: 'many'}}}] as unknown as [];
    expect(workforceOf('W', muddled)).toEqual({workflow_id: 'W', statuses: {RUNNING: {}}, n_running: 0, top_errors: {}});
  });

  test('names that every object knows are names like others', () => {
    const taskforces = JSON.parse('[{"compound_statuses": {"__proto__": {"hacked": 1}}, "top_task_errors": {"constructor": 2}}]') as [];
    const workforce = workforceOf('W', taskforces);
    expect(({} as {hacked?: number}).hacked).toBeUndefined();
    expect(JSON.stringify(workforce)).toBe('{"workflow_id":"W","statuses":{"__proto__":{"hacked":1}},"n_running":0,"top_errors":{"constructor":2}}');
  });

  test('of our own jobs it says the same as their taskforces', () => {
    const scan = withJobs({server: aJob(), 'workers-1': workers({tries: [running]}), 'workers-2': workers({count: 1})});
    expect(presentWorkforce(scan)).toEqual(
      workforceOf(
        's1',
        presentTaskforces(scan, () => undefined),
      ),
    );
    expect(presentWorkforce(scan)).toMatchObject({statuses: {RUNNING: {Tasking: 3}, IDLE: {null: 1}}, n_running: 3});
  });
});
