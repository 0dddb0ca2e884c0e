import {expect, onTestFinished} from 'vitest';
import type {ApiPod} from '../../src/engines/kubernetes/objects.ts';
import {pbStateKey} from '../../src/schema/keys.ts';
import type {PbState} from '../../src/schema/processing-block.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {test} from '../support/kubernetes/rig.ts';
import {TestSystem} from '../support/system.ts';

test('a processing script runs on Kubernetes, in its own image and through the library, until its block is FINISHED', async ({own}) => {
  const image = await own.nodeImage();
  const etcd = await startEtcd({unsafeNoFsync: true});
  // The script finds etcd where the controllers find it: pods reach that address, too.
  const endpoint = `http://${await own.expose(Number(new URL(etcd.endpoint).port))}`;
  const settings = {kubeconfig: own.kubeconfig, namespace: own.namespace, image: own.busybox};
  const system = await TestSystem.start({
    etcd: {...etcd, endpoint},
    clusters: {k8s: {engine: 'kubernetes', capacity: 8, settings}},
    settings: {SCANPLANE_DEFAULT_CLUSTER: 'k8s'},
    expose: async (port) => own.expose(port),
  });
  onTestFinished(async () => {
    await system.stop();
    await etcd.stop();
  });
  await system.startReplica();
  const ask = async (method: string, path: string, body: unknown): Promise<unknown> => {
    const answer = await checkedFetch(`${system.address}${path}`, {
      method,
      headers: {'content-type': 'application/json'},
      body: JSON.stringify(body),
    });
    const json: unknown = await answer.json();
    if (!answer.ok) throw new Error(JSON.stringify(json));
    return json;
  };
  const script = {kind: 'batch', name: 'primes', version: '1.0'};
  await ask('POST', '/v2/script', {...script, image, command: ['/app/examples/scripts/process-block.ts']});
  const id = 'pb-test-20260101-00001';
  await ask('POST', '/v2/eb', {processing_blocks: [{pb_id: id, script, parameters: {up_to: 20_000}}]});
  const state = await eventually(
    async () => {
      const stored = await system.database.store.get(pbStateKey(id));
      const now = JSON.parse(stored?.value.toString() ?? '{}') as PbState;
      if (!/FINISHED|FAILED|CANCELLED/.test(now.status)) throw new Error(`${JSON.stringify(now)}\n${await own.kubectl(['get', 'jobs,pods'])}`);
      return now;
    },
    {timeoutMs: 150_000, everyMs: 250},
  );
  expect(state).toMatchObject({status: 'FINISHED', primes: 2262});
  const {items} = JSON.parse(await own.kubectl(['get', 'pods', '-o', 'json'])) as {readonly items: readonly ApiPod[]};
  expect(items).toHaveLength(1);
  expect(JSON.stringify(items[0])).toContain(image);
});
