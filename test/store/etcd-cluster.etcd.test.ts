import {afterAll, beforeAll, expect, test} from 'vitest';
import {createLog} from '../../src/lib/log.ts';
import {ownerKey} from '../../src/schema/keys.ts';
import {startEtcdCluster} from '../support/etcd-cluster.ts';
import type {TestEtcdCluster} from '../support/etcd-cluster.ts';
import {eventually} from '../support/eventually.ts';
import {storeNode} from '../support/store-node.ts';

let cluster: TestEtcdCluster;
beforeAll(async () => {
  cluster = await startEtcdCluster();
});
afterAll(() => cluster.stop());

test('a lease is kept when the member that renews it hangs, and writes go on in its name', async () => {
  const {leader, followers} = await cluster.roles();
  const hung = followers[0]!;
  // The hung member comes first, so that it is the one in use.
  const others = [leader, followers[1]!];
  const node = storeNode({endpoints: [hung, ...others].map(({endpoint}) => endpoint), ttlSeconds: 2});
  try {
    await node.watch();
    const lease = await node.lead();
    const claim = await node.ownership.campaign(ownerKey('s1'));
    if (claim.kind !== 'elected') throw new Error('not elected');
    expect(node.members.preferred.endpoint).toBe(hung.endpoint);
    hung.signal('SIGSTOP');
    const until = performance.now() + 5000;
    while (performance.now() < until) {
      expect(node.lease.current()).toBe(lease);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    await claim.writer.commit([], [{put: '/scan/s1/state', value: '{"name":"RUNNING"}'}]);
    // The watch has left the hung member too.
    await eventually(() => node.cache.scans.get('s1')?.state?.value.name === 'RUNNING', {timeoutMs: 10_000});
    expect(node.ownership.owned(ownerKey('s1'))).toBe(claim.writer);
  } finally {
    hung.signal('SIGCONT');
    await node.stop();
  }
});

test('a watch on a member without quorum reports it within seconds, and goes on when the others are back', async () => {
  const {leader, followers} = await cluster.roles();
  const alone = followers[0]!;
  const paused = [leader, followers[1]!];
  const lines: string[] = [];
  const log = createLog('warn');
  log.warn = ((_fields: unknown, message: string) => lines.push(message)) as unknown as typeof log.warn;
  // Only the lonely member is known: there is no other to go to. Idle checks are off, so that it is etcd's word that ends the watch.
  const node = storeNode({endpoints: [alone.endpoint], log, timings: {idleMs: 60_000, answerMs: 3000}});
  try {
    await node.watch();
    await eventually(() => node.cache.ageMs() < 1000);
    for (const member of paused) member.signal('SIGSTOP');
    const startedAt = performance.now();
    await eventually(() => lines.includes('watch broken; connecting again'), {timeoutMs: 10_000});
    expect(performance.now() - startedAt).toBeLessThan(7000);
    await expect(node.cache.catchUp()).rejects.toMatchObject({code: 'unavailable'});
    // What is known can still be read, with its age.
    expect(node.cache.ageMs()).toBeGreaterThan(2000);
    for (const member of paused) member.signal('SIGCONT');
    await eventually(() => node.store.commit({compares: [], ops: [{put: '/scan/s2/state', value: '{"name":"FAIL"}'}]}).then(() => true), {
      timeoutMs: 15_000,
    });
    await eventually(() => node.cache.scans.get('s2')?.state?.value.name === 'FAIL', {timeoutMs: 15_000});
  } finally {
    for (const member of paused) member.signal('SIGCONT');
    await node.stop();
  }
});
