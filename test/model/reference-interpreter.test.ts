import {describe, expect, test} from 'vitest';
import {isTerminal} from '../../src/schema/state.ts';
import type {StateName} from '../../src/schema/state.ts';
import {ChainWorld, aChain} from '../support/chain-world.ts';
import {randomChain} from '../support/random-chain.ts';
import {ReferenceInterpreter} from '../support/reference-interpreter.ts';
import type {ChainEvent, Ending} from '../support/reference-interpreter.ts';
import {seededRandom} from '../support/seeded-random.ts';

const ODD_ENDS: readonly StateName[] = ['FAIL', 'FAIL', 'FAIL', 'UNKNOWN', 'STOPPED', 'PENDING', 'RUNNING'];

/** A random chain whose jobs fail, whose owners change and which is suspended, resumed and stopped at random moments; played to its end. */
function played(seed: number): ChainWorld {
  const random = seededRandom(seed);
  const chain = randomChain(random, 4 + Math.floor(random() * 30));
  const end = (): StateName => (random() < 0.7 ? 'COMPLETE' : (ODD_ENDS[Math.floor(random() * ODD_ENDS.length)] as StateName));
  const play = (): ReturnType<ConstructorParameters<typeof ChainWorld>[1] & object> => ({
    afterMs: Math.floor(random() * (random() < 0.15 ? 60_000 : 3000)),
    state: end(),
    stopMs: random() < 0.2 ? 20_000 : Math.floor(random() * 2000),
    stoppedState: random() < 0.7 ? 'STOPPED' : end(),
    isLost: random() < 0.05,
  });
  const world = new ChainWorld(chain, play, 1 + Math.floor(random() * 6));
  const isOver = (): boolean => world.state !== undefined && isTerminal(world.state.name);
  for (let round = 0; round < 120 && !isOver(); round++) {
    const until = 1 + Math.floor(random() * 5);
    let n = 0;
    world.run(() => isOver() || n++ >= until);
    const what = random();
    if (isOver()) break;
    if (what < 0.2) world.takeOver();
    else if (what < 0.25) world.control({desired: 'suspend'});
    else if (what < 0.5) world.control({desired: 'run'});
    else if (what < 0.505) world.control({desired: 'stop'});
  }
  if (!isOver()) world.control({desired: 'run'});
  return world.run(isOver);
}

/** What the planner made of a chain, and what the interpreter makes of the same events. */
function compared(world: ChainWorld): {readonly theirs: unknown; readonly mine: unknown} {
  const reference = new ReferenceInterpreter(world.chain);
  for (const event of world.events) reference.apply(event);
  const view = world.view();
  view.work(world.nowMs, () => 0); // Completes the noops that are due.
  const ids = Object.keys(world.chain.jobs);
  const sequences = Object.keys(world.chain.sequences ?? {});
  const rolledBack = (first: string): number => world.record.jobs?.get(first)?.value.sequence?.rolled_back ?? 0;
  return {
    theirs: {
      violations: world.doubled,
      state: world.state?.name,
      jobs: ids.map((id) => `${id} ${view.stateOf(id)} ${world.tries(id)}`),
      rolledBack: sequences.map((first) => `${first} ${rolledBack(first)}`),
    },
    mine: {
      violations: reference.violations,
      state: reference.state,
      jobs: ids.map((id) => `${id} ${reference.job(id).state} ${reference.job(id).tries}`),
      rolledBack: sequences.map((first) => `${first} ${reference.rolledBack(first)}`),
    },
  };
}

describe('the planner, beside a plain interpreter', () => {
  test('brings 1,000 random chains to the same states, tries and roll-backs', () => {
    const seen = {COMPLETE: 0, FAIL: 0, STOPPED: 0, SUSPENDED: 0, rolledBack: 0, lost: 0, killed: 0, stopped: 0};
    for (let seed = 1; seed <= 1000; seed++) {
      const world = played(seed);
      const {theirs, mine} = compared(world);
      expect(theirs, `seed ${seed}`).toEqual(mine);
      for (const event of world.events) {
        if (event.kind === 'rested') seen[event.state as 'COMPLETE' | 'FAIL' | 'STOPPED' | 'SUSPENDED'] += 1;
        else if (event.kind === 'ended' && event.how in seen) seen[event.how as 'lost' | 'killed' | 'stopped'] += 1;
      }
      for (const [, {value}] of world.record.jobs ?? []) seen.rolledBack += value.sequence?.rolled_back ?? 0;
    }
    // Otherwise it would not say much.
    for (const [what, count] of Object.entries(seen)) expect(count, `${what}`).toBeGreaterThan(15);
  });
});

describe('the interpreter', () => {
  const ended = (atMs: number, job: string, how: Ending = 'COMPLETE'): ChainEvent => ({atMs, kind: 'ended', job, how});
  const launched = (atMs: number, ...jobs: string[]): ChainEvent[] => jobs.map((job) => ({atMs, kind: 'launched', job}));
  const asked = (atMs: number, what: 'run' | 'suspend' | 'stop'): ChainEvent => ({atMs, kind: 'asked', what});

  /** The state of the whole, first letters of the states of jobs in the order of their ids, and what was not allowed. */
  const replay = (chain: Parameters<typeof aChain>, ...events: readonly (ChainEvent | ChainEvent[])[]): readonly string[] => {
    const reference = new ReferenceInterpreter(aChain(...chain));
    for (const event of events.flat()) reference.apply(event);
    const letters = Object.keys(aChain(...chain).jobs).map((id) => reference.job(id).state[0]);
    return [reference.state, letters.join(''), ...reference.violations];
  };

  const fan = {1: [2, 3], 2: [4], 3: [4]};

  test('objects to a launch before what is before it, while it runs, and beside more than may run', () => {
    expect(replay([fan], launched(0, '1', '2'))).toEqual(['RUNNING', 'RRPP', 'event 2: 2 was launched although what is before it is not COMPLETE']);
    expect(replay([fan], launched(0, '1', '1'))).toEqual(['RUNNING', 'RPPP', 'event 2: 1 was launched while it was RUNNING']);
    const narrow = replay([fan, {chain: {concurrency: 1}}], launched(0, '1'), ended(1, '1'), launched(1, '2', '3'));
    expect(narrow).toEqual(['RUNNING', 'CRRP', 'event 4: 3 was launched beside 1 others']);
  });

  test('objects to a launch while a suspend or a stop is asked for, and before a wait is over', () => {
    expect(replay([fan], asked(0, 'suspend'), launched(0, '1')).slice(2)).toEqual(['event 2: 1 was launched although suspend was asked for']);
    const waiting: Parameters<typeof aChain> = [{1: [2]}, {jobs: {1: {retry: 1, retry_wait: '2s'}}}];
    expect(replay(waiting, launched(0, '1'), ended(5, '1', 'FAIL'), launched(2004, '1')).slice(2)).toEqual([
      'event 3: 1 was launched before its wait was over',
    ]);
    expect(replay(waiting, launched(0, '1'), ended(5, '1', 'FAIL'), launched(2005, '1')).slice(2)).toEqual([]);
  });

  test('rolls a sequence back when nothing of it runs any more, and lets nothing of it start until then', () => {
    const retried: Parameters<typeof aChain> = [{1: [2, 3], 2: [5], 3: [4], 4: [5]}, {sequences: {1: {retry: 1}}}];
    const failed = [launched(0, '1'), ended(1, '1'), launched(1, '2', '3'), ended(2, '2', 'FAIL')];
    expect(replay(retried, ...failed)).toEqual(['RUNNING', 'CFRPP']);
    expect(replay(retried, ...failed, ended(3, '3'))).toEqual(['RUNNING', 'PPPPP']);
    const tooEarly = replay(retried, ...failed, launched(2, '1'));
    expect(tooEarly.slice(2)).toContain('event 6: 1 was launched although its sequence is to be rolled back');
  });

  test('goes outwards when the innermost sequence has no retry left, and renews the inner ones', () => {
    const nested: Parameters<typeof aChain> = [
      {a: ['b']},
      {first: 'a', jobs: {b: {sequence: 'b'}}, sequences: {a: {retry: 1}, b: {retry: 1, parent: 'a'}}},
    ];
    const reference = new ReferenceInterpreter(aChain(...nested));
    const begin = (): void => [...launched(0, 'a'), ended(0, 'a')].forEach((event) => reference.apply(event));
    const fail = (): void => [...launched(0, 'b'), ended(0, 'b', 'FAIL')].forEach((event) => reference.apply(event));
    begin();
    fail();
    expect([reference.rolledBack('a'), reference.rolledBack('b'), reference.job('a').state]).toEqual([0, 1, 'COMPLETE']);
    fail();
    expect([reference.rolledBack('a'), reference.rolledBack('b'), reference.job('a').state]).toEqual([1, 1, 'PENDING']);
    begin();
    fail();
    expect([reference.rolledBack('b'), reference.state]).toEqual([2, 'RUNNING']);
    fail();
    expect([reference.state, reference.job('b').state, reference.job('b').tries, reference.violations]).toEqual(['FAIL', 'FAIL', 4, []]);
  });

  test('tells apart what was stopped, what did not listen and what stopped of its own accord', () => {
    const running = [launched(0, '1'), ended(1, '1'), launched(1, '2', '3')];
    const retried = {jobs: {2: {retry: 1}}, sequences: {1: {retry: 1}}};
    expect(replay([fan, retried], ...running, asked(2, 'stop'), ended(3, '2', 'stopped'), ended(3, '3'))).toEqual(['STOPPED', 'CPCP']);
    expect(replay([fan, retried], ...running, asked(2, 'suspend'), ended(3, '2', 'FAIL'), ended(3, '3', 'stopped'))).toEqual(['SUSPENDED', 'CPPP']);
    expect(replay([fan, retried], ...running, asked(2, 'suspend'), ended(3, '2', 'killed'), ended(3, '3', 'stopped'))).toEqual(['FAIL', 'CFPP']);
    expect(replay([fan, retried], ...running, ended(3, '2', 'STOPPED'), ended(3, '3'))).toEqual(['FAIL', 'CSCP']);
  });

  test('goes on elsewhere when a failure is final, and ends when nothing is left that can run', () => {
    const begun = [launched(0, '1'), ended(1, '1'), launched(1, '2', '3'), ended(2, '2', 'UNKNOWN')];
    expect(replay([fan], ...begun)).toEqual(['RUNNING', 'CURP']);
    expect(replay([fan], ...begun, ended(3, '3'))).toEqual(['FAIL', 'CUCP']);
    expect(replay([{}])).toEqual(['COMPLETE', '']);
  });
});
