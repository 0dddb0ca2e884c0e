import {execFile} from 'node:child_process';
import {mkdtemp, rm} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {fileURLToPath} from 'node:url';
import {promisify} from 'node:util';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {ApiPod} from '../../src/engines/kubernetes/objects.ts';
import {canonicalJson} from '../../src/lib/canonical-json.ts';
import {silentLog} from '../../src/lib/log.ts';
import {clusterKey, controlKey} from '../../src/schema/keys.ts';
import {ensureMeta, openDatabase} from '../../src/store/open.ts';
import {aShellJob} from '../contract/engine.ts';
import {TestNamespace} from '../engines/kubernetes/harness.ts';
import {ControllersProcess} from '../support/controllers-process.ts';
import {startEtcd} from '../support/etcd.ts';
import type {TestEtcd} from '../support/etcd.ts';
import {HandPutScans} from '../support/hand-put-scans.ts';
import {whyNoCluster} from '../support/kubernetes/rig.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

describe.skipIf(whyNoCluster() !== undefined)('after a restore of the database from a backup', () => {
  let namespace: TestNamespace;
  let etcd: TestEtcd;
  let folder: string;
  let controllers: ControllersProcess | undefined;

  beforeAll(async () => {
    [namespace, etcd] = await Promise.all([TestNamespace.open(), startEtcd({unsafeNoFsync: true})]);
    folder = await mkdtemp(join(tmpdir(), 'scanplane-backup-'));
  });
  afterAll(async () => {
    await controllers?.kill();
    await etcd?.stop();
    await namespace?.dispose();
    await rm(folder, {recursive: true, force: true});
  });

  /** Works on the database as it is now: what was opened before a restore would look for revisions that have not been. */
  async function onDatabase<T>(work: (scans: HandPutScans) => Promise<T>): Promise<T> {
    const {members, store} = openDatabase({endpoints: [etcd.endpoint], prefix: ''}, silentLog);
    try {
      await ensureMeta(store);
      return await work(new HandPutScans(store));
    } finally {
      members.close();
    }
  }

  /** Uids of all pods of a scan, by this or another database. */
  async function podsOf(id: string): Promise<readonly string[]> {
    const pods = (await namespace.list<ApiPod>('pods')).filter(({metadata}) => metadata.labels?.['scanplane/scan'] === id);
    return pods.map(({metadata}) => `${metadata.uid} ${metadata.deletionTimestamp ?? 'stays'}`);
  }

  test('what runs goes on, what has ended keeps its exit, nothing runs twice, and what it does not know is left alone', async () => {
    const settings = {kubeconfig: namespace.kubeconfig, namespace: namespace.name, image: namespace.image};
    await etcd.etcdctl(['put', clusterKey('k8s'), canonicalJson({engine: 'kubernetes', capacity: 8, settings})]);
    const backup = join(folder, 'backup');
    const foreign = namespace.engine({}, {clusterId: 'another'}, false);
    const theirs = {...aShellJob('exec sleep 600', {ref: {scanId: 'runs', job: 'a', try: 1}}), clusterId: 'another'};
    await onDatabase(async (scans) => {
      controllers = new ControllersProcess(etcd.endpoint);
      await foreign.ensure(theirs);
      await etcd.etcdctl(['put', controlKey('later'), '{"desired": "hold"}']);
      await scans.put('later', {a: 'exit 0'});
      await scans.put('runs', {a: 'trap "exit 1" TERM; while :; do sleep 0.1; done'});
      await scans.put('ends', {a: 'sleep 3'});
      await scans.running('runs', 'a');
      await scans.running('ends', 'a');
      await etcd.etcdctl(['snapshot', 'save', backup]);
      // All this the backup does not know.
      await etcd.etcdctl(['put', controlKey('later'), '{"desired": "run"}']);
      await scans.put('unknown', {a: 'exec sleep 600'});
      await scans.running('unknown', 'a');
      expect(await scans.ended('later')).toMatchObject({name: 'COMPLETE'});
      expect(await scans.ended('ends')).toMatchObject({name: 'COMPLETE'});
      await controllers.kill();
    });
    const before = {runs: await podsOf('runs'), unknown: await podsOf('unknown'), later: await podsOf('later'), ends: await podsOf('ends')};
    expect(before).toMatchObject({runs: [expect.any(String), expect.any(String)], unknown: [expect.any(String)], later: [expect.any(String)]});

    await etcd.restore(backup);
    const env = {PATH: process.env['PATH'], SCANPLANE_ETCD_ENDPOINTS: etcd.endpoint};
    const {stdout} = await promisify(execFile)(process.execPath, [MAIN, 'restored'], {env});
    expect(stdout).toMatch(/^epoch +\d{10}$/m);

    await onDatabase(async (scans) => {
      expect(await scans.state('unknown')).toBeUndefined();
      expect(await scans.state('ends')).toMatchObject({name: 'RUNNING'});
      controllers = new ControllersProcess(etcd.endpoint, {SCANPLANE_ORPHAN_AFTER_SECONDS: '3'});
      expect(await scans.ended('ends')).toMatchObject({name: 'COMPLETE'});
      await etcd.etcdctl(['put', controlKey('later'), '{"desired": "run"}']);
      expect(await scans.ended('later')).toMatchObject({name: 'COMPLETE'});
      for (const id of ['ends', 'later']) expect(await scans.job(id, 'a')).toMatchObject({tries_total: 1, failures: 0, tries: [{exit: {code: 0}}]});
      expect(await scans.state('runs')).toMatchObject({name: 'RUNNING'});
      expect({runs: await podsOf('runs'), unknown: await podsOf('unknown'), later: await podsOf('later'), ends: await podsOf('ends')}).toEqual(
        before,
      );
      // It is led again: what its user wants is done. The other database's job of the same name is not touched by that.
      await etcd.etcdctl(['put', controlKey('runs'), '{"desired": "stop"}']);
      expect(await scans.ended('runs')).toMatchObject({name: 'STOPPED'});
      expect(await scans.job('runs', 'a')).toMatchObject({tries_total: 1, tries: [{exit: {reason: 'stopped'}}]});
      expect((await foreign.observe(theirs.ref, foreign.place)).kind).toBe('running');
      expect(await podsOf('unknown')).toEqual(before.unknown);
    });
  });
});
