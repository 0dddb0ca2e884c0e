import {afterAll, beforeAll, expect, test} from 'vitest';
import {hasCode} from '../../src/lib/errors.ts';
import {EtcdMembers} from '../../src/store/etcd-members.ts';
import {EtcdStore} from '../../src/store/etcd-store.ts';
import {startEtcdCluster} from '../support/etcd-cluster.ts';
import type {TestEtcdCluster} from '../support/etcd-cluster.ts';
import {eventually} from '../support/eventually.ts';

let cluster: TestEtcdCluster;
let members: EtcdMembers;
let store: EtcdStore;

beforeAll(async () => {
  cluster = await startEtcdCluster();
  members = new EtcdMembers({endpoints: cluster.endpoints});
  store = new EtcdStore(members);
});
afterAll(async () => {
  members.close();
  await cluster.stop();
});

const writing = async (key: string): Promise<boolean> => (await store.commit({compares: [], ops: [{put: key, value: 'x'}]})).ok;

test('with a quorum lost a write fails fast and is told apart; with the members back, the same client writes again', async () => {
  expect(await writing('/before')).toBe(true);
  await cluster.members[1]!.kill();
  await cluster.members[2]!.kill();
  // Until the one that is left has noticed that nobody leads, a write is taken and not answered: unknown. From then on it is refused at once.
  const codes: string[] = [];
  await eventually(
    async () => {
      const started = performance.now();
      const error: unknown = await writing('/lost').catch((err: unknown) => err);
      expect(performance.now() - started).toBeLessThan(7000);
      codes.push(hasCode(error, 'unavailable', 'unknown_outcome') ? error.code : `not ours: ${String(error)}`);
      return codes.at(-1) === 'unavailable';
    },
    {timeoutMs: 20_000},
  );
  expect(codes.filter((code) => code !== 'unknown_outcome' && code !== 'unavailable')).toEqual([]);
  const started = performance.now();
  await expect(writing('/lost')).rejects.toMatchObject({code: 'unavailable'});
  expect(performance.now() - started).toBeLessThan(2000);
  await expect(store.currentRevision()).rejects.toMatchObject({code: 'unavailable'});

  await Promise.all([cluster.members[1]!.restart(), cluster.members[2]!.restart()]);
  await eventually(async () => writing('/after'), {timeoutMs: 20_000});
  await eventually(() => store.isReachable());
}, 60_000);

test('when the member in use hangs, reads go on at another within their deadline, and take the writes along', async () => {
  // The members may have just come back, and still be electing.
  await eventually(async () => writing('/before'), {timeoutMs: 10_000});
  const hung = cluster.members.find((member) => member.endpoint === members.preferred.endpoint)!;
  hung.signal('SIGSTOP');
  try {
    // The signal takes effect a moment later: until then the member still answers. If it led, the others elect first; a read that runs into that
    // is unavailable, and the next one works.
    await eventually(async () => (await store.get('/before')) !== undefined && members.preferred.endpoint !== hung.endpoint, {timeoutMs: 10_000});
    await eventually(async () => writing('/during'), {timeoutMs: 10_000});
  } finally {
    hung.signal('SIGCONT');
  }
}, 60_000);
