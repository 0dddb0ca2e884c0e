import {describe, expect, test} from 'vitest';
import {findScans} from '../../src/api/scans/find.ts';
import type {FindLimits, Found} from '../../src/api/scans/find.ts';
import type {FindScansBody} from '../../src/api/scans/schema.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {mergeSort} from '../../src/lib/merge-sort.ts';
import {Pace} from '../../src/lib/pace.ts';
import {SCAN_INDEXES} from '../../src/model/scan-indexes.ts';
import {IndexedScans} from '../../src/store/indexed-scans.ts';
import {aScan, aSpec, entry} from '../support/builders.ts';
import {seededRandom} from '../support/seeded-random.ts';

const SCANS = 100_000;
const LIMITS: FindLimits = {seconds: 60, rows: SCANS, bytes: Infinity};

/** Scans in no order, with the priorities 0 to 9. */
function manyScans(count: number): IndexedScans {
  const scans = new IndexedScans(SCAN_INDEXES);
  const specs = Array.from({length: 10}, (_, priority) => entry(aSpec({priority})));
  for (let n = 0; n < count; n++) {
    const id = `s${((n * 7919) % count).toString().padStart(6, '0')}`;
    scans.replace(id, undefined, aScan({id, spec: specs[n % 10] as (typeof specs)[number]}));
  }
  return scans;
}

const scans = manyScans(SCANS);

function find(body: FindScansBody, limits: Partial<FindLimits> = {}, isWanted = (): boolean => true): Promise<Found> {
  return findScans(scans, body, new Pace(systemClock, isWanted), {...LIMITS, ...limits});
}

function threadMs(): number {
  const {user, system} = process.threadCpuUsage();
  return (user + system) / 1000;
}

/** The longest that this thread worked in one turn of the event loop while `work` ran, in milliseconds of processor time: what other processes take does not count. */
async function longestTurnDuring(work: Promise<unknown>): Promise<number> {
  let isDone = false;
  let longest = 0;
  const watching = (async () => {
    for (let last = threadMs(); !isDone;) {
      await new Promise((resolve) => setImmediate(resolve));
      const now = threadMs();
      longest = Math.max(longest, now - last);
      last = now;
    }
  })();
  await work.finally(() => (isDone = true));
  await watching;
  return longest;
}

describe('a search among 100,000 scans', () => {
  test('finds each match, by id', async () => {
    const {scans: found, nextAfter} = await find({filter: {priority: {$lt: 3}}});
    expect(found).toHaveLength(30_000);
    expect(found.map((scan) => scan.id)).toEqual(found.map((scan) => scan.id).toSorted());
    expect(nextAfter).toBeUndefined();
  });

  test.each<[string, FindScansBody]>([
    ['all', {filter: {}}],
    ['nothing', {filter: {$or: Array.from({length: 50}, (_, n) => ({scan_id: `${n}`}))}}],
    ['a regular expression', {filter: {scan_id: {$regex: '(s|0)*[1-3]+$'}}, limit: 500}],
    ['pages', {filter: {priority: 3}, limit: 10, after: 's050000'}],
  ])('never holds the event loop for long: %s', async (_, body) => {
    await find(body); // Compiled by then.
    const four = Promise.all([find(body), find(body), find(body), find(body)]);
    // The first may meet a collection of all garbage, of other tests too.
    const turnsTaken = [await longestTurnDuring(four), await longestTurnDuring(find(body))];
    expect(Math.min(...turnsTaken)).toBeLessThan(50);
  });

  test('gives page after page what it would give at once', async () => {
    const body = {filter: {priority: {$in: [1, 2]}}};
    const whole = await find(body);
    const ids: string[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const page: Found = await find({...body, limit: 3000, after});
      expect(page.scans.length).toBeLessThanOrEqual(3000);
      ids.push(...page.scans.map((scan) => scan.id));
      after = page.nextAfter;
    }
    expect(ids).toEqual(whole.scans.map((scan) => scan.id));
  });

  test('is refused when it takes too long, unless it is paged: then the page ends early, and the next goes on', async () => {
    const filter = {$nor: Array.from({length: 30}, (_, n) => ({scanner_server_args: {$regex: `${n}x*y`}}))};
    await expect(find({filter}, {seconds: 0.05})).rejects.toThrow('takes more than 0.05 s--narrow its filter');
    const first = await find({filter, limit: SCANS}, {seconds: 0.05});
    expect(first.scans.length).toBeLessThan(SCANS);
    const second = await find({filter, limit: SCANS, after: first.nextAfter as string}, {seconds: 0.05});
    expect((second.scans[0] as {id: string}).id > (first.nextAfter as string)).toBe(true);
  });

  test('is refused when more match than an answer may hold', async () => {
    await expect(find({filter: {}}, {rows: 999})).rejects.toThrow("more than 999 scans match--ask for pages with 'limit' and 'after'");
    expect((await find({filter: {}, after: 's000000'}, {rows: 999})).scans).toHaveLength(999);
  });

  test('ends when nobody waits for it any more', async () => {
    await expect(find({filter: {}}, {}, () => false)).rejects.toThrow('Bad Request');
  });

  test('judges each scan by what it was when the search began', async () => {
    const few = manyScans(20_000);
    const before = [...few.values()];
    const searching = findScans(few, {filter: {priority: {$gte: 0}}}, new Pace(systemClock), LIMITS);
    for (const scan of before) few.replace(scan.id, scan, undefined);
    expect((await searching).scans).toHaveLength(20_000);
  });
});

test('sorting in steps sorts', async () => {
  const random = seededRandom(3);
  for (const length of [0, 1, 4096, 4097, 30_000]) {
    const items = Array.from({length}, () => Math.floor(random() * 1000));
    let pauses = 0;
    const pause = (): undefined => void pauses++;
    expect(await mergeSort(items, (a, b) => a - b, pause)).toEqual(items.toSorted((a, b) => a - b));
    expect(pauses).toBeGreaterThanOrEqual(Math.floor(length / 4096));
  }
});
