import {readFile} from 'node:fs/promises';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {ApiPod} from '../../src/engines/kubernetes/objects.ts';
import type {Cluster, ClusterSettings} from '../../src/schema/cluster.ts';
import type {JobExit} from '../../src/schema/job.ts';
import {controlKey} from '../../src/schema/keys.ts';
import {TestNamespace} from '../engines/kubernetes/harness.ts';
import {checkedFetch} from '../support/checked-fetch.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {HandPutScans} from '../support/hand-put-scans.ts';
import {whyNoCluster} from '../support/kubernetes/rig.ts';
import {TestSystem} from '../support/system.ts';

const EVENT: unknown = JSON.parse(await readFile(new URL('../../examples/events/sample-event.json', import.meta.url), 'utf8'));
const SLOW = {timeoutMs: 150_000, everyMs: 200};

/** A scanner server that does this in its first try, which its pod is named after, and in every other one nothing for long. */
const server = (first: string): string[] => {
  const firstTry = `*-1-${'?'.repeat(12)}-?????`;
  return ['/bin/sh', '-c', `case "$HOSTNAME" in ${firstTry}) ${first};; esac; exec sleep 600`, 'server'];
};

/** Scans on clusters that differ in what happens to a server there. */
const CLUSTERS = {
  memory: {scanner_server: server('x=a; while :; do x="$x$x"; done')},
  disk: {
    scanner_server: server('dd if=/dev/zero of=/tmp/much bs=1M count=24; sleep 600'),
    container: {resources: {limits: {'ephemeral-storage': '8Mi'}}},
  },
  drain: {scanner_server: server('exec sleep 600')},
  image: {scanner_server: server('true'), image: 'localhost:1/no-such-image:1'},
} as const satisfies Record<string, ClusterSettings>;
type Name = keyof typeof CLUSTERS;

describe.skipIf(whyNoCluster() !== undefined)('scans whose server ends before its time', () => {
  let namespace: TestNamespace;
  let etcd: TestEtcd;
  let system: TestSystem;
  let scans: HandPutScans;
  const ids = new Map<Name, string>();

  beforeAll(async () => {
    [namespace, etcd] = await Promise.all([TestNamespace.open(), startEtcd({unsafeNoFsync: true})]);
    const common = {kubeconfig: namespace.kubeconfig, namespace: namespace.name, image: namespace.image, patience_seconds: 1};
    const clusters = Object.fromEntries(
      Object.entries(CLUSTERS).map(([name, own]): [string, Cluster] => [
        name,
        {engine: 'kubernetes', capacity: 4, settings: {...common, worker: ['/bin/sh', '-c', 'exec sleep 600', 'worker'], ...own}},
      ]),
    );
    system = await TestSystem.start({etcd, clusters, settings: {SCANPLANE_JOB_RETRIES: '1'}});
    scans = new HandPutScans(system.database.store);
    await Promise.all([system.startReplica(), system.startReplica()]);
    for (const name of Object.keys(CLUSTERS) as Name[]) ids.set(name, await post(name));
  });
  afterAll(async () => {
    await system?.stop();
    await etcd?.stop();
    await namespace?.dispose();
  });

  async function post(cluster: string): Promise<string> {
    const posted = await checkedFetch(`${system.address}/v2/scan`, {
      method: 'POST',
      headers: {'content-type': 'application/json'},
      body: JSON.stringify({
        ...{docker_tag: 'latest', reco_algo: 'reference', event_i3live_json: EVENT, nsides: {'1': 0}, real_or_simulated_event: 'real'},
        ...{max_pixel_reco_time: 60, request_clusters: {[cluster]: 1}, scanner_server_memory: '32M', worker_memory: '32M'},
      }),
    });
    return ((await posted.json()) as {readonly scan_id: string}).scan_id;
  }

  const idOf = (name: Name): string => ids.get(name) ?? '';

  /** The server's second try runs; what became of its first one. */
  async function secondTry(name: Name): Promise<{readonly failures: number; readonly exit: JobExit | undefined; readonly log: string}> {
    const id = idOf(name);
    const job = await eventually(async () => {
      const current = await scans.job(id, 'server');
      expect(current).toMatchObject({tries_total: 2, state: 'RUNNING'});
      expect(current?.tries[1]?.handle).toBeDefined();
      return current;
    }, SLOW);
    return {failures: job?.failures ?? -1, exit: job?.tries[0]?.exit, log: await scans.log(id, 'server')};
  }

  test('one that takes too much memory is started again, which uses up a retry, and the log says so', async () => {
    const {failures, exit, log} = await secondTry('memory');
    expect(exit).toMatchObject({code: null, reason: expect.stringMatching(/^OOMKilled/)});
    expect(log).toContain('OOMKilled');
    expect(failures).toBe(1);
  });

  test('one that its kubelet evicts is started again, which uses up no retry, and the log says why', async () => {
    const {failures, exit, log} = await secondTry('disk');
    expect(exit).toMatchObject({code: null, reason: expect.stringMatching(/^Evicted: .*ephemeral/)});
    expect(log).toContain('Evicted');
    expect(failures).toBe(0);
  });

  test('one whose pod is told to go by the eviction API, as in a drain, is started again', async () => {
    const id = idOf('drain');
    await scans.running(id, 'server');
    const pods = await namespace.list<ApiPod>('pods');
    const pod = pods.find(({metadata}) => metadata.labels?.['scanplane/scan'] === id && metadata.labels['scanplane/job'] === 'server');
    const {name} = pod?.metadata ?? {name: 'none'};
    const eviction = {apiVersion: 'policy/v1beta1', kind: 'Eviction', metadata: {name, namespace: namespace.name}};
    await namespace.client.json({method: 'POST', path: `${namespace.path('pods', name)}/eviction`, body: eviction});
    const {failures, exit, log} = await secondTry('drain');
    expect(exit).toMatchObject({code: null, reason: expect.stringMatching(/^its pod was deleted|^Evicted/)});
    expect(log).toContain(exit?.reason);
    expect(failures).toBe(0);
  });

  test('one whose image does not exist fails the scan, with that reason', async () => {
    const state = await scans.ended(idOf('image'));
    expect(state.name).toBe('FAIL');
    expect(state.reason).toMatch(/ErrImagePull: .*no-such-image/);
    expect(await scans.log(idOf('image'), 'server')).toContain('ErrImagePull');
  });

  test('a scan that is deleted while it runs leaves no Job, pod or Secret; and so does a request', async () => {
    await scans.put('request', {a: {script: 'exec sleep 600', cluster: 'drain'}, b: {script: 'exit 0', cluster: 'drain'}});
    await scans.running('request', 'a');
    const deleted = [idOf('memory'), idOf('disk'), idOf('drain'), idOf('image'), 'request'];
    const left = async (): Promise<readonly unknown[]> => {
      const all = await Promise.all((['jobs', 'pods', 'secrets'] as const).map((kind) => namespace.list(kind)));
      return all.flat().map(({metadata: {name, labels}}) => `${labels?.['scanplane/scan']} ${name}`);
    };
    expect((await left()).length).toBeGreaterThanOrEqual(3 * 3 * 2 + 2);
    for (const id of ids.values()) expect((await checkedFetch(`${system.address}/v2/scan/${id}`, {method: 'DELETE'})).status).toBe(200);
    await etcd.etcdctl(['put', controlKey('request'), '{"desired": "stop", "is_deleted": true}']);
    await eventually(async () => expect(await left()).toEqual([]), SLOW);
    for (const id of deleted)
      expect(await scans.state(id)).toMatchObject({name: id === idOf('image') ? 'FAIL' : 'STOPPED', reason: expect.any(String)});
  });
});
