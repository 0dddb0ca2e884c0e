import {expect, test} from 'vitest';
import {compareJobLogs, compareJobStatuses, compareJobs} from '../../src/proto/index.ts';
import {aJob, aLog, aStatus} from '../support/wire-objects.ts';

test('log entries are ordered by request, then job, then try', () => {
  const entries = ['r2 a 1', 'r1 b 1', 'r1 a 10', 'r1 a 2'].map((text) => {
    const [requestId = '', jobId = '', tried] = text.split(' ');
    return {...aLog(), requestId, jobId, try: Number(tried)};
  });
  expect(entries.toSorted(compareJobLogs).map((log) => `${log.requestId} ${log.jobId} ${log.try}`)).toEqual([
    'r1 a 2',
    'r1 a 10',
    'r1 b 1',
    'r2 a 1',
  ]);
});

test('job statuses are ordered by start to the nanosecond', () => {
  const starts = [1614834367891234568n, 5n, 1614834367891234567n];
  const sorted = starts.map((startedAt) => ({...aStatus(), startedAt})).toSorted(compareJobStatuses);
  expect(sorted.map(({startedAt}) => startedAt)).toEqual([5n, 1614834367891234567n, 1614834367891234568n]);
});

test('jobs are ordered by the bytes of their ids', () => {
  const sorted = ['b000', 'B000', 'a000', '9000'].map((id) => ({...aJob(), id})).toSorted(compareJobs);
  expect(sorted.map(({id}) => id)).toEqual(['9000', 'B000', 'a000', 'b000']);
});
