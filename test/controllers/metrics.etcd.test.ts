import {readFileSync} from 'node:fs';
import {expect, test} from 'vitest';
import {TestSystem} from '../support/system.ts';
import {startEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';

/** Figures by name and labels. */
async function figuresOf(address: string): Promise<ReadonlyMap<string, number>> {
  const answer = await fetch(`${address}/metrics`);
  expect([answer.status, answer.headers.get('content-type')]).toEqual([200, expect.stringContaining('text/plain')]);
  const lines = (await answer.text()).split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

test('a process that runs controllers tells what it leads and owns, what waits, and how its clusters stand', async () => {
  const etcd = await startEtcd({unsafeNoFsync: true});
  await etcd.etcdctl(['put', '/cluster/away', '{"engine": "kubernetes", "capacity": 7, "settings": {"kubeconfig": "/none", "image": "busybox"}}']);
  const system = await TestSystem.start({etcd});
  try {
    const replica = await system.startReplica();
    const wanted = {
      scanplane_replicas: 1,
      scanplane_lease_held: 1,
      'scanplane_leading{controller="scheduler"}': 1,
      'scanplane_leading{controller="janitor"}': 1,
      'scanplane_owned{kind="scan"}': 0,
      'scanplane_waiting{kind="pb"}': 0,
      'scanplane_cluster_slots{cluster="away"}': 7,
      'scanplane_cluster_slots_free{cluster="away"}': 7,
      'scanplane_cluster_reachable{cluster="away"}': 0,
      'scanplane_cluster_reachable{cluster="local"}': 1,
      'scanplane_owner_keys_lost_total{cause="lease"}': 0,
      scanplane_etcd_reachable: 1,
    };
    const described = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
    const own = [...(await figuresOf(replica.address)).keys()].map((name) => name.replace(/(_bucket|_sum|_count)?(\{.*)?$/, ''));
    expect(own.filter((name) => !/^scanplane_(process|nodejs)_/.test(name) && !described.includes(name))).toEqual([]);
    await eventually(
      async () => {
        const figures = await figuresOf(replica.address);
        expect(Object.fromEntries(Object.keys(wanted).map((name) => [name, figures.get(name)]))).toEqual(wanted);
      },
      {timeoutMs: 15_000},
    );
  } finally {
    await system.stop();
    await etcd.stop();
  }
});
