import {expect, test} from 'vitest';
import {sleep} from '../../src/lib/sleep.ts';
import {deployKey} from '../../src/schema/keys.ts';
import {eventually} from '../support/eventually.ts';
import {deploymentsUnder} from '../support/simulation/deployment-course.ts';
import {ALL_FAULTS} from '../support/simulation/nemesis.ts';
import {simulate} from '../support/simulation/simulation.ts';

test('deployments end though replicas are killed at random moments, and no process of one runs twice at once', async () => {
  // Chance has a say in each course, so what has to occur is counted over all of them.
  let kills = 0;
  let started = 0;
  for (let seed = 1; seed <= 3; seed += 1) {
    const {ends, faults, runs} = await deploymentsUnder({seed, faults: ['kill']});
    kills += faults.length;
    expect(Object.values(ends).toSorted()).toEqual(Array.from({length: 5}, () => 'FINISHED'));
    started += runs;
  }
  expect(started).toBeGreaterThan(25);
  expect(kills).toBeGreaterThan(30);
});

test('deployments end though everything befalls replicas and etcd that can', async () => {
  for (let seed = 101; seed <= 103; seed += 1) await deploymentsUnder({seed, faults: ALL_FAULTS});
});

test('deployments that operators change, delete, create again and spoil meanwhile end as well', async () => {
  for (let seed = 201; seed <= 204; seed += 1) await deploymentsUnder({seed, faults: ALL_FAULTS, withOperators: true});
});

test('what runs outlives replicas none of which lives for long', async () => {
  await simulate({seed: 1, jobs: () => () => {}}, async (simulation) => {
    for (let i = 0; i < 3; i += 1) simulation.startReplica();
    simulation.etcd.put(deployKey('service'), JSON.stringify({id: 'service', type: 'job', args: {command: ['service']}}));
    await eventually(() => simulation.host.live().length === 1, {timeoutMs: 10_000});
    // Its supervisor would end it when nobody has renewed it for 20 s.
    for (let second = 0; second < 60; second += 1) {
      await sleep(1000);
      simulation.serving()[0]?.kill();
      simulation.startReplica();
    }
    expect(simulation.host.runs.map(({endedAtMs}) => endedAtMs)).toEqual([undefined]);
  });
});
