import type {StateName} from '../proto/state.ts';
import type {PlannedJob} from '../schema/chain.ts';
import {isStoredChain} from '../schema/chain.ts';
import type {Job} from '../schema/job.ts';
import {isTerminal} from '../schema/state.ts';
import {SERVER_JOB} from './chain.ts';
import {openTry} from './job-table.ts';
import type {Scan} from './manifest.ts';

/** A job of a sky scan: what is planned or was, and its state. */
export interface ScanJob {
  readonly planned: PlannedJob;
  readonly state: StateName;
  readonly record?: Job;
}

/**
 * The jobs of a sky scan, by id: its server, a workers job for each entry of what was asked, and those that came later. There is no order among them.
 * Once it has ended: those that ever ran.
 */
export function scanJobs(scan: Scan): ReadonlyMap<string, ScanJob> {
  const jobs = new Map<string, ScanJob>();
  const isEnded = isTerminal(scan.state?.value.name ?? 'PENDING');
  if (!isEnded || scan.jobs === undefined) for (const [id, planned] of plannedJobs(scan)) jobs.set(id, {planned, state: 'PENDING'});
  for (const [id, {value}] of scan.jobs ?? []) {
    const {type, cluster, count, retry} = value;
    const state = openTry(value) !== undefined ? 'RUNNING' : value.state === 'RUNNING' ? 'PENDING' : value.state;
    jobs.set(id, {planned: {type, cluster, count, retry}, state, record: value});
  }
  return jobs;
}

function* plannedJobs({spec, chain}: Scan): Generator<readonly [string, PlannedJob]> {
  const stored = chain === undefined || isStoredChain(chain.value) ? undefined : chain.value.jobs;
  const entries = spec.value.request.request_clusters;
  const server: PlannedJob = {type: 'scanner-server', cluster: entries[0]?.[0] ?? '', count: 1, retry: 0};
  yield [SERVER_JOB, stored?.[SERVER_JOB] ?? server];
  for (const [at, [cluster, count]] of entries.entries()) {
    const id = `workers-${at + 1}`;
    yield [id, stored?.[id] ?? {type: 'workers', cluster, count, retry: 0}];
  }
}
