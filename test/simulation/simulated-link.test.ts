import {expect, test} from 'vitest';
import {sleep} from '../../src/lib/sleep.ts';
import {simulate} from '../support/simulation/simulation.ts';

test('messages of one stream arrive in the order in which they were sent, however long each takes', async () => {
  const arrived: number[] = [];
  await simulate({seed: 1}, async (simulation) => {
    const link = simulation.link();
    expect(await link.connect(1000)).toBe(true);
    const send = link.lane('reply');
    for (let n = 0; n < 5000; n += 1) {
      send(() => arrived.push(n));
      await sleep(simulation.random());
    }
    await sleep(1000);
  });
  expect(arrived).toEqual(Array.from({length: 5000}, (_, n) => n));
});
