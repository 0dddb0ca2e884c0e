import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {NOOP} from '../../src/schema/chain.ts';
import type {Chain} from '../../src/schema/chain.ts';
import type {Job} from '../../src/schema/job.ts';
import {chainKey, clusterKey, controlKey, logKey, scanKey, stateKey} from '../../src/schema/keys.ts';
import {parseScanState} from '../../src/schema/state.ts';
import type {ScanState} from '../../src/schema/state.ts';
import {TestNamespace} from '../engines/kubernetes/harness.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {eventually} from '../support/eventually.ts';
import {whyNoCluster} from '../support/kubernetes/rig.ts';
import {TestSystem} from '../support/system.ts';

describe.skipIf(whyNoCluster() !== undefined)('requests on a Kubernetes cluster', () => {
  let namespace: TestNamespace;
  let etcd: TestEtcd;
  let system: TestSystem;

  beforeAll(async () => {
    [namespace, etcd] = await Promise.all([TestNamespace.open(), startEtcd()]);
    system = await TestSystem.start({etcd});
    await Promise.all([system.startReplica(), system.startReplica()]);
    await putCluster('k8s', {kubeconfig: namespace.kubeconfig});
    await putCluster('away', {kubeconfig: '/nowhere/kubeconfig'});
  });
  afterAll(async () => {
    await system?.stop();
    await etcd?.stop();
    await namespace?.dispose();
  });

  function putCluster(name: string, settings: object): Promise<unknown> {
    const own = {namespace: namespace.name, image: namespace.image, patience_seconds: 1, ...settings};
    return etcd.etcdctl(['put', clusterKey(name), canonicalJson({engine: 'kubernetes', capacity: 8, settings: own})]);
  }

  /** As an operator would: begin → the commands, side by side, each on its cluster → end. */
  async function put(id: string, scripts: Readonly<Record<string, string>>, {cluster = 'k8s', retry = 0} = {}): Promise<void> {
    const noop = {type: NOOP, cluster: '', count: 1, retry: 0, sequence: 'begin'};
    const jobs: Record<string, Chain['jobs'][string]> = {begin: {...noop, name: 'begin'}, end: {...noop, name: 'end'}};
    const adjacency: Record<string, string[]> = {begin: Object.keys(scripts), end: []};
    const types: Record<string, NonNullable<Chain['types']>[string]> = {};
    for (const [name, script] of Object.entries(scripts)) {
      jobs[name] = {name, type: name, cluster, count: 1, retry, sequence: 'begin', args: {field: 'M31'}};
      adjacency[name] = ['end'];
      types[name] = {run: {kind: 'command', command: ['/bin/sh', '-c', script]}};
    }
    await etcd.etcdctl(['put', chainKey(id), canonicalJson({jobs, adjacency, types, sequences: {begin: {retry: 0}}})]);
    await etcd.etcdctl(['put', scanKey(id), '{"type":"by-hand"}']);
  }

  async function stateOf(id: string): Promise<ScanState | undefined> {
    const stored = await system.database.store.get(stateKey(id));
    return stored === undefined ? undefined : parseScanState(stored.value.toString(), stateKey(id));
  }

  function ended(id: string): Promise<ScanState> {
    return eventually(
      async () => {
        const state = await stateOf(id);
        expect(['COMPLETE', 'FAIL', 'STOPPED']).toContain(state?.name);
        return state as ScanState;
      },
      {timeoutMs: 150_000},
    );
  }

  const jobOf = (id: string, job: string): Job | undefined => system.database.cache.scans.get(id)?.jobs?.get(job)?.value;

  test('commands of a chain run as Jobs, get their arguments and their document, and their output is in the log', async () => {
    await put('good', {a: 'echo "field $ARG_FIELD"; grep -o \'"field":"M31"\' "$SCANPLANE_JOB_FILE"', b: 'exit 0'});
    expect((await ended('good')).name).toBe('COMPLETE');
    const [entry] = [await system.database.store.get(logKey('good', 'a', 1))];
    expect(entry?.value.toString()).toContain('field M31\\n\\"field\\":\\"M31\\"');
    await eventually(() => expect(jobOf('good', 'a')?.tries.at(-1)).toMatchObject({place: `kubernetes/k8s/${namespace.name}`, exit: {code: 0}}));
  });

  test('a command that fails is tried again as another Job, and then the request has failed', async () => {
    await put('bad', {a: 'exit 3'}, {retry: 1});
    expect((await ended('bad')).name).toBe('FAIL');
    await eventually(() => expect(jobOf('bad', 'a')).toMatchObject({tries_total: 2, failures: 2}));
  });

  test('a request that is stopped has no process left, and one on a cluster that is away waits without holding up others', async () => {
    await put('waits', {a: 'exit 0'}, {cluster: 'away'});
    await put('stopped', {a: 'trap "exit 1" TERM; while :; do sleep 0.1; done'});
    await eventually(() => expect(jobOf('stopped', 'a')?.state).toBe('RUNNING'), {timeoutMs: 60_000});
    await etcd.etcdctl(['put', controlKey('stopped'), '{"desired": "stop"}']);
    expect((await ended('stopped')).name).toBe('STOPPED');
    await eventually(() => expect(jobOf('stopped', 'a')?.tries.at(-1)).toMatchObject({exit: {reason: 'stopped'}}));
    expect((await stateOf('waits'))?.name).not.toBe('FAIL');
    // The operator mends the cluster's key.
    await putCluster('away', {kubeconfig: namespace.kubeconfig});
    expect((await ended('waits')).name).toBe('COMPLETE');
  });
});
