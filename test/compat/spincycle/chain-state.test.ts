import {describe, expect, test} from 'vitest';
import {ChainRun} from '../../../src/model/chain-run.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import type {Job} from '../../../src/schema/job.ts';
import type {StateName} from '../../../src/schema/state.ts';
import {aChain} from '../../support/chain-world.ts';
import {aTry} from '../../support/builders.ts';

const STATES: Readonly<Record<string, StateName>> = {P: 'PENDING', R: 'RUNNING', C: 'COMPLETE', F: 'FAIL', S: 'STOPPED', U: 'UNKNOWN'};
const ENDED = {code: 1, ended_at: '2026-01-01T00:00:00.000Z'};

/** Records from `1C 2F 3P`; a job that is P without having been tried has none. */
function records(text: string, more: Readonly<Record<string, Partial<Job>>> = {}): [string, Job][] {
  return text
    .split(' ')
    .map((each): [string, StateName] => [each.slice(0, -1), STATES[each.slice(-1)] as StateName])
    .filter(([id, state]) => state !== 'PENDING' || more[id] !== undefined)
    .map(([id, state]) => [
      id,
      {
        ...{type: 't', cluster: 'local', count: 1, retry: 0, state, tries_total: 1, failures: state === 'FAIL' ? 1 : 0},
        tries: [aTry(state === 'RUNNING' ? {} : {exit: ENDED})],
        ...more[id],
      },
    ]);
}

const fork = (retry = 0): Chain => aChain({1: [2, 3], 2: [4]}, {sequences: {1: {retry}}});

function look(
  chain: Chain,
  text: string,
  more?: Readonly<Record<string, Partial<Job>>>,
): {run: ChainRun; ready: string[]; isOver: boolean; rollBack: readonly string[]} {
  const run = new ChainRun(chain, 1, 0, records(text, more));
  const {launch, isOver, rollBack} = run.work(Date.parse('2026-01-02T00:00:00.000Z'), () => 1000);
  return {run, ready: [...launch].sort(), isOver, rollBack};
}

describe('4.19 chain state logic', () => {
  test('case 220: a chain built from jobs in all states keeps them, and counts those that are complete', () => {
    const chain = aChain({1: [2, 3, 4, 5, 6]});
    const {run} = look(chain, '1C 2R 3F 4S 5U 6P');
    expect(['1', '2', '3', '4', '5', '6'].map((id) => run.stateOf(id))).toEqual(['COMPLETE', 'RUNNING', 'FAIL', 'STOPPED', 'UNKNOWN', 'PENDING']);
    expect(run.jobsFinished).toBe(1);
  });

  test('case 221: of a chain that goes on, just the jobs whose predecessors are all complete may run', () => {
    expect(look(aChain({1: [2, 3], 2: [4, 5], 3: [4]}), '1C 2C 3S 4P 5P').ready).toEqual(['5']);
  });

  test('case 222: what comes after a job is what its edges say', () => {
    const {run} = look(fork(), '1P 2P 3P 4P');
    expect(run.chain.adjacency['1']).toEqual(['2', '3']);
    expect(run.chain.adjacency['4']).toEqual([]);
  });

  test('case 223: what comes before a job is what points at it', () => {
    const diamond = aChain({1: [2, 3], 2: [4], 3: [4]});
    const {run} = look(diamond, '1C 2C 3C 4P');
    expect(run.stateOf('4')).toBe('PENDING');
    expect(look(diamond, '1C 2C 3P 4P').ready, 'all that come before are waited for').toEqual(['3']);
    expect(look(diamond, '1P 2P 3P 4P').ready, 'nothing comes before the first').toEqual(['1']);
  });

  test('case 224: a job that is complete, or that one which is not complete comes before, may not run', () => {
    expect(look(aChain({1: [2, 3, 5], 2: [4, 6], 3: [4]}), '1C 2C 3P 4P 5P 6S').ready).toEqual(['3', '5']);
  });

  const ENDS: readonly [number, string, boolean, boolean][] = [
    [225, '1R 2P 3P 4P', false, false],
    [226, '1C 2C 3P 4P', false, false],
    [227, '1C 2C 3F 4P', false, false],
    [228, '1C 2C 3U 4P', false, false],
    [229, '1C 2F 3C 4P', true, false],
    [230, '1C 2U 3C 4P', true, false],
    [231, '1C 2C 3C 4C', true, true],
    [232, '1C 2S 3C 4C', true, false],
    [233, '1C 2C 3S 4R', false, false],
    [234, '1C 2S 3C 4P', true, false],
    [235, '1C 2C 3S 4P', false, false],
  ];
  for (const [number, text, isOver, isComplete] of ENDS) {
    test(`case ${number}: with ${text} a chain ${isOver ? 'is' : 'is not'} over${isOver ? `, ${isComplete ? 'complete' : 'not complete'}` : ''}`, () => {
      const seen = look(fork(), text);
      expect(seen.isOver).toBe(isOver);
      expect(seen.run.isComplete).toBe(isComplete);
    });
  }

  test('case 236: behind a stopped job nothing may run, beside it what can', () => {
    expect(look(fork(), '1C 2S 3C 4P').ready).toEqual([]);
    expect(look(fork(), '1C 2C 3S 4P').ready).toEqual(['4']);
  });

  test('case 237: the sequence of a job is known by its first job', () => {
    const line = aChain({1: [2], 2: [3], 3: [4]}, {sequences: {1: {retry: 2}}});
    const {rollBack} = look(line, '1C 2F 3P 4P');
    expect(line.jobs['2']?.sequence).toBe('1');
    expect(rollBack, 'the failure of any goes back to the first').toEqual(['1']);
  });

  const line = (): Chain => aChain({1: [2], 2: [3], 3: [4]}, {sequences: {1: {retry: 2}}});
  const used = (retries: number): Readonly<Record<string, Partial<Job>>> => ({
    1: {sequence_try: retries + 1, sequence: {rolled_back: retries, parent_try: 1, used: retries}},
    2: {sequence_try: retries + 1},
  });

  test('case 238: a sequence with two retries is tried again until it has had three tries', () => {
    expect(look(line(), '1C 2F 3P 4P', used(0)).rollBack).toEqual(['1']);
    expect(look(line(), '1C 2F 3P 4P', used(1)).rollBack).toEqual(['1']);
    expect(look(line(), '1C 2F 3P 4P', used(2)).rollBack).toEqual([]);
  });

  test('case 239: the try of a sequence is the same for all its jobs', () => {
    const {run} = look(line(), '1C 2F 3P 4P', used(1));
    expect(['1', '2', '3', '4'].map((id) => run.sequenceTryOf(id))).toEqual([2, 2, 2, 2]);
  });

  test('case 240: a failure with a retry of its sequence left does not end the chain', () => {
    expect(look(fork(2), '1C 2F 3C 4P').isOver).toBe(false);
  });

  test('case 241: with none left it does, and the chain is not complete', () => {
    const seen = look(fork(2), '1C 2F 3C 4P', {
      1: {sequence_try: 3, sequence: {rolled_back: 2, parent_try: 1, used: 2}},
      2: {sequence_try: 3},
      3: {sequence_try: 3},
    });
    expect(seen.isOver).toBe(true);
    expect(seen.run.isComplete).toBe(false);
  });

  test('case 242: a job that ended in an unknown state is tried again with its sequence like one that failed', () => {
    expect(look(fork(2), '1C 2U 3C 4P').isOver).toBe(false);
  });

  test('case 243: and ends the chain like one that failed', () => {
    const seen = look(fork(2), '1C 2U 3C 4P', {
      1: {sequence_try: 3, sequence: {rolled_back: 2, parent_try: 1, used: 2}},
      2: {sequence_try: 3},
      3: {sequence_try: 3},
    });
    expect(seen.isOver).toBe(true);
    expect(seen.run.isComplete).toBe(false);
  });
});
