import {expect, test} from 'vitest';
import {blocksUnder} from '../support/simulation/block-course.ts';

const SEEDS = process.env['SCANPLANE_SEED'] === undefined ? [1, 2, 3, 4, 5] : [Number(process.env['SCANPLANE_SEED'])];

test('500 processing blocks end as their dependencies demand while one of three replicas is killed every second, and no script runs twice at once', async () => {
  for (const seed of SEEDS) {
    const {ends, kills, killedScripts, runs} = await blocksUnder({seed, blocks: 500});
    const told = Object.entries(ends).map(([end, count]) => `${count} ${end}`);
    console.log(`  seed ${seed}: ${told.join(', ')}; ${runs} runs of scripts, ${killedScripts} of them killed, and ${kills} replicas`);
    expect(ends['FINISHED']).toBeGreaterThan(200);
    expect(ends['FAILED']).toBeGreaterThan(10);
    expect(ends['CANCELLED']).toBeGreaterThan(0);
    expect(kills).toBeGreaterThan(15);
    expect(killedScripts).toBeGreaterThan(10);
  }
});
