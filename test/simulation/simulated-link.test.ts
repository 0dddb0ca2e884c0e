import {expect, test} from 'vitest';
import {sleep} from '../../src/lib/sleep.ts';
import {simulate} from '../support/simulation/simulation.ts';

test('messages of one stream arrive in the order in which they were sent, however long each takes', async () => {
  const arrived: string[] = [];
  const sent: string[] = [];
  await simulate({seed: 1}, async (simulation) => {
    const {time, random} = simulation;
    const link = simulation.link();
    expect(await link.connect(1000)).toBe(true);
    // At the beginning, and at times with many digits: there sums and differences are not exact.
    for (let stream = 0; stream < 500; stream += 1) {
      const send = link.lane('reply');
      const times = Array.from({length: 20}, () => Math.sqrt(random()) * 50).toSorted((a, b) => a - b);
      for (const [n, ms] of times.entries()) {
        sent.push(`${stream}/${n}`);
        time.after(ms, () => send(() => arrived.push(`${stream}/${n}`)), undefined);
      }
    }
    await sleep(1000);
  });
  const streamOf = (message: string): number => Number(message.split('/')[0]);
  expect(arrived.toSorted((a, b) => streamOf(a) - streamOf(b))).toEqual(sent);
});
