import {expect, test} from 'vitest';
import {jobWrites} from '../../src/controllers/job-writes.ts';
import type {Launcher} from '../../src/controllers/launcher.ts';
import {JobTable} from '../../src/model/job-table.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {parseJob} from '../../src/schema/job.ts';
import type {Job} from '../../src/schema/job.ts';
import {DEFAULT_LIMITS} from '../../src/store/etcd-store.ts';
import {aJob, aTry, entry} from '../support/builders.ts';
import {FakeEngine} from '../support/fake-engine.ts';

const launcher = {engineAt: () => new FakeEngine()} as unknown as Launcher;
const open = aJob({type: 't'});
const done = (data: Job['data']): Job => ({
  ...open,
  state: 'COMPLETE',
  tries: [aTry({exit: {code: 0, ended_at: ''}})],
  ...(data === undefined ? {} : {data}),
});

function aRequest(...ids: readonly string[]): ScanRecord {
  const jobs = JobTable.of(ids.map((id) => [id, entry(open)]));
  return {
    id: 'r1',
    spec: entry({type: 'anything', args: {}}),
    control: entry({desired: 'run', generation: 0, is_deleted: false, extra_workers: []}, 77),
    jobs,
  };
}

test('data of as many bytes as a job may hand on can be stored, whatever its form', async () => {
  const numbers = Array.from({length: 131_000}, () => 1);
  let nested: unknown = numbers;
  for (let depth = 0; depth < 50; depth++) nested = [nested];
  const {ops} = await jobWrites(aRequest('a'), new Map([['a', done({nested})]]), {replica: 'r'}, launcher);
  const [record] = ops;
  if (record === undefined || !('put' in record)) throw new Error('no record');
  expect(record.value.length).toBeLessThan(DEFAULT_LIMITS.value);
  expect(parseJob(String(record.value), record.put).data).toEqual({nested});
});

test('jobs with much data go into as many transactions as have room for them', async () => {
  const changes = new Map(['a', 'b', 'c'].map((id) => [id, done({text: 'x'.repeat(256 * 1024 - 20)})]));
  const {ops, hasMore, bytes} = await jobWrites(aRequest('a', 'b', 'c'), changes, {replica: 'r'}, launcher);
  expect(hasMore).toBe(true);
  expect(ops.map((op) => ('put' in op ? op.put : ''))).toEqual(['/scan/r1/job/a', '~log/r1/a/1']);
  expect(bytes).toBeLessThan(DEFAULT_LIMITS.bytes / 2);
});

test('the end of a try is written only if what is wanted of its request is still what it was judged by', async () => {
  const {compares} = await jobWrites(aRequest('a'), new Map([['a', done(undefined)]]), {replica: 'r'}, launcher);
  expect(compares).toContainEqual({key: '/scan/r1/control', modRevision: 77});
});
