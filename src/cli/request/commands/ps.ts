import {ControlPlaneError} from '../../../lib/errors.ts';
import {compareJobStatuses} from '../../../proto/sort.ts';
import type {RunningStatus} from '../../../proto/types.ts';
import {checkedId, resultCommand, usageOf} from '../command.ts';
import type {View} from '../command.ts';
import {percentOf} from '../present.ts';
import {table} from '../../text.ts';
import type {Column} from '../../text.ts';
import {elapsed} from '../times.ts';

const COLUMNS: readonly Column[] = [
  {title: 'REQUEST', width: 20},
  {title: 'ID', width: 20, isWhole: true},
  {title: 'PRG', width: 4, align: 'right'},
  {title: 'USER', width: 9, indent: 1},
  {title: 'RUNTIME', width: 8},
  {title: 'TRY', width: 3, align: 'right'},
  {title: 'JOB', width: 22},
  {title: 'STATUS'},
];

/** One line for each job that runs, oldest first. A job whose request the server did not name has a line too. */
export function showRunning({jobs, requests}: RunningStatus, {nowMs}: View): string {
  const requestOf = new Map(Object.entries(requests));
  const rows = jobs.toSorted(compareJobStatuses).map((job) => {
    const request = requestOf.get(job.requestId);
    return [
      request?.type ?? '',
      job.requestId,
      request === undefined ? '' : percentOf(request),
      request?.user ?? '',
      elapsed(Number(job.startedAt / 1_000_000n), nowMs),
      String(job.try),
      job.name,
      job.status ?? '',
    ];
  });
  return table(COLUMNS, rows);
}

const facts = {name: 'ps', usage: '[id]', summary: 'show jobs that run, of one request or of all'};

export const ps = resultCommand<RunningStatus>({
  ...facts,
  query: ({api, line}) => {
    const [id] = line.args;
    if (line.args.length > 1) throw new ControlPlaneError('invalid', usageOf(facts));
    return api.getRunning(id === undefined ? {} : {requestId: checkedId(id)});
  },
  show: showRunning,
});
