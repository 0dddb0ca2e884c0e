import {expect, onTestFinished} from 'vitest';
import type {ApiJob} from '../../src/engines/kubernetes/objects.ts';
import {sleep} from '../../src/lib/sleep.ts';
import {eventually} from '../support/eventually.ts';
import {startEtcd} from '../support/etcd.ts';
import {HandPutScans} from '../support/hand-put-scans.ts';
import {test} from '../support/kubernetes/rig.ts';
import {TestSystem} from '../support/system.ts';

const AWAY_MS = 30_000;

test('an API server that is stopped for 30 s and started again loses nothing: what ran, what ended and what was asked for meanwhile', async ({
  own,
}) => {
  const etcd = await startEtcd({unsafeNoFsync: true});
  const settings = {kubeconfig: own.kubeconfig, namespace: own.namespace, image: own.busybox};
  const system = await TestSystem.start({etcd, clusters: {k8s: {engine: 'kubernetes', capacity: 8, settings}}});
  onTestFinished(async () => {
    await system.stop();
    await etcd.stop();
  });
  const scans = new HandPutScans(system.database.store);
  await Promise.all([system.startReplica(), system.startReplica()]);
  await scans.put('runs', {a: `sleep ${AWAY_MS / 1000 + 10}`, b: {script: 'exit 0', after: ['a']}});
  await scans.put('ends', {a: 'echo words; sleep 10; exit 3'});
  await scans.put('stopped', {a: 'trap "exit 1" TERM; while :; do sleep 0.1; done'});
  await eventually(
    async () => {
      const phases = (await own.kubectl(['get', 'pods', '-o', 'jsonpath={.items[*].status.phase}'])).split(' ');
      expect(phases).toEqual(['Running', 'Running', 'Running']);
    },
    {timeoutMs: 60_000, everyMs: 200},
  );

  await own.stopApiServer();
  const awaySince = performance.now();
  await scans.put('posted', {a: 'exit 0'});
  await etcd.etcdctl(['put', '/scan/stopped/control', '{"desired": "stop"}']);
  await sleep(AWAY_MS - (performance.now() - awaySince)); // That long is what is asked for.
  for (const id of ['runs', 'ends', 'stopped']) expect(await scans.state(id)).toMatchObject({name: 'RUNNING'});
  await own.startApiServer();

  expect(await scans.ended('posted')).toMatchObject({name: 'COMPLETE'});
  expect(await scans.ended('stopped')).toMatchObject({name: 'STOPPED'});
  expect(await scans.ended('ends')).toMatchObject({name: 'FAIL'});
  expect(await scans.ended('runs')).toMatchObject({name: 'COMPLETE'});
  expect(await scans.job('ends', 'a')).toMatchObject({tries_total: 1, failures: 1, tries: [{exit: {code: 3}}]});
  for (const id of ['runs', 'posted']) expect(await scans.job(id, 'a')).toMatchObject({tries_total: 1, failures: 0});
  expect(await scans.log('ends', 'a')).toContain('words');
  const {items} = JSON.parse(await own.kubectl(['get', 'jobs', '-o', 'json'])) as {readonly items: readonly ApiJob[]};
  const ran = items.map(({metadata}) => `${metadata.labels?.['scanplane/scan']} ${metadata.labels?.['scanplane/job']}`).sort();
  expect(ran).toEqual(['ends a', 'posted a', 'runs a', 'runs b', 'stopped a']);
});
