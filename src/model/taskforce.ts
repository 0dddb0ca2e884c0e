import {createHash} from 'node:crypto';
import type {Cluster} from '../schema/cluster.ts';
import type {Job, JobTry} from '../schema/job.ts';
import {isTerminal} from '../schema/state.ts';
import {workflowIdOf} from './manifest.ts';
import type {Scan} from './manifest.ts';
import {openTry} from './job-table.ts';
import {taskforceFacts} from './workforce.ts';
import type {CompoundStatuses} from './workforce.ts';

/** The workload manager's phases of a taskforce, in their order. @see EWMS taskforce object */
export const PHASES = [
  'pre-mq-activation',
  'pre-launch',
  'pending-starter',
  'condor-submit',
  'pending-stopper',
  'condor-rm',
  'condor-complete',
] as const;
export type Phase = (typeof PHASES)[number];

/** One step of a taskforce. Times are seconds since 1970. */
export interface PhaseChange {
  readonly target_phase: Phase;
  readonly timestamp: number;
  readonly source_event_time: number;
  readonly was_successful: boolean;
  readonly actor: string;
  readonly context: string;
}

/**
 * One workers job of ours, in the shape in which SkyDriver's users know the taskforces of its workload manager.
 *
 * `cluster_id` is what our engine calls the job. What has no counterpart with us (submit description, event log) is empty.
 */
export interface OwnTaskforce {
  readonly taskforce_uuid: string;
  readonly task_id: string;
  readonly workflow_id: string;
  readonly timestamp: number;
  readonly priority: number;
  readonly collector: string;
  readonly schedd: string;
  readonly n_workers: number;
  readonly worker_config: Readonly<Record<string, unknown>>;
  readonly pilot_config: Readonly<Record<string, unknown>>;
  readonly cluster_id: string | null;
  readonly submit_dict: Readonly<Record<string, never>>;
  readonly job_event_log_fpath: '';
  readonly phase: Phase;
  readonly phase_change_log: readonly PhaseChange[];
  readonly compound_statuses: CompoundStatuses;
  readonly top_task_errors: Readonly<Record<string, number>>;
}

/** The taskforces of a scan, one per workers job in the order of their names; none before they are launched. */
export function presentTaskforces(scan: Scan, clusterOf: (name: string) => Cluster | undefined): OwnTaskforce[] {
  const {request} = scan.spec.value;
  const workflowId = workflowIdOf(scan);
  const jobs = [...(scan.jobs ?? [])].filter(([, {value}]) => value.type === 'workers').sort(([a], [b]) => (a < b ? -1 : 1));
  return jobs.map(([name, {value: job}]) => {
    const settings = clusterOf(job.cluster)?.settings;
    const [first] = job.tries;
    return {
      taskforce_uuid: taskforceUuid(scan.id, name),
      task_id: scan.id,
      workflow_id: workflowId,
      timestamp: first === undefined ? 0 : seconds(first.intent_at),
      priority: scan.control?.value.priority ?? request.priority,
      collector: settings?.collector ?? '',
      schedd: settings?.schedd ?? '',
      n_workers: job.count,
      worker_config: {n_cores: 1, worker_disk: request.worker_disk_bytes, worker_memory: request.worker_memory_bytes},
      pilot_config: {tag: request.docker_tag, environment: {}, input_files: []},
      cluster_id: job.tries.at(-1)?.handle ?? null,
      submit_dict: {},
      job_event_log_fpath: '',
      phase: phaseOf(scan, job),
      phase_change_log: job.tries.flatMap((each) => changesOf(each)),
      ...taskforceFacts(job),
    };
  });
}

/** The same for the same job, whoever computes it: a UUID of version 8 made of the SHA-256 of its name. @see RFC 9562, 5.8 */
export function taskforceUuid(scanId: string, job: string): string {
  const hex = createHash('sha256').update(`${scanId}/${job}`).digest('hex');
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 3) | 8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function phaseOf(scan: Scan, job: Job): Phase {
  const current = openTry(job);
  if (current !== undefined) {
    const control = scan.control?.value;
    const isUnwanted = control?.is_deleted === true || (control !== undefined && control.desired !== 'run');
    if (isUnwanted || (scan.state !== undefined && isTerminal(scan.state.value.name))) return 'pending-stopper';
    return current.handle === undefined ? 'pending-starter' : 'condor-submit';
  }
  if (job.state === 'STOPPED') return 'condor-rm';
  return job.state === 'COMPLETE' || job.state === 'FAIL' ? 'condor-complete' : 'pre-launch';
}

function changesOf({intent_at, started_at, exit, handle}: JobTry): PhaseChange[] {
  const changes = [change('pending-starter', intent_at, true, '')];
  if (started_at !== undefined) changes.push(change('condor-submit', started_at, true, handle ?? ''));
  if (exit !== undefined) {
    const isStopped = exit.reason?.startsWith('stopped') === true;
    changes.push(change(isStopped ? 'condor-rm' : 'condor-complete', exit.ended_at, isStopped || exit.code === 0, exit.reason ?? ''));
  }
  return changes;
}

function change(phase: Phase, time: string, wasSuccessful: boolean, context: string): PhaseChange {
  const timestamp = seconds(time);
  return {target_phase: phase, timestamp, source_event_time: timestamp, was_successful: wasSuccessful, actor: 'scanplane', context};
}

/** Seconds since 1970 of an RFC 3339 text; 0 for one that nobody can read. */
function seconds(time: string): number {
  const ms = Date.parse(time);
  return Number.isNaN(ms) ? 0 : ms / 1000;
}
