import {describe, expect, test} from 'vitest';
import {ChainWorld, aChain} from '../../support/chain-world.ts';
import type {Play} from '../../support/chain-world.ts';

const one = (retry: number, wait = '0s'): ReturnType<typeof aChain> => aChain({1: []}, {jobs: {1: {retry, retry_wait: wait}}});
const fails: Play = {state: 'FAIL'};

describe('4.20 one job and its tries', () => {
  test('case 245: a job with two retries that always fails is tried three times, each with a log entry, and FAILs', () => {
    const world = new ChainWorld(one(2), () => fails).run();
    expect(world.state?.name).toBe('FAIL');
    expect(world.job('1')).toMatchObject({state: 'FAIL', tries_total: 3});
    expect(world.log).toEqual([1, 2, 3].map((n) => ({job: '1', try: n, state: 'FAIL'})));
  });

  test('case 246: one that succeeds in its fourth try of five is COMPLETE after four', () => {
    const world = new ChainWorld(one(4), (_, n) => (n < 4 ? fails : {})).run();
    expect(world.state?.name).toBe('COMPLETE');
    expect(world.job('1')).toMatchObject({state: 'COMPLETE', tries_total: 4});
    expect(world.log.map(({state}) => state)).toEqual(['FAIL', 'FAIL', 'FAIL', 'COMPLETE']);
  });

  test('case 247: a job that returns FAIL when it is stopped is stopped at once, without its retry; a second stop changes nothing', () => {
    const world = new ChainWorld(one(1, '30s'), () => ({afterMs: 3_600_000, stoppedState: 'FAIL'}));
    world.run(() => world.running.length === 1);
    world.control({desired: 'stop'});
    world.control({desired: 'stop', generation: 2});
    world.run();
    expect(world.state?.name).toBe('STOPPED');
    expect(world.tries('1')).toBe(1);
    expect(world.secondsPassed).toBe(0);
  });

  test('case 248: while it runs, its try is known with its number and the time of its start', () => {
    const world = new ChainWorld(one(0), () => ({afterMs: 3_600_000}));
    world.run(() => world.record.jobs?.get('1')?.value.tries[0]?.started_at !== undefined);
    expect(world.job('1')).toMatchObject({state: 'RUNNING', tries_total: 1, tries: [{try: 1, started_at: '2026-01-01T00:00:00.000Z'}]});
  });

  test('case 250: two tries of three used before a takeover leave one', () => {
    const world = new ChainWorld(one(2), () => fails);
    world.run(() => world.log.length === 2);
    world.takeOver();
    world.run();
    expect(world.tries('1')).toBe(3);
    expect(world.log.at(-1)).toEqual({job: '1', try: 3, state: 'FAIL'});
  });

  test('between two tries of a job its wait passes, and none after the last', () => {
    const world = new ChainWorld(one(2, '10s'), () => fails).run();
    expect(world.secondsPassed).toBe(20);
  });

  test('with a back-off each wait is longer than the one before, up to the longest', () => {
    const chain = aChain({1: []}, {jobs: {1: {retry: 4, retry_wait: '1s', retry_backoff: 3, retry_max_wait: '10s'}}});
    const world = new ChainWorld(chain, () => fails).run();
    expect(world.secondsPassed).toBe(1 + 3 + 9 + 10);
  });

  test('a deadline for retries, counted from the first try, makes a later failure final', () => {
    const chain = aChain({1: []}, {jobs: {1: {retry: 100, retry_wait: '1s', retry_deadline: '10s'}}});
    const world = new ChainWorld(chain, () => ({...fails, afterMs: 1000})).run();
    expect(world.state?.name).toBe('FAIL');
    expect(world.tries('1')).toBe(6); // They end at 1, 3, 5, 7, 9 and 11 s.
  });

  for (const state of ['PENDING', 'RUNNING'] as const) {
    test(`case 339: a job that returns ${state} has failed (mended)`, () => {
      const world = new ChainWorld(one(1), () => ({state})).run();
      expect(world.state?.name).toBe('FAIL');
      expect(world.tries('1')).toBe(2);
    });
  }

  test('case 340: a job that returns STOPPED without having been asked is not tried again, nor is its sequence, and the chain FAILs', () => {
    const chain = aChain({1: [2]}, {jobs: {2: {retry: 3}}, sequences: {1: {retry: 3}}});
    const world = new ChainWorld(chain, (job) => (job === '2' ? {state: 'STOPPED'} : {})).run();
    expect(world.state).toMatchObject({name: 'FAIL', reason: 'job n2 (2) stopped by itself'});
    expect(world.tries('2')).toBe(1);
    expect(world.states).toBe('CS');
  });

  test('case 338: tries on both sides of a stop during the wait have numbers that follow each other (mended)', () => {
    const world = new ChainWorld(one(3, '60s'), (_, n) => (n < 3 ? fails : {}));
    world.run(() => world.log.length === 1);
    world.control({desired: 'suspend'});
    world.run();
    expect(world.state?.name).toBe('SUSPENDED');
    world.control({desired: 'run'});
    world.takeOver();
    world.run();
    expect(world.log.map((each) => each.try)).toEqual([1, 2, 3]);
    expect(world.state?.name).toBe('COMPLETE');
  });

  test('case 344: what a failed try has set, the next one is given', () => {
    const world = new ChainWorld(one(1), (_, n) => (n === 1 ? {...fails, data: {seen: 1}} : {})).run();
    expect(world.given.get('1/1')).toEqual({});
    expect(world.given.get('1/2')).toEqual({seen: 1});
  });
});
