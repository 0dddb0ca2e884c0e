import {test} from 'vitest';
import {chainsUnder} from '../support/simulation/chain-course.ts';
import {ALL_FAULTS} from '../support/simulation/nemesis.ts';

// Five chains a course.
test('1,000 random chains whose leaders are killed come to the states and tries of a reference interpreter', async () => {
  for (let seed = 1; seed <= 200; seed += 1) await chainsUnder({seed, faults: ['kill']});
});

test('1,000 random chains come to the same though everything befalls replicas and etcd that can', async () => {
  for (let seed = 1001; seed <= 1200; seed += 1) await chainsUnder({seed, faults: ALL_FAULTS});
});
