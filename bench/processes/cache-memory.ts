import {setTimeout as delay} from 'node:timers/promises';
import {must} from '../../src/lib/assert.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {SCAN_INDEXES} from '../../src/model/scan-indexes.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {WatchCache} from '../../src/store/watch-cache.ts';
import {nowNs, msBetween} from '../lib/machine.ts';
import {serve} from '../lib/remote.ts';

let kept: WatchCache | undefined;

/** Bytes that the watch cache holds, all indexes included, after everything it no longer needs was collected. */
async function fill(endpoint: string): Promise<{bytes: number; scans: number; seconds: number}> {
  const store = new EtcdStore(new EtcdMembers({endpoints: [endpoint]}));
  await store.currentRevision();
  const before = await settled();
  const stop = new AbortController();
  const start = nowNs();
  kept = new WatchCache({store, clock: systemClock, log: silentLog, indexes: SCAN_INDEXES});
  const running = kept.run(stop.signal);
  await kept.ready();
  const seconds = msBetween(start, nowNs()) / 1000;
  stop.abort();
  await running;
  return {bytes: (await settled()) - before, scans: kept.scans.size, seconds};
}

async function settled(): Promise<number> {
  const collect = must(globalThis.gc, 'started with --expose-gc');
  for (let n = 0; n < 4; n++) {
    collect();
    await delay(50);
  }
  const {heapUsed, external} = process.memoryUsage();
  return heapUsed + external;
}

const methods = {fill};
export type CacheMemory = typeof methods;
serve(methods);
