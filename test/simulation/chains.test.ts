import {test} from 'vitest';
import {chainsUnder} from '../support/simulation/chain-course.ts';
test('x', async () => {
  const from = Number(process.env['SEED'] ?? 1),
    to = Number(process.env['TO'] ?? from);
  const c: Record<string, number> = {};
  for (let seed = from; seed <= to; seed++) {
    const t = performance.now();
    try {
      const o = await chainsUnder({seed, faults: ['kill'], chains: 5});
      for (const e of [...o.states, ...o.endings]) c[e] = (c[e] ?? 0) + 1;
      console.log(seed, Math.round(performance.now() - t), o.faults.length, o.rolledBack);
    } catch (err) {
      console.log('BAD', seed, (err as Error).message);
    }
  }
  console.log(JSON.stringify(c));
}, 600_000);
