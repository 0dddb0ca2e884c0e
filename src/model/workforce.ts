import {unreachable} from '../lib/assert.ts';
import type {Job} from '../schema/job.ts';
import {workflowIdOf} from './manifest.ts';
import {describeExit, openTry} from './scan-plan.ts';
import type {ScanRecord} from './scan-record.ts';

/**
 * The workers of a scan as SkyDriver's workload manager would report them: counts of worker processes by HTCondor status and pilot status.
 * A pilot that has not reported has the name `null`.
 */
export interface Workforce {
  readonly workflow_id: string;
  readonly statuses: Readonly<Record<string, Readonly<Record<string, number>>>>;
  /** Worker processes that run. A scanner server waits until there is one. */
  readonly n_running: number;
  /** How often each error ended a workers job. */
  readonly top_errors: Readonly<Record<string, number>>;
}

/** What a workers job adds to the counts: `[HTCondor status, pilot status]`. */
function statusOf(job: Job): readonly [string, string] {
  if (openTry(job) !== undefined) return openTry(job)?.handle === undefined ? ['IDLE', 'null'] : ['RUNNING', 'Tasking'];
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

/** The workforce of a scan, from its jobs. */
export function presentWorkforce(scan: ScanRecord): Workforce {
  const statuses: Record<string, Record<string, number>> = {};
  const errors: Record<string, number> = {};
  let running = 0;
  for (const {value: job} of scan.jobs?.values() ?? []) {
    if (job.type !== 'workers') continue;
    const [condor, pilot] = statusOf(job);
    const group = (statuses[condor] ??= {});
    group[pilot] = (group[pilot] ?? 0) + job.count;
    if (condor === 'RUNNING') running += job.count;
    if (job.failures > 0) errors[describeExit(job)] = (errors[describeExit(job)] ?? 0) + job.failures;
  }
  return {workflow_id: workflowIdOf(scan), statuses, n_running: running, top_errors: errors};
}
