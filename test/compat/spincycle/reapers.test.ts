import {describe, expect, test} from 'vitest';
import {ChainWorld, aChain} from '../../support/chain-world.ts';
import type {Play} from '../../support/chain-world.ts';

// The original has three loops that reap finished jobs: while running, after a stop, after a suspend. Here one planner does what each of them did.

const long: Play = {afterMs: 3_600_000};
const fails: Play = {state: 'FAIL'};
const unknown: Play = {state: 'UNKNOWN'};

/** 1→{2,3}, 2→{4,5,6}, 3→4, in one sequence, of which `busy` jobs go on for long. */
function fan(play: Readonly<Record<string, Play>>, retry = 0): ChainWorld {
  return new ChainWorld(aChain({1: [2, 3], 2: [4, 5, 6], 3: [4]}, {sequences: {1: {retry}}}), (job) => play[job] ?? {});
}

describe('4.22 while it runs', () => {
  test('case 263: a job that completes lets those run that waited for it alone, and hands its data to all after it', () => {
    const world = fan({2: {data: {two: 2}}, 3: long, 5: long, 6: long});
    world.run(() => world.running.length === 3);
    expect(world.running).toEqual(['3', '5', '6']);
    expect(world.launched.slice(-2)).toEqual(['5/1', '6/1']);
    for (const id of ['4', '5', '6']) expect(world.view().dataFor(id)).toEqual({two: 2});
  });

  for (const [number, play, letter] of [
    [264, fails, 'F'],
    [265, unknown, 'U'],
  ] as const) {
    test(`case ${number}: one that ends as ${letter} lets nothing run and hands nothing on`, () => {
      const world = fan({2: {...play, data: {two: 2}}, 3: long});
      world.run(() => world.log.some(({job}) => job === '2'));
      world.run(() => true);
      expect(world.running).toEqual(['3']);
      expect(world.states).toBe(`C${letter}RPPP`);
      expect(world.view().dataFor('5')).toEqual({});
    });
  }

  for (const [number, play] of [
    [266, fails],
    [267, unknown],
  ] as const) {
    test(`case ${number}: with a retry of its sequence left, all jobs are PENDING again after ${play.state} and the first one runs`, () => {
      // 4 stands beside the failing job and is complete already.
      const chain = aChain({1: [2, 4], 2: [3]}, {sequences: {1: {retry: 1}}});
      const world = new ChainWorld(chain, (job, n) => (job === '2' && n === 1 ? {...play, afterMs: 100} : job === '1' && n === 2 ? long : {}));
      world.run(() => world.launched.includes('1/2'));
      expect(world.running).toEqual(['1']);
      expect(world.states).toBe('RPPP');
      expect(world.job('1').sequence).toMatchObject({rolled_back: 1, used: 1});
    });
  }

  const whole = (last: Play): ChainWorld => {
    const chain = aChain({1: [2, 3], 2: [4, 5], 3: [4]}, {sequences: {1: {retry: 1}}});
    return new ChainWorld(chain, (job, n) => {
      if (job === '2' && n === 1) return fails;
      if (job === '5') return last;
      return {data: {[`from${job}`]: true}};
    }).run();
  };

  test('case 268: a whole run with a failure that the sequence mends and one that it does not', () => {
    const world = whole(fails);
    expect(world.states).toBe('CCCCF');
    expect(world.state).toMatchObject({name: 'FAIL', jobs_finished: 4});
    expect(world.given.get('4/1')).toEqual({from1: true, from2: true, from3: true});
  });

  test('case 269: the same with a job that ends in an unknown state', () => {
    const world = whole(unknown);
    expect(world.states).toBe('CCCCU');
    expect(world.state).toMatchObject({name: 'FAIL', jobs_finished: 4});
  });

  test('case 270: jobs that were stopped by a suspend complete after the resume, and all is complete', () => {
    const world = new ChainWorld(aChain({1: [2, 3], 2: [4], 3: [4]}), (job, n) => (job !== '1' && n === 1 ? long : {}));
    world.run(() => world.running.length === 2);
    world.control({desired: 'suspend'});
    world.run();
    world.control({desired: 'run'});
    world.run(() => world.running.includes('4'));
    world.control({desired: 'suspend'});
    world.run();
    world.control({desired: 'run'});
    world.run();
    expect(world.states).toBe('CCCC');
    expect(world.state).toMatchObject({name: 'COMPLETE', jobs_finished: 4});
  });
});

describe('4.22 after a stop', () => {
  test('case 271: a job that was stopped is not tried again, though it has tries left', () => {
    const world = new ChainWorld(aChain({1: []}, {jobs: {1: {retry: 5}}}), () => long);
    world.run(() => world.running.length === 1);
    world.control({desired: 'stop'});
    world.run();
    expect(world.launched).toEqual(['1/1']);
    expect(world.state?.name).toBe('STOPPED');
  });

  test('case 272: of three jobs that run, two stop and one completes: the request is STOPPED', () => {
    const world = fan({3: long, 5: {...long, stoppedState: 'COMPLETE'}, 6: long});
    world.run(() => world.running.length === 3);
    world.control({desired: 'stop'});
    world.run();
    expect(world.state).toMatchObject({name: 'STOPPED', jobs_finished: 3});
    expect(world.job('5').state).toBe('COMPLETE');
  });

  test('case 273: a job that never returns is killed, and the request FAILs', () => {
    const world = fan({3: long, 5: long, 6: {...long, stopMs: Number.POSITIVE_INFINITY}});
    world.run(() => world.running.length === 3);
    world.control({desired: 'stop'});
    world.run();
    expect(world.job('6').state).toBe('FAIL');
    expect(world.state?.name).toBe('FAIL');
  });
});

describe('4.22 while it is being suspended', () => {
  const suspended = (world: ChainWorld): ChainWorld => {
    world.control({desired: 'suspend'});
    return world.run();
  };

  test('case 274: a job that completes counts, and hands its data on', () => {
    const world = fan({3: {...long, stoppedState: 'COMPLETE', data: {three: 3}}});
    world.run(() => world.running.join() === '3');
    suspended(world);
    expect(world.job('3').state).toBe('COMPLETE');
    expect(world.view().dataFor('4')).toEqual({three: 3});
    expect(world.launched).not.toContain('4/1');
    expect(world.state?.name).toBe('SUSPENDED');
  });

  for (const [number, state] of [
    [275, 'FAIL'],
    [276, 'UNKNOWN'],
  ] as const) {
    test(`case ${number}: a ${state} just before it rolls its sequence back, when nothing of it runs; nothing is launched`, () => {
      const chain = aChain({1: [2, 3]}, {sequences: {1: {retry: 1}}});
      const world = new ChainWorld(chain, (job) => (job === '2' ? {state, afterMs: 100} : job === '3' ? long : {}));
      world.run(() => world.log.some(({job}) => job === '2'));
      suspended(world);
      expect(world.state?.name).toBe('SUSPENDED');
      expect(world.states).toBe('PPP');
      expect(world.job('1').sequence).toMatchObject({rolled_back: 1, used: 1});
      expect(world.launched).toEqual(['1/1', '2/1', '3/1']);
    });
  }

  test('case 277: a job that stops is kept, and goes on after the resume with the budget it had', () => {
    const world = new ChainWorld(aChain({1: []}, {jobs: {1: {retry: 1}}}), (_, n) => (n === 1 ? long : fails));
    world.run(() => world.running.length === 1);
    suspended(world);
    expect(world.job('1')).toMatchObject({state: 'PENDING', failures: 0});
    world.control({desired: 'run'});
    world.run();
    expect(world.tries('1')).toBe(3);
  });

  for (const [number, state] of [
    [278, 'FAIL'],
    [279, 'UNKNOWN'],
  ] as const) {
    test(`case ${number}: one stops, one completes, one with a sequence of its own ends as ${state}: suspended, and that one begins anew afterwards`, () => {
      const chain = aChain({1: [2, 3], 2: [5, 6], 3: [4]}, {jobs: {6: {sequence: '6'}}, sequences: {1: {retry: 0}, 6: {retry: 1, parent: '1'}}});
      const world = new ChainWorld(chain, (job, n) => {
        if (job === '3') return n === 1 ? long : {};
        if (job === '5') return {...long, stoppedState: 'COMPLETE'};
        return job === '6' && n === 1 ? {state, afterMs: 100} : {};
      });
      world.run(() => world.running.length === 3);
      world.nowMs += 100;
      world.control({desired: 'suspend'});
      // 6 has ended by itself just before it was asked to: a retry of its sequence is left.
      world.run();
      expect(world.state?.name).toBe('SUSPENDED');
      expect(world.states).toBe('CCPPCP');
      world.control({desired: 'run'});
      world.run();
      expect(world.state?.name).toBe('COMPLETE');
      expect(world.tries('6')).toBe(2);
      expect(world.tries('5')).toBe(1);
    });
  }

  test('case 280: one that had failed for good before makes the request FAIL instead', () => {
    const world = fan({3: long, 5: {...long, stoppedState: 'COMPLETE'}, 6: unknown});
    world.run(() => world.log.some(({job}) => job === '6') && world.running.length === 2);
    suspended(world);
    expect(world.state).toMatchObject({name: 'FAIL', jobs_finished: 3});
  });

  test('case 281: when the last job completes meanwhile, the request is COMPLETE', () => {
    const world = new ChainWorld(aChain({1: [2]}), (job) => (job === '2' ? {...long, stoppedState: 'COMPLETE'} : {}));
    world.run(() => world.running.join() === '2');
    suspended(world);
    expect(world.state).toMatchObject({name: 'COMPLETE', jobs_finished: 2});
  });

  for (const [number, what] of [
    [282, 'that does not listen'],
    [283, 'that still runs when its grace is over'],
  ] as const) {
    test(`case ${number}: a job ${what} is killed and has failed, and the request FAILs`, () => {
      const world = fan({3: {...long, stopMs: number === 282 ? Number.POSITIVE_INFINITY : 11_000}, 5: {}, 6: {}});
      world.run(() => world.running.join() === '3');
      suspended(world);
      expect(world.secondsPassed).toBe(10);
      expect(world.job('3').state).toBe('FAIL');
      expect(world.state?.name).toBe('FAIL');
    });
  }

  test('case 284: a chain that has failed already cannot be suspended: it FAILs', () => {
    const world = fan({2: fails, 3: long});
    world.run(() => world.log.some(({job}) => job === '2'));
    suspended(world);
    expect(world.state?.name).toBe('FAIL');
  });
});
