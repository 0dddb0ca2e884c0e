import {runningJobs} from '../../model/chain-view.ts';
import {isScan} from '../../model/manifest.ts';
import {isRequest, presentSummary} from '../../model/request-view.ts';
import {compareJobStatuses} from '../../proto/sort.ts';
import type {StatusFilter} from '../../proto/filter.ts';
import type {JobStatus, Request, RunningStatus} from '../../proto/types.ts';
import type {RouteDeps} from '../deps.ts';

/** What runs now, those jobs first that began first, and the requests that they are of. */
export function runningStatus({cache}: RouteDeps, {requestId}: StatusFilter, seesScans: boolean): RunningStatus {
  const jobs: JobStatus[] = [];
  const requests: [string, Request][] = [];
  for (const id of requestId === undefined ? cache.scans.idsBy('state', 'RUNNING') : [requestId]) {
    const record = cache.scans.get(id);
    if (!isRequest(record) || (isScan(record) && !seesScans)) continue;
    const before = jobs.length;
    for (const job of runningJobs(record)) jobs.push(job);
    if (jobs.length > before) requests.push([id, presentSummary(record)]);
  }
  return {jobs: jobs.sort(compareJobStatuses), requests: Object.fromEntries(requests)};
}
