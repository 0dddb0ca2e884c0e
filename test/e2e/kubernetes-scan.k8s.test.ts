import {chmod, mkdtemp, readFile, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {expect, onTestFinished} from 'vitest';
import type {ApiPod} from '../../src/engines/kubernetes/objects.ts';
import type {Cluster} from '../../src/schema/cluster.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {test} from '../support/kubernetes/rig.ts';
import {TestSystem} from '../support/system.ts';

const ENDED: ReadonlySet<string> = new Set(['COMPLETE', 'FAIL', 'STOPPED']);

test('the reference scanner scans on Kubernetes: a server Job and a Job of three workers, to a final result', async ({own}) => {
  const event: unknown = JSON.parse(await readFile(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));
  // The server tells its workers in a file where it is. Neither of them is root.
  const shared = await mkdtemp(join(tmpdir(), 'scanplane-shared-'));
  await chmod(shared, 0o777);
  const kubernetes: Cluster = {
    engine: 'kubernetes',
    capacity: 8,
    settings: {
      ...{kubeconfig: own.kubeconfig, namespace: own.namespace, image: await own.nodeImage(), shared_volume: {hostPath: {path: shared}}},
      scanner_server: ['node', '/app/examples/scanner/server.ts'],
      worker: ['node', '/app/examples/scanner/worker.ts'],
      env: [
        ['SKYSCAN_PROGRESS_INTERVAL_SEC', '0.2'],
        ['SKYSCAN_RESULT_INTERVAL_SEC', '1'],
        ['SCANNER_PIXEL_WORK', '0.2'],
      ],
    },
  };
  const etcd = await startEtcd();
  const system = await TestSystem.start({etcd, clusters: {k8s: kubernetes}, expose: (port) => own.expose(port)});
  onTestFinished(async () => {
    await system.stop();
    await etcd.stop();
    await rm(shared, {recursive: true, force: true});
  });
  await Promise.all([system.startReplica(), system.startReplica()]);
  const posted = await checkedFetch(`${system.address}/v2/scan`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify({
      ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: event, nsides: {'1': 0}, real_or_simulated_event: 'real'},
      ...{max_pixel_reco_time: 60, request_clusters: {k8s: 3}, scanner_server_memory: '200M', worker_memory: '200M'},
    }),
  });
  const {scan_id: id} = (await posted.json()) as {readonly scan_id: string};
  let mostPods = 0;
  const state = await eventually(
    async () => {
      const {items} = JSON.parse(await own.kubectl(['get', 'pods', '-o', 'json'])) as {readonly items: readonly ApiPod[]};
      mostPods = Math.max(mostPods, items.length);
      const stored = system.database.cache.scans.get(id)?.state?.value;
      if (!ENDED.has(stored?.name ?? '')) throw new Error(`${JSON.stringify(stored)}\n${await own.kubectl(['get', 'jobs,pods'])}`);
      return stored;
    },
    {timeoutMs: 200_000, everyMs: 500},
  );
  if (state?.name !== 'COMPLETE') expect.fail(`${JSON.stringify(state)}\n${await etcd.etcdctl(['get', '--prefix', `~log/${id}/`])}`);
  expect(mostPods).toBe(4);
  const result = (await (await checkedFetch(`${system.address}/scan/${id}/result`)).json()) as {
    readonly is_final: boolean;
    readonly skyscan_result: Readonly<Record<string, {readonly data: readonly unknown[]}>>;
  };
  expect(result.is_final).toBe(true);
  expect(result.skyscan_result['nside-1']?.data).toHaveLength(12);
});
