import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {ApiJob, ApiPod} from '../../src/engines/kubernetes/objects.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {silentLog} from '../../src/lib/log.ts';
import type {ClusterSettings} from '../../src/schema/cluster.ts';
import {clusterKey} from '../../src/schema/keys.ts';
import type {Meta} from '../../src/schema/replica.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import type {Database} from '../../src/store/open.ts';
import {TestNamespace} from '../engines/kubernetes/harness.ts';
import {ControllersProcess} from '../support/controllers-process.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {HandPutScans} from '../support/hand-put-scans.ts';
import {ApiGate} from '../support/kubernetes/api-gate.ts';
import type {GateRequest} from '../support/kubernetes/api-gate.ts';
import {whyNoCluster} from '../support/kubernetes/rig.ts';

const isOn = (method: string, kind: string) => (request: GateRequest) => request.method === method && request.path.includes(`/${kind}`);
const launches = (request: GateRequest): boolean => isOn('PATCH', 'jobs/')(request) && request.body.includes('"launched"');
const recordsExit = (request: GateRequest): boolean => isOn('PATCH', 'jobs/')(request) && request.body.includes('scanplane/exit');

/** Where a controller dies, in the order in which it gets there. */
const POINTS = [
  {where: 'before its Job is created', when: 'before', matches: isOn('POST', 'jobs')},
  {where: 'after its Job was created', when: 'after', matches: isOn('POST', 'jobs')},
  {where: 'after its Secret was created', when: 'after', matches: isOn('POST', 'secrets')},
  {where: 'after it was launched, before etcd hears of it', when: 'after', matches: launches},
  {where: 'after its exit is in the Job, before etcd hears of it', when: 'after', matches: recordsExit},
] as const;

describe.skipIf(whyNoCluster() !== undefined)('controllers that are killed', () => {
  let namespace: TestNamespace;
  let gate: ApiGate;
  let etcd: TestEtcd;
  let database: Database;
  let meta: Meta;
  let scans: HandPutScans;
  let controllers: ControllersProcess | undefined;

  beforeAll(async () => {
    [namespace, etcd] = await Promise.all([TestNamespace.open(), startEtcd({unsafeNoFsync: true})]);
    gate = await ApiGate.open(namespace.kubeconfig);
    database = openDatabase({endpoints: [etcd.endpoint], prefix: ''}, silentLog);
    meta = await ensureMeta(database.store);
    scans = new HandPutScans(database.store);
    await putCluster({});
    controllers = new ControllersProcess(etcd.endpoint);
  });
  afterAll(async () => {
    await controllers?.kill();
    database?.members.close();
    await etcd?.stop();
    await gate?.close();
    await namespace?.dispose();
  });

  function putCluster(more: ClusterSettings): Promise<unknown> {
    const settings = {kubeconfig: gate.kubeconfig, namespace: namespace.name, image: namespace.image, ...more};
    return etcd.etcdctl(['put', clusterKey('k8s'), canonicalJson({engine: 'kubernetes', capacity: 8, place: 'here', settings})]);
  }

  /** Those of a scan that were launched. */
  async function launchedJobs(id: string): Promise<readonly ApiJob[]> {
    const jobs = await namespace.list<ApiJob>('jobs');
    return jobs.filter(({metadata}) => metadata.labels?.['scanplane/scan'] === id && metadata.annotations?.['scanplane/state'] === 'launched');
  }

  async function podsOf(id: string): Promise<readonly ApiPod[]> {
    return (await namespace.list<ApiPod>('pods')).filter(({metadata}) => metadata.labels?.['scanplane/scan'] === id);
  }

  for (const [n, {where, when, matches}] of POINTS.entries()) {
    test(`a scan whose controller is killed ${where} has run exactly once`, async () => {
      const id = `killed${n}`;
      const dying = controllers;
      const killed = gate.once(when, matches, async () => dying?.kill());
      const uids = new Set<string>();
      await scans.put(id, {a: 'echo "ran as $HOSTNAME"; sleep 2'});
      await killed;
      controllers = new ControllersProcess(etcd.endpoint);
      const state = await eventually(
        async () => {
          for (const {metadata} of await podsOf(id)) uids.add(metadata.uid ?? '');
          const now = await scans.state(id);
          expect(now?.name).toMatch(/COMPLETE|FAIL|STOPPED/);
          return now;
        },
        {timeoutMs: 120_000, everyMs: 100},
      );
      expect(state).toMatchObject({name: 'COMPLETE'});
      expect(uids.size).toBe(1);
      expect(await launchedJobs(id)).toHaveLength(1);
      const job = await scans.job(id, 'a');
      expect(job).toMatchObject({state: 'COMPLETE', failures: 0});
      expect(job?.tries.filter(({exit}) => exit?.code === 0)).toHaveLength(1);
      expect(await scans.log(id, 'a', job?.tries_total)).toContain('ran as');
    });
  }

  test('controllers that are away for longer than the TTL of a Job that ended meanwhile neither lose its exit nor run it again', async () => {
    await putCluster({ttl_seconds: 1});
    await scans.put('away', {a: 'sleep 1', b: 'sleep 1; exit 7'});
    await Promise.all(['a', 'b'].map(async (job) => scans.running('away', job)));
    await controllers?.kill();
    // One that lived just long enough to record the exits.
    const dying = namespace.engine({ttl_seconds: 1}, {clusterId: meta.cluster_id, place: 'here'});
    await eventually(
      async () => {
        const jobs = await launchedJobs('away');
        expect(jobs).toHaveLength(2);
        for (const {metadata} of jobs) expect(metadata.deletionTimestamp).toBeDefined();
        expect(await podsOf('away')).toEqual([]);
      },
      {timeoutMs: 90_000, everyMs: 200},
    );
    dying.dispose();
    controllers = new ControllersProcess(etcd.endpoint);
    expect(await scans.ended('away')).toMatchObject({name: 'FAIL'});
    expect(await scans.job('away', 'a')).toMatchObject({tries_total: 1, tries: [{exit: {code: 0}}]});
    expect(await scans.job('away', 'b')).toMatchObject({tries_total: 1, tries: [{exit: {code: 7}}]});
    expect(await podsOf('away')).toEqual([]);
  });

  test('a Job that kubectl deletes is noticed by the watch, and another try takes its place', async () => {
    await controllers?.kill();
    // What is noticed now, a watch has told: nothing is looked at again for its own sake.
    controllers = new ControllersProcess(etcd.endpoint, {SCANPLANE_RESYNC_SECONDS: '3600'});
    await scans.put('deleted', {a: 'if [ "$SCANPLANE_TRY" = 1 ]; then exec sleep 600; fi'});
    const {tries} = await scans.running('deleted', 'a');
    await namespace.delete('jobs', tries[0]?.handle ?? '');
    expect(await scans.ended('deleted')).toMatchObject({name: 'COMPLETE'});
    const job = await scans.job('deleted', 'a');
    expect(job).toMatchObject({tries_total: 2, failures: 0});
    expect(job?.tries[0]?.exit).toMatchObject({code: null, reason: 'its Job was deleted'});
    expect(await scans.log('deleted', 'a')).toContain('its Job was deleted');
  });
});
