import {expect, test} from 'vitest';
import {blocksUnder} from '../support/simulation/block-course.ts';

const SEEDS = process.env['SCANPLANE_SEED'] === undefined ? [1, 2, 3, 4, 5] : [Number(process.env['SCANPLANE_SEED'])];

test('500 processing blocks end as their dependencies demand while one of three replicas is killed every second, and no script runs twice at once', async () => {
  // Chance has a say in each course, so what has to occur is counted over all of them.
  const all = {FINISHED: 0, FAILED: 0, CANCELLED: 0, kills: 0, killedScripts: 0};
  for (const seed of SEEDS) {
    const {ends, kills, killedScripts, runs} = await blocksUnder({seed, blocks: 500});
    const told = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
    console.log(`  seed ${seed}: ${told.join(', ')}; ${runs} runs of scripts, ${killedScripts} of them killed, and ${kills} replicas`);
    for (const end of ['FINISHED', 'FAILED', 'CANCELLED'] as const) all[end] += ends[end] ?? 0;
    all.kills += kills;
    all.killedScripts += killedScripts;
  }
  expect(all.FINISHED).toBeGreaterThan(200 * SEEDS.length);
  expect(all.FAILED).toBeGreaterThan(10 * SEEDS.length);
  if (SEEDS.length > 1) expect(all.CANCELLED).toBeGreaterThan(0);
  expect(all.kills).toBeGreaterThan(10 * SEEDS.length);
  expect(all.killedScripts).toBeGreaterThan(5 * SEEDS.length);
});
