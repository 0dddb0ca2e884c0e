import {describe, expect, test} from 'vitest';
import {JobTable} from '../../../src/model/job-table.ts';
import {ChainWorld, aChain} from '../../support/chain-world.ts';
import type {Play} from '../../support/chain-world.ts';
import {aTry, entry} from '../../support/builders.ts';

const diamond = (more: Parameters<typeof aChain>[1] = {}): ReturnType<typeof aChain> => aChain({1: [2, 3], 2: [4], 3: [4]}, more);
const long: Play = {afterMs: 3_600_000};
const fails: Play = {state: 'FAIL'};

/** A diamond whose 2 and 3 run. */
function midway(play: Readonly<Record<string, Play>> = {}, chain = diamond()): ChainWorld {
  const world = new ChainWorld(chain, (job) => (job === '2' || job === '3' ? (play[job] ?? long) : {}));
  return world.run(() => world.running.length === 2);
}

describe('4.21 a chain from end to end', () => {
  test('case 251: when all jobs of a diamond are complete, so is the chain', () => {
    const world = new ChainWorld(diamond()).run();
    expect(world.state).toMatchObject({name: 'COMPLETE', jobs_total: 4, jobs_finished: 4});
    expect(world.states).toBe('CCCC');
    expect(world.record.admission).toBeUndefined();
  });

  test('case 252: when one side of a diamond fails, the chain FAILs and what joins the sides is never begun', () => {
    const world = new ChainWorld(diamond(), (job) => (job === '3' ? fails : {})).run();
    expect(world.state).toMatchObject({name: 'FAIL', jobs_finished: 2, reason: 'job n3 (3) failed: exit code 1'});
    expect(world.states).toBe('CCFP');
  });

  for (const [wait, seconds] of [
    ['0s', 0],
    ['2s', 2],
  ] as const) {
    test(`case 253: a sequence that is tried again waits ${wait} before`, () => {
      const chain = aChain({1: [2]}, {sequences: {1: {retry: 1, retry_wait: wait}}});
      const world = new ChainWorld(chain, (job) => (job === '2' ? fails : {})).run();
      expect(world.state?.name).toBe('FAIL');
      expect(world.launched).toEqual(['1/1', '2/1', '1/2', '2/2']);
      expect(world.secondsPassed).toBe(seconds);
    });
  }

  test('case 254: a chain that was suspended goes on from where it was, and the numbers of its tries with it', () => {
    const chain = aChain({1: [2, 3], 2: [4, 5], 3: [4], 4: [6], 5: [6]}, {jobs: {3: {retry: 3}, 4: {retry: 1}}, sequences: {1: {retry: 1}}});
    const world = new ChainWorld(chain);
    const ended = {code: 0, ended_at: '2026-01-01T00:00:00.000Z'};
    const stopped = {code: null, reason: 'stopped', ended_at: '2026-01-01T00:00:00.000Z'};
    const base = {type: 't', cluster: 'local', count: 1, retry: 3, sequence_try: 2};
    const sequence = {rolled_back: 1, parent_try: 1, used: 1};
    world.record.jobs = JobTable.of([
      ['1', entry({...base, sequence, state: 'COMPLETE', completed: 3, tries_total: 2, failures: 0, tries: [aTry({try: 2, exit: ended})]})],
      ['2', entry({...base, state: 'COMPLETE', completed: 4, tries_total: 2, failures: 0, tries: [aTry({try: 2, exit: ended})]})],
      ['3', entry({...base, state: 'PENDING', tries_total: 3, failures: 1, tries: [aTry({try: 3, exit: stopped})]})],
      ['4', entry({...base, sequence_try: 1, state: 'FAIL', tries_total: 1, failures: 2, tries: [aTry({exit: {...ended, code: 1}})]})],
    ]);
    world.record.state = entry({name: 'SUSPENDED', attempt: 1});
    expect(world.states).toBe('CCPPPP');
    world.run();
    expect(world.state?.name).toBe('COMPLETE');
    expect(['1', '2', '3', '4', '5', '6'].map((id) => world.tries(id))).toEqual([2, 2, 4, 2, 1, 1]);
    expect(world.log.find(({job}) => job === '3')).toEqual({job: '3', try: 4, state: 'COMPLETE'});
  });

  test('case 255: states that no job can have count as PENDING, and nothing breaks', () => {
    const world = new ChainWorld(aChain({1: [2]}));
    world.record.jobs = JobTable.of([
      ['1', entry({type: 't', cluster: 'local', count: 1, retry: 0, state: 'SUSPENDED', tries_total: 0, failures: 0, tries: []})],
    ]);
    world.run();
    expect(world.state?.name).toBe('COMPLETE');
  });

  test('case 257: a stop ends what runs at once; what was never begun stays PENDING', () => {
    const world = midway();
    world.control({desired: 'stop'});
    world.run();
    expect(world.secondsPassed).toBe(0);
    expect(world.state).toMatchObject({name: 'STOPPED', jobs_finished: 1});
    expect(world.log.slice(1).map(({state}) => state)).toEqual(['STOPPED', 'STOPPED']);
    expect(world.launched).not.toContain('4/1');
  });

  test('case 258: a job that ignores the stop is killed when its grace is over, and has failed; the other one was stopped', () => {
    const world = midway({3: {...long, stopMs: Number.POSITIVE_INFINITY}});
    world.control({desired: 'stop'});
    world.run();
    expect(world.secondsPassed).toBe(10);
    expect(world.state?.name).toBe('FAIL');
    expect(world.job('2').state).toBe('PENDING'); // Shown as STOPPED, since its request has ended.
    expect(world.job('3').state).toBe('FAIL');
    expect(world.states).toBe('CPFP');
  });

  test('case 259: a stop of a chain that has ended changes nothing', () => {
    const world = new ChainWorld(diamond()).run();
    const ended = world.state;
    world.control({desired: 'stop'});
    world.run();
    expect(world.state).toEqual(ended);
  });

  test('case 260: a stop while it is being suspended is honoured (mended)', () => {
    const world = midway({2: {...long, stopMs: 5000}});
    world.control({desired: 'suspend'});
    world.run(() => !world.running.includes('3'));
    world.control({desired: 'stop'});
    world.run();
    expect(world.state?.name).toBe('STOPPED');
    expect(world.secondsPassed).toBe(5);
  });

  test('case 261: a suspended chain keeps what is complete, its data, and the numbers of its tries', () => {
    const chain = aChain({1: [2, 3], 2: [4], 3: [5]}, {jobs: {3: {retry: 3}}, sequences: {1: {retry: 1}}});
    const world = new ChainWorld(chain, (job, n) => {
      if (job === '1') return {data: {one: 1}};
      if (job === '2') return {...long, stopMs: 500, stoppedState: 'COMPLETE', data: {two: 2}};
      return job === '3' && n === 1 ? fails : long;
    });
    world.run(() => world.tries('3') === 2 && world.running.length === 2);
    world.control({desired: 'suspend'});
    world.run();
    expect(world.state).toMatchObject({name: 'SUSPENDED', jobs_finished: 2});
    expect(world.states).toBe('CCPPP');
    expect(['1', '2', '3'].map((id) => world.tries(id))).toEqual([1, 1, 2]);
    expect(world.job('3').failures, 'the try that was stopped used up nothing').toBe(1);
    const view = world.view();
    expect(view.dataFor('3')).toEqual({one: 1});
    expect(view.dataFor('4')).toEqual({one: 1, two: 2});
    expect(view.dataFor('5')).toEqual({});
  });

  test('case 262: what runs is just what is listed as running', () => {
    const world = midway();
    expect([...(world.record.jobs?.open.keys() ?? [])].sort()).toEqual(['2', '3']);
    for (const id of ['2', '3']) expect(world.job(id)).toMatchObject({state: 'RUNNING', type: 't', name: `n${id}`, tries_total: 1});
  });
});

describe('4.23 what the original leaves behind', () => {
  const line = (retry: number, wait: string): ReturnType<typeof aChain> => aChain({1: [2]}, {sequences: {1: {retry, retry_wait: wait}}});

  test('case 336: a stop during the wait before a sequence is tried again ends the request as STOPPED (mended)', () => {
    const world = new ChainWorld(line(1, '60s'), (job) => (job === '2' ? fails : {}));
    world.run(() => world.record.jobs?.get('1')?.value.sequence !== undefined, 100);
    expect(world.states).toBe('PP');
    world.control({desired: 'stop'});
    world.run();
    expect(world.state?.name).toBe('STOPPED');
    expect(world.secondsPassed).toBe(0);
  });

  test('case 337: a suspend at that point suspends, and the wait goes on afterwards (mended)', () => {
    const world = new ChainWorld(line(1, '60s'), (job, n) => (job === '2' && n === 1 ? fails : {}));
    world.run(() => world.record.jobs?.get('1')?.value.sequence !== undefined, 100);
    world.control({desired: 'suspend'});
    world.run();
    expect(world.state?.name).toBe('SUSPENDED');
    world.control({desired: 'run'});
    world.takeOver();
    world.run();
    expect(world.state?.name).toBe('COMPLETE');
    expect(world.secondsPassed).toBe(60);
  });

  test('case 341: a sequence is not tried again while a sibling of the failed job runs, and nothing runs twice at once (mended)', () => {
    const chain = diamond({sequences: {1: {retry: 1}}});
    const world = new ChainWorld(chain, (job, n) => (job === '3' && n === 1 ? fails : job === '2' ? {afterMs: 5000} : {})).run();
    expect(world.doubled).toEqual([]);
    expect(world.state?.name).toBe('COMPLETE');
    expect(world.launched).toEqual(['1/1', '2/1', '3/1', '1/2', '2/2', '3/2', '4/1']);
    expect(world.secondsPassed).toBe(10);
  });

  /** 1 → inner(2 → 3) → 4: the inner sequence fails for good in 3. */
  const nested = (inner: number, outer: number): ReturnType<typeof aChain> =>
    aChain(
      {1: [2], 2: [3], 3: [4]},
      {jobs: {2: {sequence: '2'}, 3: {sequence: '2'}}, sequences: {1: {retry: outer}, 2: {retry: inner, parent: '1'}}},
    );

  test('case 342: when the inner sequence has no retry left, the one around it is tried again (mended)', () => {
    const world = new ChainWorld(nested(1, 1), (job, n) => (job === '3' && n <= 2 ? fails : {})).run();
    expect(world.state?.name).toBe('COMPLETE');
    expect(world.launched).toEqual(['1/1', '2/1', '3/1', '2/2', '3/2', '1/2', '2/3', '3/3', '4/1']);
  });

  test('case 343: an outer retry renews the budget of the inner sequence (mended)', () => {
    const world = new ChainWorld(nested(1, 1), (job) => (job === '3' ? fails : {})).run();
    expect(world.state?.name).toBe('FAIL');
    expect(world.tries('3')).toBe(4);
    expect(world.tries('1')).toBe(2);
  });

  test('case 357: other branches go on after a failure, and the chain then FAILs', () => {
    const chain = aChain({1: [2, 3], 2: [4], 3: [5], 4: [5]});
    const world = new ChainWorld(chain, (job) => (job === '3' ? fails : {afterMs: 100})).run();
    expect(world.states).toBe('CCFCP');
    expect(world.state).toMatchObject({name: 'FAIL', jobs_finished: 3});
  });

  test('case 358: a job that completes while it is being stopped is complete', () => {
    const world = midway({2: {...long, stopMs: 10, stoppedState: 'COMPLETE'}});
    world.control({desired: 'stop'});
    world.run();
    expect(world.job('2').state).toBe('COMPLETE');
    expect(world.state).toMatchObject({name: 'STOPPED', jobs_finished: 2});
  });

  test('case 359: an empty chain is complete at once', () => {
    const world = new ChainWorld({jobs: {}, adjacency: {}}).run();
    expect(world.state).toMatchObject({name: 'COMPLETE', jobs_total: 0});
  });

  test('a request that takes longer than it may is stopped, and FAILs with that reason', () => {
    const world = new ChainWorld({...aChain({1: [2]}), timeout: '30s'}, () => long).run();
    expect(world.state).toMatchObject({name: 'FAIL', reason: 'timed out after 30s'});
    expect(world.secondsPassed).toBe(30);
  });

  test('no more jobs run at once than the request allows, nor than it has slots', () => {
    const wide = aChain({1: [2, 3, 4, 5, 6]}, {chain: {concurrency: 2}});
    const counts: number[] = [];
    for (const [chain, slots] of [
      [wide, 1000],
      [{...wide, concurrency: 10}, 3],
    ] as const) {
      const world = new ChainWorld(chain, () => ({afterMs: 1000}), slots);
      let most = 0;
      world.run(() => (most = Math.max(most, world.running.length)) < 0);
      counts.push(most);
      expect(world.state?.name).toBe('COMPLETE');
    }
    expect(counts).toEqual([2, 3]);
  });

  test('a failed request that is asked to run again begins with what failed, with a fresh budget', () => {
    let isMended = false;
    const world = new ChainWorld(diamond({jobs: {3: {retry: 1}}}), (job) => (job === '3' && !isMended ? fails : {})).run();
    expect(world.state).toMatchObject({name: 'FAIL', attempt: 1});
    world.control({attempt: 2, desired: 'run'});
    world.takeOver();
    isMended = true;
    world.run();
    expect(world.state).toMatchObject({name: 'COMPLETE', attempt: 2});
    expect(world.launched).toEqual(['1/1', '2/1', '3/1', '3/2', '3/3', '4/1']);
  });
});
