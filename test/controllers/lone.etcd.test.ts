import {afterAll, beforeAll, expect, test} from 'vitest';
import {runLone} from '../../src/controllers/lone.ts';
import {systemClock} from '../../src/lib/clock.ts';
import {ControlPlaneError} from '../../src/lib/errors.ts';
import {silentLog} from '../../src/lib/log.ts';
import {leaderKey} from '../../src/schema/keys.ts';
import type {Cache} from '../../src/store/cache.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {storeNode} from '../support/store-node.ts';

let etcd: TestEtcd;

beforeAll(async () => {
  etcd = await startEtcd();
});

afterAll(async () => {
  await etcd?.stop();
});

test('a leader whose cache stays behind at its election gives the key back, and somebody leads', async () => {
  const node = storeNode({endpoints: [etcd.endpoint]});
  const stop = new AbortController();
  let waits = 0;
  // The first wait of a new leader ends as it does when the watch hangs.
  const cache: Cache = Object.create(node.cache, {
    waitFor: {
      value: (revision: number, timeoutMs: number) =>
        waits++ === 0 ? Promise.reject(new ControlPlaneError('unavailable', 'the watch cache is behind')) : node.cache.waitFor(revision, timeoutMs),
    },
    onChange: {value: node.cache.onChange.bind(node.cache)},
    leaders: {get: () => node.cache.leaders},
  }) as Cache;
  let leads = 0;
  try {
    await node.watch();
    await node.lead();
    const controller = {
      ...{name: 'scheduler', inputs: [], outputs: []},
      run: (_writer: unknown, signal: AbortSignal): Promise<void> => {
        leads++;
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    };
    const deps = {store: node.store, cache, ownership: node.ownership, clock: systemClock, log: silentLog, rank: () => 0, staggerMs: 0};
    const running = runLone(controller, deps, stop.signal);
    await eventually(() => expect(leads).toBe(1));
    stop.abort();
    await running;
  } finally {
    stop.abort();
    await node.stop();
  }
});

test('a leader that stops frees its key at once: its lease may live on for as long as a slow launch of its replica takes', async () => {
  const node = storeNode({endpoints: [etcd.endpoint]});
  const stop = new AbortController();
  const leading = Promise.withResolvers<void>();
  try {
    await node.watch();
    const lease = await node.lead();
    const controller = {
      ...{name: 'janitor', inputs: [], outputs: []},
      run: (_writer: unknown, signal: AbortSignal): Promise<void> => {
        leading.resolve();
        return new Promise((resolve) => signal.addEventListener('abort', () => resolve()));
      },
    };
    const {store, cache, ownership} = node;
    const running = runLone(controller, {store, cache, ownership, clock: systemClock, log: silentLog, rank: () => 0, staggerMs: 0}, stop.signal);
    await leading.promise;
    expect((await store.get(leaderKey('janitor')))?.lease).toBe(lease);
    stop.abort();
    await running;
    expect(await store.get(leaderKey('janitor'))).toBeUndefined();
    expect(node.lease.current()).toBe(lease);
  } finally {
    stop.abort();
    await node.stop();
  }
});
