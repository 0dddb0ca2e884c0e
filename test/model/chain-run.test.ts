import {describe, expect, test} from 'vitest';
import {ChainRun} from '../../src/model/chain-run.ts';
import {chainNext} from '../../src/model/chain-work.ts';
import type {Job} from '../../src/schema/job.ts';
import type {StateName} from '../../src/schema/state.ts';
import {aJob, aTry} from '../support/builders.ts';
import {ChainWorld, aChain} from '../support/chain-world.ts';
import {randomChain} from '../support/random-chain.ts';
import {seededRandom} from '../support/seeded-random.ts';

const ENDS: readonly StateName[] = ['COMPLETE', 'COMPLETE', 'COMPLETE', 'COMPLETE', 'FAIL', 'FAIL', 'UNKNOWN', 'STOPPED'];

describe('a chain that is followed', () => {
  test('is at every moment what a fresh look at the records says, whatever happens to it', () => {
    let rolledBack = 0;
    const ends = new Map<string, number>();
    for (let seed = 1; seed <= 300; seed++) {
      const random = seededRandom(seed);
      const chain = randomChain(random, 4 + Math.floor(random() * 30));
      const world = new ChainWorld(
        chain,
        () => ({
          afterMs: Math.floor(random() * 3000),
          state: ENDS[Math.floor(random() * ENDS.length)] as StateName,
          stopMs: random() < 0.1 ? 20_000 : Math.floor(random() * 2000),
          ...(random() < 0.3 ? {data: {[`k${Math.floor(random() * 5)}`]: Math.floor(random() * 100)}} : {}),
        }),
        1 + Math.floor(random() * 4),
      );
      let n = 0;
      for (let round = 0; round < 60; round++) {
        const until = n + 1 + Math.floor(random() * 4);
        world.run(() => {
          world.expectAgreement(`seed ${seed}, step ${n}`);
          return n++ >= until;
        });
        const what = random();
        if (what < 0.2) world.takeOver();
        else if (what < 0.3) world.control({desired: 'suspend'});
        else if (what < 0.5 || round > 50) world.control({desired: 'run'});
        else if (what < 0.51) world.control({desired: 'stop'});
      }
      expect(world.doubled, `seed ${seed}`).toEqual([]);
      rolledBack += [...world.view().ids()].filter((id) => world.record.jobs?.get(id)?.value.sequence !== undefined).length;
      ends.set(world.state?.name ?? '', (ends.get(world.state?.name ?? '') ?? 0) + 1);
    }
    // Otherwise it would not say much.
    expect(rolledBack).toBeGreaterThan(100);
    for (const end of ['COMPLETE', 'FAIL', 'STOPPED']) expect(ends.get(end) ?? 0, `${end}`).toBeGreaterThan(5);
  });

  test('a change of one job among 10,000 is followed without a look at the others', () => {
    // Counted, not timed: every job's record is read when all are looked at.
    let reads = 0;
    const chain = aChain(Object.fromEntries(Array.from({length: 9999}, (_, n) => [n + 1, [n + 2]])));
    const run = new ChainRun(chain, 1, 0);
    const record = (id: string): Parameters<ChainRun['update']>[1] => ({
      ...{type: 't', cluster: 'local', count: 1, retry: 0, state: 'COMPLETE' as const, tries_total: 1, failures: 0},
      get tries() {
        reads++;
        return [{try: 1, intent_at: '', token_digest: '', place: '', exit: {code: 0, ended_at: ''}}];
      },
      completed: Number(id),
    });
    for (let n = 1; n <= 5000; n++) run.update(String(n), record(String(n)));
    expect(run.jobsFinished).toBe(5000);
    reads = 0;
    run.update('5001', record('5001'));
    expect(run.work(0, () => 10).launch).toEqual(['5002']);
    expect(reads).toBeLessThan(5);
  });

  test('a chain whose jobs wait for each other in a circle is refused', () => {
    expect(() => new ChainRun(aChain({1: [2], 2: [1]}), 1, 0)).toThrow('in a circle');
    expect(() => new ChainRun({...aChain({1: []}), adjacency: {1: ['2']}}, 1, 0)).toThrow('no job 2');
  });

  test('who completes last has the last word on a key, also for who looks only later', () => {
    const world = new ChainWorld(aChain({1: [2, 3], 2: [4], 3: [4]}), (job) => ({
      afterMs: job === '2' ? 2000 : 1000,
      data: {key: `from ${job}`, [job]: true},
    })).run();
    expect(world.given.get('4/1')).toEqual({key: 'from 2', 1: true, 2: true, 3: true});
    expect(world.view().dataFor('4')).toEqual({key: 'from 4', 1: true, 2: true, 3: true, 4: true});
  });

  test('when a sequence begins anew, what the parents hand on replaces what its jobs had set themselves', () => {
    const chain = aChain({1: [2], 2: [3]}, {sequences: {1: {retry: 1}}});
    const world = new ChainWorld(chain, (job, n) => {
      if (job === '1') return {data: {a: `1 in try ${n}`}};
      if (job === '2') return {data: n === 1 ? {a: '2 in try 1', b: '2 in try 1'} : {}};
      return n === 1 ? {state: 'FAIL'} : {};
    }).run();
    expect(world.given.get('2/2')).toEqual({a: '1 in try 2', b: '2 in try 1'});
    expect(world.given.get('3/2')).toEqual({a: '1 in try 2', b: '2 in try 1'});
  });

  test('what had to be killed has failed for good, though its sequence has a retry left', () => {
    for (const desired of ['suspend', 'stop'] as const) {
      const world = new ChainWorld(aChain({1: [2]}, {sequences: {1: {retry: 5}}}), (job) => (job === '2' ? {afterMs: 60_000, stopMs: 60_000} : {}));
      world.run(() => world.running.includes('2'));
      world.control({desired});
      world.run();
      expect(world.state?.name, `${desired}`).toBe('FAIL');
      expect(world.states, `${desired}`).toBe('CF');
    }
  });

  test('a chain with an id that no key can hold, or with sequences in a circle, is refused', () => {
    for (const id of ['a/b', '..', '', 'a b']) expect(() => new ChainRun(aChain({[id]: []}), 1, 0)).toThrow('no job can be called');
    const circle = {a: {retry: 0, parent: 'b'}, b: {retry: 0, parent: 'a'}};
    expect(() => new ChainRun(aChain({a: ['b']}, {sequences: circle}), 1, 0)).toThrow('the sequence of job a lies in itself');
  });

  test('ten thousand jobs that each hand something on may meet in one', () => {
    const ids = Array.from({length: 10_000}, (_, n) => `j${n}`);
    const chain = aChain({first: ids, ...Object.fromEntries(ids.map((id) => [id, ['last']]))}, {jobs: {first: {type: 'noop'}}});
    const done = ids.map((id, n): [string, Job] => [id, aJob({type: 't', state: 'COMPLETE', completed: n + 1, tries: [], data: {[id]: n, all: n}})]);
    const before = process.cpuUsage();
    const run = new ChainRun(chain, 1, 0, done);
    const data = run.dataFor('last');
    expect(Object.keys(data)).toHaveLength(10_001);
    expect(data['all']).toBe(9999);
    const {user} = process.cpuUsage(before);
    expect(user / 1e6, 'seconds: twenty when each copies what came before').toBeLessThan(5);
  });

  test('thousands of sequences that begin anew at once cost one look at the chain', () => {
    const ids = Array.from({length: 2000}, (_, n) => `j${n}`);
    const own = Object.fromEntries(ids.map((id) => [id, {retry: 1, parent: 'first'}]));
    const jobs = Object.fromEntries(ids.map((id) => [id, {sequence: id}]));
    const chain = aChain({first: ids}, {sequences: {first: {retry: 0}, ...own}, jobs: {...jobs, first: {type: 'noop'}}});
    const failed = ids.map((id): [string, Job] => [id, aJob({type: 't', state: 'FAIL', failures: 1, tries: []})]);
    const run = new ChainRun(chain, 1, 0, failed);
    const before = process.cpuUsage();
    const next = chainNext(run, {attempt: 1, slots: {local: 5000}, admitted_at: ''}, 0, () => true);
    expect([next.rolledBack.size, next.launch.size]).toEqual([2000, 2000]);
    const {user} = process.cpuUsage(before);
    expect(user / 1e6, 'seconds').toBeLessThan(0.5);
  });

  describe('when a wall clock was set back', () => {
    const HOUR = 3_600_000;
    const at = (ms: number): string => new Date(ms).toISOString();
    const local = (): number => 1;
    const now = Date.parse('2026-01-01T10:00:00.000Z');

    test('a job waits for its next try no longer than its pause', () => {
      const chain = aChain({a: []}, {jobs: {a: {retry: 3, retry_wait: '10s'}}});
      const failed = aJob({type: 't', state: 'PENDING', failures: 1, tries: [aTry({exit: {code: 1, ended_at: at(now)}})]});
      // Whoever takes over with a clock that is an hour behind.
      const later = new ChainRun(chain, 1, now - HOUR, [['a', failed]]);
      expect(later.work(now - HOUR, local)).toMatchObject({launch: [], waitMs: 10_000});
      expect(later.work(now - HOUR + 10_000, local)).toMatchObject({launch: ['a']});
      // Whose own clock goes back.
      const same = new ChainRun(chain, 1, now, [['a', failed]]);
      expect(same.work(now, local)).toMatchObject({launch: [], waitMs: 10_000});
      expect(same.work(now - HOUR, local)).toMatchObject({launch: [], waitMs: 10_000});
      expect(same.work(now - HOUR + 10_000, local)).toMatchObject({launch: ['a']});
    });

    test('a sequence waits no longer than its pause', () => {
      const chain = aChain({a: []}, {sequences: {a: {retry: 2, retry_wait: '10s'}}});
      const sequence = {rolled_back: 1, parent_try: 1, used: 1, retry_at: at(now + 10_000)};
      const run = new ChainRun(chain, 1, now, [['a', aJob({type: 't', state: 'FAIL', failures: 1, tries: [], sequence})]]);
      expect(run.work(now, local)).toMatchObject({launch: [], waitMs: 10_000});
      expect(run.work(now - HOUR, local)).toMatchObject({launch: [], waitMs: 10_000});
      expect(run.work(now - HOUR + 10_000, local)).toMatchObject({launch: ['a']});
    });
  });

  test('a pause longer than time can tell is a long pause', () => {
    const chain = aChain({a: []}, {sequences: {a: {retry: 1, retry_wait: '99999999999999h'}}});
    const run = new ChainRun(chain, 1, 0, [['a', aJob({type: 't', state: 'FAIL', failures: 1, tries: []})]]);
    expect(run.rolledBack('a', Date.now()).sequence?.retry_at).toMatch(/^2\d{3}-/);
  });

  test('a further attempt of a request has retries of its own, also for its sequences', () => {
    const chain = aChain({a: ['b']}, {sequences: {a: {retry: 1}}});
    const first = aJob({type: 't', state: 'COMPLETE', completed: 1, tries: [], sequence_try: 2, sequence: {rolled_back: 1, parent_try: 1, used: 1}});
    const failed = aJob({type: 't', state: 'FAIL', failures: 1, tries: [], sequence_try: 2});
    expect([
      ...new ChainRun(chain, 1, 0, [
        ['a', first],
        ['b', failed],
      ]).failedForGood(),
    ]).toEqual(['b']);
    const again = new ChainRun(chain, 2, 0, [
      ['a', first],
      ['b', {...failed, attempt: 2}],
    ]);
    expect(again.work(0, () => 1).rollBack).toEqual(['a']);
    const rolledBack = again.rolledBack('a', 0);
    expect(rolledBack.sequence).toEqual({rolled_back: 2, parent_try: 1, used: 1, attempt: 2});
    again.update('a', rolledBack);
    expect(again.usedRetriesOf('a')).toBe(1);
    expect(new ChainRun(chain, 3, 0, [['a', rolledBack]]).usedRetriesOf('a')).toBe(0);
  });
});
