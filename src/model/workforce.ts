import {unreachable} from '../lib/assert.ts';
import type {Job} from '../schema/job.ts';
import {workflowIdOf} from './manifest.ts';
import {openTry} from './job-table.ts';
import {describeExit} from './job-try.ts';
import type {ScanRecord} from './scan-record.ts';

/** Counts of worker processes by HTCondor status, then by pilot status. A pilot that has not reported has the name `null`. */
export type CompoundStatuses = Readonly<Record<string, Readonly<Record<string, number>>>>;

/**
 * The workers of a scan as SkyDriver's workload manager would report them.
 *
 * @see SkyDriver 2.x, GET /scan/ID/ewms/workforce
 */
export interface Workforce {
  readonly workflow_id: string;
  readonly statuses: CompoundStatuses;
  /** Worker processes that run and have not given up. A scanner server waits until there is one. */
  readonly n_running: number;
  /** How often each error ended a worker. */
  readonly top_errors: Readonly<Record<string, number>>;
}

/** What a taskforce adds to the workforce. An outside workload manager's may lack them, or hold what is no count. */
export interface TaskforceFacts {
  readonly compound_statuses?: CompoundStatuses | null;
  readonly top_task_errors?: Readonly<Record<string, number>> | null;
}

/** Pilots in these states run no task any more, whatever HTCondor says of them. */
const ENDED_PILOTS: ReadonlySet<string> = new Set(['FatalError', 'Done']);

/** The sum over taskforces. What is no number counts as nothing. */
export function workforceOf(workflowId: string, taskforces: Iterable<TaskforceFacts>): Workforce {
  // Names come from outside: one that an object has of its own must not be found there.
  const statuses = Object.create(null) as Record<string, Record<string, number>>;
  const errors = Object.create(null) as Record<string, number>;
  let running = 0;
  for (const {compound_statuses, top_task_errors} of taskforces) {
    for (const [condor, pilots] of Object.entries(compound_statuses ?? {})) {
      const group = (statuses[condor] ??= Object.create(null) as Record<string, number>);
      for (const [pilot, count] of Object.entries(pilots ?? {})) {
        if (typeof count !== 'number') continue;
        group[pilot] = (group[pilot] ?? 0) + count;
        if (condor === 'RUNNING' && !ENDED_PILOTS.has(pilot)) running += count;
      }
    }
    for (const [error, count] of Object.entries(top_task_errors ?? {})) if (typeof count === 'number') errors[error] = (errors[error] ?? 0) + count;
  }
  return {workflow_id: workflowId, statuses, n_running: running, top_errors: errors};
}

/** The workforce of a scan, from its jobs. */
export function presentWorkforce(scan: ScanRecord): Workforce {
  return workforceOf(workflowIdOf(scan), ownTaskforces(scan));
}

function* ownTaskforces(scan: ScanRecord): Iterable<TaskforceFacts> {
  for (const {value: job} of scan.jobs?.values() ?? []) if (job.type === 'workers') yield taskforceFacts(job);
}

/** What one workers job of ours adds to the workforce. */
export function taskforceFacts(job: Job): {readonly compound_statuses: CompoundStatuses; readonly top_task_errors: Readonly<Record<string, number>>} {
  const [condor, pilot] = statusOf(job);
  return {compound_statuses: {[condor]: {[pilot]: job.count}}, top_task_errors: job.failures > 0 ? {[describeExit(job)]: job.failures} : {}};
}

/** Of all workers of a job: `[HTCondor status, pilot status]`. */
function statusOf(job: Job): readonly [string, string] {
  const current = openTry(job);
  if (current !== undefined) return current.handle === undefined ? ['IDLE', 'null'] : ['RUNNING', 'Tasking'];
  switch (job.state) {
    case 'COMPLETE':
      return ['COMPLETED', 'Done'];
    case 'FAIL':
      return ['COMPLETED', 'FatalError'];
    case 'STOPPED':
      return ['REMOVED', 'null'];
    case 'SUSPENDED':
      return ['SUSPENDED', 'null'];
    case 'PENDING':
    case 'RUNNING':
    case 'UNKNOWN':
      return ['IDLE', 'null'];
    default:
      return unreachable(job.state);
  }
}
