import {expect, test} from 'vitest';
import {blocksUnder} from '../support/simulation/block-course.ts';

test('processing blocks end as their dependencies demand while a replica is killed every second, and no script runs twice at once', async () => {
  for (let seed = 1; seed <= 2; seed += 1) {
    const {ends, kills, killedScripts} = await blocksUnder({seed, blocks: 60});
    expect(Object.keys(ends)).toEqual(expect.arrayContaining(['FINISHED', 'FAILED']));
    expect(kills).toBeGreaterThan(5);
    expect(killedScripts).toBeGreaterThan(0);
  }
});
