import {expect, test} from 'vitest';
import {Placement} from '../../src/model/placement.ts';
import type {LiveReplica} from '../../src/model/placement.ts';
import {aJob, aScan, aTry, entry} from '../support/builders.ts';
import {JobTable} from '../../src/model/job-table.ts';

const replica = (id: string, place?: string): LiveReplica => ({
  id,
  replica: {hostname: 'h', pid: 1, started_at: '', places: place === undefined ? {} : {process: place}},
});
const live = [replica('a', 'host1'), replica('b', 'host2'), replica('c', 'host2'), replica('without')];
const placement = new Placement(live, () => 'process');

test('who serves a scan’s clusters tries first, in an order of their own; who does not waits long', () => {
  const waiting = aScan();
  expect(['a', 'b', 'c'].map((id) => placement.rank(waiting, id)).toSorted((a, b) => a - b)).toEqual([0, 1, 2]);
  expect(placement.rank(waiting, 'without')).toBeGreaterThan(10);
});

test('who shares the place where the jobs run tries first, since only it can adopt them', () => {
  const running = aScan({jobs: JobTable.of([['server', entry(aJob({tries: [aTry({place: 'host2', handle: 'h'})]}))]])});
  expect(['b', 'c'].map((id) => placement.rank(running, id)).toSorted((a, b) => a - b)).toEqual([0, 1]);
  expect(placement.rank(running, 'a')).toBeGreaterThan(10);
});

test('where nobody can do anything for a scan, somebody leads it all the same', () => {
  const alone = new Placement([replica('without')], () => 'process');
  expect(alone.rank(aScan(), 'without')).toBe(0);
});

test('a replica that is not announced yet stays behind those that can adopt a scan’s jobs: it may not be able to', () => {
  const running = aScan({jobs: JobTable.of([['server', entry(aJob({tries: [aTry({place: 'host1', handle: 'h'})]}))]])});
  expect(placement.rank(running, 'a')).toBe(0);
  expect(placement.rank(running, 'new')).toBeGreaterThan(10);
});
