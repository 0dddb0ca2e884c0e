import {describe, expect, test} from 'vitest';
import {chainDemand} from '../../src/model/chain-demand.ts';
import {NOOP} from '../../src/schema/chain.ts';
import type {Chain} from '../../src/schema/chain.ts';
import {aChain} from '../support/chain-world.ts';
import {randomChain} from '../support/random-chain.ts';
import {seededRandom} from '../support/seeded-random.ts';

/** How many processes of a small chain can run at once on a cluster: those of the largest set of jobs of which none comes after another. */
function widthOf(chain: Chain, cluster: string): number {
  const ids = Object.keys(chain.jobs).filter((id) => chain.jobs[id]?.type !== NOOP && chain.jobs[id]?.cluster === cluster);
  const after = new Map(ids.map((id) => [id, reachable(chain, id)]));
  const grow = (chosen: readonly string[], size: number, from: number): number => {
    let best = size;
    for (let n = from; n < ids.length; n++) {
      const id = ids[n] as string;
      if (chosen.some((other) => after.get(other)?.has(id) === true || after.get(id)?.has(other) === true)) continue;
      best = Math.max(best, grow([...chosen, id], size + (chain.jobs[id]?.count ?? 0), n + 1));
    }
    return best;
  };
  return grow([], 0, 0);
}

function reachable({adjacency}: Chain, from: string): ReadonlySet<string> {
  const seen = new Set(adjacency[from]);
  for (const id of seen) for (const next of adjacency[id] ?? []) seen.add(next);
  return seen;
}

const alter = (chain: Chain, change: (id: string) => Partial<Chain['jobs'][string]>): Chain => ({
  ...chain,
  jobs: Object.fromEntries(Object.entries(chain.jobs).map(([id, job]) => [id, {...job, ...change(id)}])),
});

describe('how many jobs of a chain may want to run at once', () => {
  test('jobs in a line want one slot, jobs side by side one each', () => {
    expect(chainDemand(aChain({1: [2], 2: [3]}))).toEqual([['local', 1]]);
    expect(chainDemand(aChain({1: [2, 3, 4], 2: [5], 3: [5], 4: [5]}))).toEqual([['local', 3]]);
  });

  test('branches that are wide at different distances from the beginning may be wide at the same time', () => {
    const chain = aChain({
      0: [1, 'a'],
      1: [2, 3, 4],
      2: [5],
      3: [5],
      4: [5],
      5: [6],
      6: ['z'],
      a: ['b'],
      b: ['c'],
      c: ['d', 'e', 'f'],
      d: ['z'],
      e: ['z'],
      f: ['z'],
    });
    expect(chainDemand(chain)).toEqual([['local', 6]]);
  });

  test('a noop wants nothing, and does not come between', () => {
    const chain = alter(aChain({1: [2, 3], 2: [4], 3: [5], 4: [5]}), (id) => (id === '2' || id === '5' ? {type: NOOP, cluster: ''} : {}));
    expect(chainDemand(chain)).toEqual([['local', 2]]);
    expect(chainDemand(alter(chain, () => ({type: NOOP, cluster: ''})))).toEqual([]);
  });

  test('each cluster is counted by itself, and jobs of several processes by these', () => {
    const chain = alter(aChain({1: [2, 3, 4], 2: [5], 3: [5], 4: [5]}), (id) => (id === '3' ? {cluster: 'east', count: 4} : {count: 2}));
    expect(chainDemand(chain)).toEqual([
      ['east', 4],
      ['local', 4],
    ]);
  });

  test('a limit on concurrent jobs limits what they want', () => {
    const wide = aChain({1: [2, 3, 4, 5], 2: [6], 3: [6], 4: [6], 5: [6]});
    expect(chainDemand({...wide, concurrency: 2})).toEqual([['local', 2]]);
    expect(chainDemand({...alter(wide, (id) => (id === '2' ? {count: 3} : {})), concurrency: 1})).toEqual([['local', 3]]);
  });

  test('a chain whose order names unknown jobs, or has a circle, is counted as far as it goes', () => {
    const chain = aChain({1: [2], 2: [1]});
    expect(() => chainDemand({...chain, adjacency: {...chain.adjacency, 2: ['9', '1']}})).not.toThrow();
  });

  test('jobs in a circle want a slot, so that their request is admitted and fails instead of waiting for ever', () => {
    expect(chainDemand(aChain({1: [2], 2: [3], 3: [1]}))).toEqual([['local', 1]]);
  });

  test('of random chains it is never less than what can run at once, and seldom more', () => {
    const random = seededRandom(4);
    let exact = 0;
    for (let n = 0; n < 300; n++) {
      const {concurrency: _, ...plain} = randomChain(random, 4 + (n % 16));
      const chain = alter(plain, () => ({count: 1 + Math.floor(random() * 3), cluster: random() < 0.5 ? 'local' : 'east'}));
      const demand = new Map(chainDemand(chain));
      const widths = ['local', 'east'].map((cluster) => [demand.get(cluster) ?? 0, widthOf(chain, cluster)] as const);
      for (const [wanted, width] of widths) expect(wanted).toBeGreaterThanOrEqual(width);
      if (widths.every(([wanted, width]) => wanted === width)) exact++;
    }
    expect(exact).toBeGreaterThan(200);
  });
});
