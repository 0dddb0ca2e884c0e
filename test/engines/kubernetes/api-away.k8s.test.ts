import {mkdtemp, readFile, rm, writeFile} from 'node:fs/promises';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {KubernetesEngine} from '../../../src/engines/kubernetes/kubernetes-engine.ts';
import type {JobRef} from '../../../src/engines/engine.ts';
import {hasCode} from '../../../src/lib/errors.ts';
import {aShellJob, untilExited} from '../../contract/engine.ts';
import {eventually} from '../../support/eventually.ts';
import {whyNoCluster} from '../../support/kubernetes/rig.ts';
import {ApiProxy} from './api-proxy.ts';
import {TestNamespace} from './harness.ts';

const TIMES = {idleMs: 4000, watchMs: 60_000, relistMs: 600_000, backoffMs: {first: 100, longest: 1000}};

let namespace: TestNamespace;
let proxy: ApiProxy;
let folder: string;
let engine: KubernetesEngine;
let beside: KubernetesEngine;
const heard: JobRef[] = [];

describe.skipIf(whyNoCluster() !== undefined)('on a cluster', () => {
  beforeAll(async () => {
    namespace = await TestNamespace.open();
    const {server} = await namespace.client.config();
    proxy = new ApiProxy(server);
    await proxy.open();
    folder = await mkdtemp(join(tmpdir(), 'scanplane-k8s-'));
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, (await readFile(namespace.kubeconfig, 'utf8')).replace(server.origin, proxy.url));
    engine = namespace.engine({kubeconfig}, {times: TIMES}, false);
    engine.onChange((ref) => heard.push(ref), AbortSignal.timeout(600_000));
    beside = namespace.engine({}, {}, false);
  });
  afterAll(async () => {
    await namespace.dispose();
    await proxy.close();
    await rm(folder, {recursive: true, force: true});
  });

  test('an API server that is away delays everything and loses nothing: a job that ended meanwhile has its exit, one that runs is still the same', async () => {
    const ending = aShellJob('sleep 3; exit 6');
    const running = aShellJob('sleep 600');
    const [, before] = await Promise.all([engine.ensure(ending), engine.ensure(running)]);
    await proxy.close();
    const later = aShellJob('exit 0');
    const refused = await engine.ensure(later).catch((err: unknown) => err);
    expect(hasCode(refused, 'unavailable')).toBe(true);
    await eventually(
      async () => {
        const pods = await namespace.list<{readonly metadata: {readonly name: string}; readonly status?: {readonly phase?: string}}>('pods');
        expect(pods.map(({status}) => status?.phase)).toContain('Failed');
      },
      {timeoutMs: 60_000},
    );
    const away = await engine.observe(later.ref, engine.place).catch((err: unknown) => err);
    expect(hasCode(away, 'unavailable')).toBe(true);
    heard.length = 0;
    await proxy.open();
    // The watches come back by themselves, and say that something is new.
    await eventually(() => expect(heard).toContainEqual(ending.ref), {timeoutMs: 60_000});
    expect((await untilExited(engine, ending.ref, 60_000)).exit.code).toBe(6);
    expect(await engine.observe(running.ref, engine.place)).toEqual(before);
    expect((await engine.ensure(later)).kind).toBe('running');
    await engine.stop(running.ref, engine.place);
    await untilExited(engine, running.ref, 120_000);
  });

  test('a watch that fell silent without an end is replaced by another, which tells what was missed', async () => {
    const running = aShellJob('sleep 600');
    await engine.ensure(running);
    await eventually(() => expect(heard).toContainEqual(running.ref), {timeoutMs: 30_000});
    proxy.silence();
    heard.length = 0;
    await beside.stop(running.ref, beside.place);
    await eventually(() => expect(heard).toContainEqual(running.ref), {timeoutMs: 60_000});
    expect((await untilExited(engine, running.ref, 120_000)).exit.reason).toBe('stopped');
  });
});
