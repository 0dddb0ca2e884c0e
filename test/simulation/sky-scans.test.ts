import {expect, test} from 'vitest';
import {ALL_FAULTS} from '../support/simulation/nemesis.ts';
import {scansUnder} from '../support/simulation/sky-scan-course.ts';

test('scans end though replicas are killed at random moments, and no try is launched twice', async () => {
  let kills = 0;
  for (let seed = 1; seed <= 20; seed += 1) {
    const {states, faults} = await scansUnder({seed, faults: ['kill']});
    kills += faults.length;
    expect(Object.values(states)).toContain('COMPLETE');
  }
  expect(kills).toBeGreaterThan(200);
});

test('scans end though everything befalls replicas and etcd that can', async () => {
  for (let seed = 101; seed <= 120; seed += 1) await scansUnder({seed, faults: ALL_FAULTS});
});

test('scans that users suspend, resume and stop meanwhile end as well', async () => {
  const ends = new Set<string>();
  for (let seed = 201; seed <= 220; seed += 1) {
    const {states} = await scansUnder({seed, faults: ALL_FAULTS, withUsers: true});
    for (const state of Object.values(states)) ends.add(state);
  }
  // Which seeds end in FAIL changes with every change of what happens between two commits.
  expect([...ends].filter((end) => end !== 'FAIL').sort()).toEqual(['COMPLETE', 'STOPPED']);
});

test('the same seed gives the same events at the same times, another seed gives others', async () => {
  const course = {seed: 7, faults: ALL_FAULTS, withUsers: true};
  const [first, again, other] = [await scansUnder(course), await scansUnder(course), await scansUnder({...course, seed: 8})];
  expect(again.faults).toEqual(first.faults);
  expect(again.history).toEqual(first.history);
  expect(first.history.length).toBeGreaterThan(100);
  expect(other.history).not.toEqual(first.history);
});
