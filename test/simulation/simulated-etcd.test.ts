import {expect, test} from 'vitest';
import {silentLog} from '../../src/lib/log.ts';
import {BlobStore} from '../../src/store/blob-store.ts';
import {isNoSpace} from '../../src/store/etcd-errors.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {Space} from '../../src/store/space.ts';
import {SimulatedEtcd} from '../support/simulated-etcd/simulated-etcd.ts';
import {SimulatedLink} from '../support/simulated-etcd/simulated-link.ts';
import {SimulatedMember} from '../support/simulated-etcd/simulated-member.ts';
import {inVirtualTime} from '../support/virtual-time/in-virtual-time.ts';

// What the contract suite does not ask of every etcd: see test/contract/store.test.ts.

test('a model that is full refuses writes, not reads and deletions, until it is compacted, defragmented and disarmed', async () => {
  await inVirtualTime(1, async (time, random) => {
    const etcd = new SimulatedEtcd({time, random, quotaBytes: 4 * 1024 * 1024});
    const link = new SimulatedLink(etcd, undefined, () => 1, random);
    const members = new EtcdMembers({endpoints: ['http://simulated']}, 0, (endpoint) => new SimulatedMember(endpoint, link));
    const store = new EtcdStore(members);
    const space = new Space(members, {isEnabled: false, log: silentLog});
    const put = (key: string, bytes: number): Promise<unknown> => store.commit({compares: [], ops: [{put: key, value: Buffer.alloc(bytes)}]});
    await put('/k', 1);
    let failure: unknown;
    for (let i = 0; i < 10 && failure === undefined; i += 1) await put('~fill', 1024 * 1024).catch((err: unknown) => (failure = err));
    expect(isNoSpace(failure)).toBe(true);
    expect((await store.get('/k'))?.value).toHaveLength(1);
    expect((await store.commit({compares: [], ops: [{delete: '~fill'}]})).ok).toBe(true);
    expect((await space.status()).hasNoSpaceAlarm).toBe(true);
    await expect(put('/w', 1)).rejects.toMatchObject({code: 'unknown_outcome'});
    await space.compactTo((await space.status()).revision);
    await space.defragment();
    expect(await space.disarmNoSpace()).toBe(true);
    await put('/w', 1);
    expect(await space.disarmNoSpace()).toBe(false);
  });
});

test('what a killed process had sent still arrives, and nobody hears of the answer', async () => {
  await inVirtualTime(1, async (time, random) => {
    const etcd = new SimulatedEtcd({time, random});
    const process = time.spawn('killed');
    const link = new SimulatedLink(etcd, process, () => 10, random);
    const heard: string[] = [];
    const store = new EtcdStore(new EtcdMembers({endpoints: ['http://simulated']}, 0, (endpoint) => new SimulatedMember(endpoint, link)));
    await process.run(() => store.currentRevision());
    void process.run(() =>
      store.commit({compares: [], ops: [{put: '/k', value: 'sent'}]}).then(
        () => heard.push('answered'),
        () => heard.push('failed'),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 1));
    process.kill();
    await new Promise((resolve) => setTimeout(resolve, 60_000));
    expect(etcd.get('/k')?.value.toString()).toBe('sent');
    expect(heard).toEqual([]);
  });
});

test('blobs of up to 1 MiB wait for nothing real', async () => {
  await inVirtualTime(1, async (time, random) => {
    const etcd = new SimulatedEtcd({time, random});
    const link = new SimulatedLink(etcd, undefined, () => 1, random);
    const blobs = new BlobStore(
      new EtcdStore(new EtcdMembers({endpoints: ['http://simulated']}, 0, () => new SimulatedMember('http://simulated', link))),
    );
    // Were something real to be waited for, this clock would run away meanwhile.
    const ticking = setInterval(() => {}, 1);
    const content = Buffer.from(Array.from({length: 200_000}, () => Math.floor(random() * 256)));
    const {header} = await blobs.stage('result', 's1', content);
    expect((await blobs.read('result', 's1', header)).equals(content)).toBe(true);
    expect(time.nowMs).toBeLessThan(20);
    clearInterval(ticking);
  });
});
