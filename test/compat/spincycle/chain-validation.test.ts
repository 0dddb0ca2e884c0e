import {describe, expect, test} from 'vitest';
import {checkChain, checkJobStates, inDegrees, isAcyclic, outDegrees} from '../../../src/model/chain-check.ts';
import type {Chain} from '../../../src/schema/chain.ts';
import type {StateName} from '../../../src/schema/state.ts';
import {aChain} from '../../support/chain-world.ts';

const DIAMOND = {1: [2, 3], 2: [4], 3: [4]};
const refusal = (chain: Chain): string => {
  try {
    checkChain(chain);
    return '';
  } catch (err) {
    expect(err).toMatchObject({code: 'invalid'});
    return (err as Error).message.replace('[invalid] the chain cannot be run: ', '');
  }
};
const degrees = (table: ReadonlyMap<string, number>): string => [...table].map(([job, count]) => `${job}:${count}`).join(' ');

describe('4.18 chain validation', () => {
  test('case 211: a diamond is accepted', () => {
    expect(refusal(aChain(DIAMOND))).toBe('');
  });

  test('case 212: an order that names an unknown job is refused, and the job is named', () => {
    const chain = aChain(DIAMOND);
    expect(refusal({...chain, adjacency: {...chain.adjacency, 4: ['9']}})).toBe(
      'adjacency names behind job "4" a job "9", and the chain has no such job',
    );
    expect(refusal({...chain, adjacency: {...chain.adjacency, 8: ['4']}})).toBe('adjacency names "8", and the chain has no such job');
    expect(refusal({...chain, adjacency: {...chain.adjacency, 4: ['constructor']}})).toContain('"constructor"');
  });

  test('case 213: two first jobs are refused, and named', () => {
    expect(refusal(aChain({1: [3], 2: [3]}))).toBe('more than one first job: nothing comes before "1", "2"');
  });

  test('case 214: one first job is accepted', () => {
    expect(refusal(aChain({1: [2]}))).toBe('');
  });

  test('case 215: two last jobs are refused, and it is them who are named (mended)', () => {
    expect(refusal(aChain({1: [2, 3]}))).toBe('more than one last job: nothing comes after "2", "3"');
  });

  test('case 216: one last job is accepted', () => {
    expect(refusal(aChain({1: [2, 3], 2: [3]}))).toBe('');
  });

  const NINE = aChain({1: [2, 3], 2: [4, 5, 6], 3: [5], 4: [7], 5: [7], 6: [7], 7: [8]}, {});
  const isolated = (chain: Chain): Chain => ({...chain, jobs: {...chain.jobs, 9: chain.jobs['1'] as Chain['jobs'][string]}});

  test('case 217: how many jobs come right before each', () => {
    expect(degrees(inDegrees(isolated(NINE)))).toBe('1:0 2:1 3:1 4:1 5:2 6:1 7:3 8:1 9:0');
    expect(degrees(inDegrees(aChain({1: [2, 3], 2: [4], 3: [4, 5], 4: [6], 5: [6], 6: [7]})))).toBe('1:0 2:1 3:1 4:2 5:1 6:2 7:1');
  });

  test('case 218: how many jobs come right after each', () => {
    expect(degrees(outDegrees(isolated(NINE)))).toBe('1:2 2:3 3:1 4:1 5:1 6:1 7:1 8:0 9:0');
    expect(degrees(outDegrees(aChain({1: [2, 3], 2: [4], 3: [4, 5], 4: [6], 5: [6], 6: [7]})))).toBe('1:2 2:1 3:2 4:1 5:1 6:1 7:0');
  });

  test('case 219: jobs that wait for each other in a circle are refused; several first or last jobs are no circle', () => {
    expect(isAcyclic(aChain(DIAMOND))).toBe(true);
    expect(isAcyclic(aChain({...DIAMOND, 4: [1]}))).toBe(false);
    expect(isAcyclic(aChain({1: [2], 2: [3], 3: [4], 4: [2, 5]}))).toBe(false);
    expect(isAcyclic(aChain({1: [3, 4], 2: [3, 5], 3: [6]}))).toBe(true);
    expect(refusal(aChain({...DIAMOND, 4: [1]}))).toBe('jobs wait for each other in a circle: "1", "2", "3", "4"');
    expect(refusal(aChain({1: [2], 2: [3], 3: [4], 4: [2, 5], 5: [6]}))).toBe('jobs wait for each other in a circle: "2", "3", "4"');
    expect(refusal(aChain({1: [1]}))).toBe('jobs wait for each other in a circle: "1"');
  });

  test('an empty chain is accepted', () => {
    expect(refusal({jobs: {}, adjacency: {}})).toBe('');
  });

  test('a sequence has to begin with a job of the chain, and must not lie in itself', () => {
    const {jobs, adjacency} = aChain({1: [2]});
    const inSequence = (sequence: string): Chain['jobs'] => Object.fromEntries(Object.entries(jobs).map(([id, job]) => [id, {...job, sequence}]));
    expect(refusal({jobs: inSequence('7'), adjacency})).toBe('job "1" is in the sequence of job "7", and the chain has no such job');
    expect(refusal({jobs, adjacency, sequences: {7: {retry: 1}}})).toBe('a sequence begins with job "7", and the chain has no such job');
    expect(refusal({jobs, adjacency, sequences: {1: {retry: 1, parent: '7'}}})).toContain('lies in that of job "7"');
    expect(refusal({jobs, adjacency, sequences: {1: {retry: 1, parent: '2'}, 2: {retry: 1, parent: '1'}}})).toContain('lies in itself');
  });
});

describe('3.1 states of a chain that is handed over', () => {
  const states = (text: string): Map<string, StateName> => {
    const names = {P: 'PENDING', R: 'RUNNING', C: 'COMPLETE', F: 'FAIL', S: 'STOPPED', U: 'UNKNOWN'} as const;
    return new Map(text.split(' ').map((word) => [word.slice(0, -1), names[word.at(-1) as keyof typeof names]]));
  };

  test('of a new chain nothing has begun', () => {
    expect(() => checkJobStates('new', states('1P 2P'), 0)).not.toThrow();
    expect(() => checkJobStates('new', states('1C 2P'), 1)).toThrow('jobs of a new chain have to be PENDING: "1 (COMPLETE)"');
    expect(() => checkJobStates('new', states('1P'), 1)).toThrow('finishedJobs is 1, and 0 jobs are COMPLETE');
  });

  test('of a chain to be resumed, jobs are pending, complete or stopped, and those that are complete are counted', () => {
    expect(() => checkJobStates('resumed', states('1C 2S 3P'), 1)).not.toThrow();
    expect(() => checkJobStates('resumed', states('1C 2C 3P'), 1)).toThrow('finishedJobs is 1, and 2 jobs are COMPLETE');
    expect(() => checkJobStates('resumed', states('1C 2F 3R 4U'), 1)).toThrow('"2 (FAIL)", "3 (RUNNING)", "4 (UNKNOWN)"');
  });
});
