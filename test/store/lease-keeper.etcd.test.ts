import {expect, test} from 'vitest';
import {systemClock} from '../../src/lib/clock.ts';
import {silentLog} from '../../src/lib/log.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdLeaseKeeper} from '../../src/store/lease-keeper.ts';
import {startEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

test('a database that is full does not stop renewals', async () => {
  const own = await startEtcd({unsafeNoFsync: true, quotaBytes: 2 * 1024 * 1024});
  const members = new EtcdMembers({endpoints: [own.endpoint]});
  const lease = new EtcdLeaseKeeper({members, clock: systemClock, log: silentLog, ttlSeconds: 2});
  const stop = new AbortController();
  const running = lease.run(stop.signal);
  try {
    const id = await lease.acquire(AbortSignal.timeout(10_000));
    await eventually(
      async () => {
        const result = await own.etcdctl(['put', `fill${Math.random()}`, 'x'.repeat(100_000)]).then(
          () => '',
          (err: unknown) => String(err),
        );
        return result.includes('space exceeded');
      },
      {timeoutMs: 15_000, everyMs: 1},
    );
    const until = performance.now() + 3000;
    while (performance.now() < until) {
      expect(lease.current()).toBe(id);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const text = await own.etcdctl(['lease', 'timetolive', BigInt(id).toString(16), '-w', 'json']);
    expect((JSON.parse(text) as {ttl: number}).ttl).toBeGreaterThan(0);
  } finally {
    stop.abort();
    await running;
    members.close();
    await own.stop();
  }
});
