import {expect, test} from 'vitest';
import {chainsUnder} from '../support/simulation/chain-course.ts';
import type {ChainOutcome} from '../support/simulation/chain-course.ts';
import {ALL_FAULTS} from '../support/simulation/nemesis.ts';
import type {Fault} from '../support/simulation/nemesis.ts';

const alone = process.env['SCANPLANE_SEED'];

// How a failing course is run alone: it says so itself.
test.for(alone === undefined ? [] : [Number(alone)])('one course alone comes to what the reference interpreter comes to: seed %i', async (seed) => {
  const faults = (process.env['SCANPLANE_FAULTS'] ?? 'kill').split(',') as Fault[];
  await chainsUnder({seed, faults});
});

test.skipIf(alone !== undefined)('100 random chains whose leaders are killed come to the states and tries of a reference interpreter', async () => {
  const seen = new Map<string, number>();
  const count = (what: string, more = 1): void => void seen.set(what, (seen.get(what) ?? 0) + more);
  for (let seed = 1; seed <= 20; seed += 1) {
    const outcome: ChainOutcome = await chainsUnder({seed, faults: ['kill']});
    for (const state of outcome.states) count(state);
    for (const ending of outcome.endings) count(`try ${ending}`);
    count('rolled back', outcome.rolledBack);
    count('kills', outcome.kills);
  }
  // Otherwise it would not say much.
  const least = {
    ...{COMPLETE: 10, FAIL: 10, STOPPED: 5, SUSPENDED: 3},
    ...{'try stopped': 10, 'try killed': 1, 'try lost': 3, 'rolled back': 20, kills: 200},
  };
  for (const [what, number] of Object.entries(least)) expect(seen.get(what) ?? 0, `${what}`).toBeGreaterThanOrEqual(number);
});

test.skipIf(alone !== undefined)('random chains come to the same though everything befalls replicas and etcd that can', async () => {
  for (let seed = 1001; seed <= 1010; seed += 1) await chainsUnder({seed, faults: ALL_FAULTS});
});

test.skipIf(alone !== undefined)('the same seed gives the same course', async () => {
  const [first, again] = [await chainsUnder({seed: 7, faults: ALL_FAULTS}), await chainsUnder({seed: 7, faults: ALL_FAULTS})];
  expect(again).toEqual(first);
});
