import {expect, test} from 'vitest';
import {deploymentsUnder} from '../support/simulation/deployment-course.ts';
import {ALL_FAULTS} from '../support/simulation/nemesis.ts';

test('deployments end though replicas are killed at random moments, and no process of one runs twice at once', async () => {
  // Chance has a say in each course, so what has to occur is counted over all of them.
  let kills = 0;
  let started = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const {ends, faults, runs} = await deploymentsUnder({seed, faults: ['kill']});
    kills += faults.length;
    expect(Object.values(ends).toSorted()).toEqual(Array.from({length: 5}, () => 'FINISHED'));
    started += runs;
  }
  expect(started).toBeGreaterThan(220);
  expect(kills).toBeGreaterThan(200);
});

test('deployments end though everything befalls replicas and etcd that can', async () => {
  for (let seed = 101; seed <= 130; seed += 1) await deploymentsUnder({seed, faults: ALL_FAULTS});
});

test('deployments that operators change, delete, create again and spoil meanwhile end as well', async () => {
  for (let seed = 201; seed <= 240; seed += 1) await deploymentsUnder({seed, faults: ALL_FAULTS, withOperators: true});
});
