import {must} from '../../src/lib/assert.ts';
import {startBenchEtcd} from '../lib/etcd.ts';
import type {BenchEtcd} from '../lib/etcd.ts';
import {startProcess} from '../lib/remote.ts';
import type {Family, Sample} from '../lib/row.ts';
import {runningScan} from '../lib/sample-scan.ts';
import type {CacheMemory} from '../processes/cache-memory.ts';

const SCANS = 100_000;

interface Filled extends BenchEtcd {
  readonly bytesPerScan: number;
}
let filled: Promise<Filled> | undefined;

/** M: what the watch cache holds in memory. The database is filled once; each round fills a fresh process from it. */
export const memory: Family = {
  name: 'memory',
  rows: [
    {
      id: 'M1',
      title: 'bytes held per running scan, 100,000, all indexes',
      against: 'its keys and values as stored',
      unit: 'bytes',
      better: 'lower',
      pass: 2,
      stretch: 1.3,
      judged: 'median',
    },
  ],

  async round({progress}): Promise<readonly Sample[]> {
    filled ??= fill(progress);
    const {etcd, bytesPerScan} = await filled;
    progress('M1: a fresh cache lists 100,000 scans');
    const cache = await startProcess<CacheMemory>('cache-memory.ts');
    try {
      const held = await cache.call.fill(etcd.endpoint);
      if (held.scans !== SCANS) throw new Error(`the cache holds ${held.scans} scans, not ${SCANS}`);
      return [{id: 'M1', a: [held.bytes / SCANS], b: [bytesPerScan]}];
    } finally {
      await cache.kill();
    }
  },

  async close() {
    await filled?.then((it) => it.stop()).catch(() => undefined);
    filled = undefined;
  },
};

async function fill(progress: (text: string) => void): Promise<Filled> {
  progress('M1: storing 100,000 running scans');
  const bench = await startBenchEtcd();
  const {ids, bytes} = await bench.raw.call.fill(runningScan(Date.now()), SCANS);
  must(ids.length === SCANS || undefined, 'all scans are stored');
  return {...bench, bytesPerScan: bytes / SCANS};
}
