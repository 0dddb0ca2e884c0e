import {expect, test} from 'vitest';
import type {Fault} from '../support/simulation/nemesis.ts';
import {scansUnder} from '../support/simulation/sky-scan-course.ts';

test('scans end though replicas are killed at random moments, and no try is launched twice', async () => {
  let kills = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const {states, faults} = await scansUnder(['kill'], seed);
    kills += faults.length;
    expect(Object.values(states)).toContain('COMPLETE');
  }
  expect(kills).toBeGreaterThan(100);
});

const ALL_FAULTS: readonly Fault[] = [
  ...(['kill', 'stop', 'pause', 'cut', 'blackhole', 'lose replies', 'crash of etcd', 'gap', 'lost lease', 'deleted owner'] as const),
];

test('scans end though everything befalls replicas and etcd that can', async () => {
  for (let seed = 1; seed <= 40; seed += 1) await scansUnder(ALL_FAULTS, seed);
});

test('the same seed gives the same events at the same times, another seed gives others', async () => {
  const [first, again, other] = [await scansUnder(ALL_FAULTS, 7), await scansUnder(ALL_FAULTS, 7), await scansUnder(ALL_FAULTS, 8)];
  expect(again.faults).toEqual(first.faults);
  expect(again.history).toEqual(first.history);
  expect(first.history.length).toBeGreaterThan(100);
  expect(other.history).not.toEqual(first.history);
});
