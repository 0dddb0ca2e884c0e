import {describe, expect, test} from 'vitest';
import type {Scan} from '../../src/model/manifest.ts';
import type {ScanRecord} from '../../src/model/scan-record.ts';
import {WATCHDOG_CONDITIONS, WATCHDOG_POLICY, toBeReplaced} from '../../src/model/watchdog.ts';
import type {Suspect} from '../../src/model/watchdog.ts';
import {DEFAULT_CONTROL} from '../../src/schema/control.ts';
import type {JobExit} from '../../src/schema/job.ts';
import {aJob, aSpec, aTry, entry} from '../support/builders.ts';
import {JobTable} from '../../src/model/job-table.ts';

const NOW = Date.parse('2026-01-02T00:00:00.000Z');
const ago = (seconds: number): string => new Date(NOW - seconds * 1000).toISOString();
const SIGKILL: Partial<JobExit> = {code: null, signal: 'SIGKILL'};

/** A scan whose server was killed in its last try, ten minutes after its start. */
function killed(id: string, more: Partial<ScanRecord> = {}, exit: Partial<JobExit> = SIGKILL): Scan {
  const last = aTry({exit: {code: 1, ended_at: ago(1), ...exit}});
  const job = aJob({state: 'FAIL', failures: 3, tries_total: 3, tries: [last]});
  return {
    id,
    spec: entry({...aSpec(), created_at: NOW / 1000 - 700}),
    state: entry({name: 'FAIL', attempt: 1, started_at: ago(600), ended_at: ago(1)}),
    jobs: JobTable.of([['server', entry(job)]]),
    ...more,
  } as Scan;
}

const suspect = (scan: Scan, ...family: Scan[]): Suspect => ({scan, family: () => family});
const isReplaced = (scan: Scan, family: readonly Scan[] = [scan]): boolean =>
  toBeReplaced([suspect(scan, ...family)], NOW, WATCHDOG_POLICY).length === 1;
const rescanOf = (root: string, id: string, secondsAgo: number): Scan =>
  killed(id, {spec: entry({...aSpec(), created_at: NOW / 1000 - secondsAgo, lineage: {origin_scan_id: root, root_scan_id: root}})});

test('case 52: of five candidates, each condition leaves one out, and the one that passes all is replaced', () => {
  const a = killed('a');
  const b = killed('b', {result: entry({is_final: true, blob: {}}) as never});
  const c = killed('c');
  const d = killed('d');
  const e = killed('e', {}, {code: 1});
  const suspects: Suspect[] = [
    suspect(a, a),
    suspect(b, b),
    suspect(c, c, rescanOf('c', 'c2', 10)),
    suspect(rescanOf('d', 'd4', 10), d, rescanOf('d', 'd2', 30), rescanOf('d', 'd3', 20), rescanOf('d', 'd4', 10)),
    suspect(e, e),
  ];
  const left: number[] = [];
  let passing = suspects;
  for (const condition of WATCHDOG_CONDITIONS) {
    left.push(passing.length);
    passing = passing.filter((each) => condition.holds(each, NOW, WATCHDOG_POLICY));
  }
  expect(left).toEqual([5, 5, 5, 4, 3, 2]);
  expect(passing.map(({scan}) => scan.id)).toEqual(['a']);
  expect(toBeReplaced(suspects, NOW, WATCHDOG_POLICY).map(({scan}) => scan.id)).toEqual(['a']);
});

describe('case 53: the limits', () => {
  test.each([
    [58, false],
    [60, true],
    [3599, true],
    [3601, false],
  ])('started %i s ago: %s', (seconds, expected) => {
    const scan = killed('a', {state: entry({name: 'FAIL', attempt: 1, started_at: ago(seconds)})});
    expect(isReplaced(scan)).toBe(expected);
  });

  test.each([
    [3, true],
    [4, false],
  ])('%i scans of the family within ten hours: %s', (count, expected) => {
    const family = [killed('a'), ...Array.from({length: count - 1}, (_, n) => rescanOf('a', `a${n}`, 500 - n))];
    expect(isReplaced(family.at(-1) as Scan, family)).toBe(expected);
  });

  test('scans of the family from before count no more', () => {
    const old = [1, 2, 3, 4].map((n) => rescanOf('a', `old${n}`, 36_100 + n));
    const newest = rescanOf('a', 'z', 600);
    expect(isReplaced(newest, [killed('a'), ...old, newest])).toBe(true);
  });

  test.each<[Partial<JobExit>, boolean]>([
    [{code: 137}, true],
    [{code: 143}, true],
    [{code: 1}, false],
    [{code: 0}, false],
    [{code: null, signal: 'SIGKILL'}, true],
    [{code: null, signal: 'SIGTERM'}, true],
    [{code: null, signal: 'SIGSEGV'}, false],
    [{code: null, reason: 'OOMKilled'}, true],
    [{code: 1, reason: 'Evicted'}, true],
    [{code: 1, reason: 'DeadlineExceeded'}, true],
    [{code: 128, reason: 'StartError'}, true],
    [{code: null, reason: 'CrashLoopBackOff'}, true],
    [{code: null, reason: 'its host does not answer for it any more'}, false],
  ])('a server that ended with %o: %s', (exit, expected) => {
    expect(isReplaced(killed('a', {}, exit))).toBe(expected);
  });
});

describe('a scan that is left alone', () => {
  test.each([
    ['a user deleted it', {...DEFAULT_CONTROL, is_deleted: true, desired: 'stop' as const}],
    ['an operator stopped it', {...DEFAULT_CONTROL, desired: 'stop' as const}],
    ['it is suspended', {...DEFAULT_CONTROL, desired: 'suspend' as const}],
  ])('because %s', (_, control) => {
    expect(isReplaced(killed('a', {control: entry(control)}))).toBe(false);
  });

  test('because its server is still being tried', () => {
    const scan = killed('a', {state: entry({name: 'RUNNING', attempt: 1, started_at: ago(600)})});
    expect(isReplaced(scan)).toBe(false);
  });

  test('because it was the workers that failed', () => {
    const jobs = JobTable.of([['server', entry(aJob())]]);
    expect(isReplaced(killed('a', {jobs}))).toBe(false);
  });

  test('because its start is not known', () => {
    expect(isReplaced(killed('a', {state: entry({name: 'FAIL', attempt: 1})}))).toBe(false);
  });

  test('because it is not the newest of its family', () => {
    const first = rescanOf('a', 'b', 500);
    const second = rescanOf('a', 'c', 400);
    const family = [killed('a'), first, second];
    expect(isReplaced(first, family)).toBe(false);
    expect(isReplaced(second, family)).toBe(true);
  });
});
