import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import type {ApiJob} from '../../src/engines/kubernetes/objects.ts';
import {clusterKey, controlKey} from '../../src/schema/keys.ts';
import {TestNamespace} from '../engines/kubernetes/harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {HandPutScans} from '../support/hand-put-scans.ts';
import {whyNoCluster} from '../support/kubernetes/rig.ts';
import {TestSystem} from '../support/system.ts';

const SLOW = {timeoutMs: 90_000, everyMs: 100};

describe.skipIf(whyNoCluster() !== undefined)('several clusters, of which one cannot', () => {
  let namespace: TestNamespace;
  let narrow: TestNamespace;
  let etcd: TestEtcd;
  let system: TestSystem;
  let scans: HandPutScans;

  beforeAll(async () => {
    [namespace, narrow, etcd] = await Promise.all([TestNamespace.open(), TestNamespace.open(), startEtcd({unsafeNoFsync: true})]);
    system = await TestSystem.start({etcd});
    scans = new HandPutScans(system.database.store);
    await Promise.all([system.startReplica(), system.startReplica()]);
    await putCluster('k8s', namespace);
    await putCluster('narrow', narrow);
    await putCluster('away', namespace, '/nowhere/kubeconfig');
  });
  afterAll(async () => {
    await system?.stop();
    await etcd?.stop();
    await Promise.all([namespace?.dispose(), narrow?.dispose()]);
  });

  function putCluster(name: string, {name: where, kubeconfig, image}: TestNamespace, path = kubeconfig): Promise<unknown> {
    const settings = {kubeconfig: path, namespace: where, image};
    return etcd.etcdctl(['put', clusterKey(name), canonicalJson({engine: 'kubernetes', capacity: 8, settings})]);
  }

  async function putQuota(hard: Readonly<Record<string, string>>): Promise<void> {
    const body = {apiVersion: 'v1', kind: 'ResourceQuota', metadata: {name: 'quota'}, spec: {hard}};
    await narrow.client.json({method: 'POST', path: narrow.path('resourcequotas'), body});
    // It is enforced from when its controller has counted.
    await eventually(async () => {
      const {status} = await narrow.client.json<{readonly status?: {readonly hard?: object}}>({
        method: 'GET',
        path: narrow.path('resourcequotas', 'quota'),
      });
      expect(status?.hard).toEqual(hard);
    }, SLOW);
  }

  const dropQuota = (): Promise<unknown> => narrow.client.text({method: 'DELETE', path: narrow.path('resourcequotas', 'quota')});

  /** Waits until the status of a job says this. */
  const says = (id: string, job: string, words: RegExp): Promise<void> =>
    eventually(async () => expect((await scans.job(id, job))?.status).toMatch(words), SLOW);

  test('jobs on a cluster that is away wait; those of the same request and of others go on elsewhere', async () => {
    await scans.put('mixed', {
      waits: {script: 'exit 0', cluster: 'away'},
      first: {script: 'exit 0'},
      second: {script: 'exit 0', after: ['first']},
    });
    await scans.put('other', {a: 'exit 0'});
    expect(await scans.ended('other')).toMatchObject({name: 'COMPLETE'});
    await eventually(async () => expect(await scans.job('mixed', 'second')).toMatchObject({state: 'COMPLETE'}), SLOW);
    expect(await scans.state('mixed')).toMatchObject({name: 'RUNNING'});
    await putCluster('away', namespace); // The operator mends it.
    expect(await scans.ended('mixed')).toMatchObject({name: 'COMPLETE'});
    expect(await scans.job('mixed', 'waits')).toMatchObject({tries_total: 1, failures: 0});
  });

  test('a quota of Jobs that is used up makes scans wait, who say so, and go on when it is free; one that is stopped meanwhile ends', async () => {
    await putQuota({'count/jobs.batch': '0'});
    await scans.put('quota', {a: {script: 'exit 0', cluster: 'narrow'}});
    await scans.put('unwanted', {a: {script: 'exit 0', cluster: 'narrow'}});
    await scans.put('beside', {a: 'exit 0'});
    expect(await scans.ended('beside')).toMatchObject({name: 'COMPLETE'});
    for (const id of ['quota', 'unwanted']) await says(id, 'a', /^waits: .*exceeded quota/);
    await etcd.etcdctl(['put', controlKey('unwanted'), '{"desired": "stop"}']);
    expect(await scans.ended('unwanted')).toMatchObject({name: 'STOPPED'});
    await dropQuota();
    expect(await scans.ended('quota')).toMatchObject({name: 'COMPLETE'});
    const job = await scans.job('quota', 'a');
    expect(job).toMatchObject({tries_total: 1, failures: 0});
    expect(job?.status ?? '').not.toMatch(/^waits: /);
    const launched = (await narrow.list<ApiJob>('jobs')).filter(({metadata}) => metadata.annotations?.['scanplane/state'] === 'launched');
    expect(launched).toHaveLength(1);
  });

  test('a quota of pods that is used up makes a Job wait for its pod, and its scan says so', async () => {
    await putQuota({pods: '0'});
    await scans.put('pods', {a: {script: 'exit 0', cluster: 'narrow'}});
    await says('pods', 'a', /^waits for its pod: .*exceeded quota/);
    await dropQuota();
    expect(await scans.ended('pods')).toMatchObject({name: 'COMPLETE'});
    expect(await scans.job('pods', 'a')).toMatchObject({tries_total: 1, failures: 0});
  });
});
