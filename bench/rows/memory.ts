import {startBenchEtcd} from '../lib/etcd.ts';
import type {BenchEtcd} from '../lib/etcd.ts';
import {startProcess} from '../lib/remote.ts';
import type {Family, Sample} from '../lib/row.ts';
import {runningScan} from '../lib/sample-scan.ts';
import type {CacheMemory} from '../processes/cache-memory.ts';

const SCANS = 100_000;
const QUICK_SCANS = 20_000;

interface Filled extends BenchEtcd {
  readonly scans: number;
  readonly bytesPerScan: number;
}
let filled: Promise<Filled> | undefined;

/** M: what the watch cache holds in memory. The database is filled once; each round fills a fresh process from it. */
export const memory: Family = {
  name: 'memory',
  rows: [
    {
      id: 'M1',
      title: 'bytes held per running scan of 100,000 (quick: 20,000), all indexes',
      against: 'its keys and values as stored',
      unit: 'bytes',
      better: 'lower',
      pass: 2,
      stretch: 1.3,
      judged: 'median',
    },
  ],

  async round({isQuick, progress}): Promise<readonly Sample[]> {
    filled ??= fill(isQuick ? QUICK_SCANS : SCANS, progress);
    const {etcd, scans, bytesPerScan} = await filled;
    progress(`a fresh cache lists ${scans} scans`);
    const cache = await startProcess<CacheMemory>('cache-memory.ts');
    try {
      const held = await cache.call.fill(etcd.endpoint);
      if (held.scans !== scans) throw new Error(`the cache holds ${held.scans} scans, not ${scans}`);
      return [{id: 'M1', a: [held.bytes / scans], b: [bytesPerScan]}];
    } finally {
      await cache.kill();
    }
  },

  async close() {
    await filled?.then((it) => it.stop()).catch(() => undefined);
    filled = undefined;
  },
};

async function fill(scans: number, progress: (text: string) => void): Promise<Filled> {
  progress(`storing ${scans} running scans`);
  const bench = await startBenchEtcd();
  const {bytes} = await bench.raw.call.fill(runningScan(Date.now()), scans);
  return {...bench, scans, bytesPerScan: bytes / scans};
}
