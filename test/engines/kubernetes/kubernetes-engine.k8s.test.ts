import {afterAll, beforeAll, describe, expect, test} from 'vitest';
import type {KubernetesEngine} from '../../../src/engines/kubernetes/kubernetes-engine.ts';
import {recordName} from '../../../src/engines/kubernetes/names.ts';
import type {ApiJob, ApiObject, ApiPod} from '../../../src/engines/kubernetes/objects.ts';
import {must} from '../../../src/lib/assert.ts';
import {hasCode} from '../../../src/lib/errors.ts';
import type {JobRef, JobSpec} from '../../../src/engines/engine.ts';
import {aJob, aShellJob, nextScanId, untilExited} from '../../contract/engine.ts';
import {eventually} from '../../support/eventually.ts';
import {whyNoCluster} from '../../support/kubernetes/rig.ts';
import {TestNamespace} from './harness.ts';

const ENDS_WITHIN_MS = 120_000;

let namespace: TestNamespace;
let engine: KubernetesEngine;
let sibling: KubernetesEngine;

describe.skipIf(whyNoCluster() !== undefined)('on a cluster', () => {
  beforeAll(async () => {
    namespace = await TestNamespace.open();
    engine = namespace.engine({ttl_seconds: 2});
    sibling = namespace.engine();
  });
  afterAll(() => namespace.dispose());

  const nameOf = (ref: JobRef): string => recordName(namespace.clusterId, ref);
  const ended = (by: KubernetesEngine, ref: JobRef) => untilExited(by, ref, ENDS_WITHIN_MS);

  /** Objects of one scan. */
  async function objectsOf<T extends ApiObject>(kind: 'jobs' | 'pods' | 'secrets', scanId: string): Promise<readonly T[]> {
    return (await namespace.list<T>(kind)).filter(({metadata}) => metadata.labels?.['scanplane/scan'] === scanId);
  }

  async function untilRuns({scanId}: JobRef): Promise<ApiPod> {
    return eventually(
      async () => {
        const [pod] = await objectsOf<ApiPod>('pods', scanId);
        expect(pod?.status?.phase).toBe('Running');
        return must(pod, 'a pod');
      },
      {timeoutMs: ENDS_WITHIN_MS},
    );
  }

  async function errorOf(work: Promise<unknown>): Promise<unknown> {
    return work.then(
      () => undefined,
      (err: unknown) => err,
    );
  }

  test('two controllers that launch the same try again and again at once make one Job, one Secret and one pod', async () => {
    const job = aShellJob('sleep 600', {env: [['SCANPLANE_TOKEN', 's3cret']], document: '{"a": 1}'});
    await Promise.all([engine, sibling, engine, sibling, sibling].map((each) => each.ensure(job)));
    await untilRuns(job.ref);
    await Promise.all([engine, sibling].map((each) => each.ensure(job)));
    for (const kind of ['jobs', 'pods', 'secrets'] as const) expect(await objectsOf(kind, job.ref.scanId)).toHaveLength(1);
    await engine.stop(job.ref, engine.place);
    await ended(engine, job.ref);
  });

  test('a controller that dies between the Job and its launch leaves what never runs, and what the next owner closes or launches', async () => {
    for (const goesOn of [false, true]) {
      const job = aShellJob('exit 0', {env: [['SCANPLANE_TOKEN', 's3cret']]});
      const dying = namespace.engine({}, {}, false);
      // It got as far as the Job: what comes next, the Secret, is refused to it.
      await namespace.client.json({method: 'POST', path: namespace.path('resourcequotas'), body: aQuota('no-secrets', {'count/secrets': '0'})});
      await eventually(async () => expect(await errorOf(dying.ensure(job))).toBeInstanceOf(Error), {timeoutMs: 30_000});
      await namespace.client.text({method: 'DELETE', path: namespace.path('resourcequotas', 'no-secrets')});
      const [left] = await objectsOf<ApiJob>('jobs', job.ref.scanId);
      expect(left?.spec?.parallelism ?? 0).toBe(0);
      expect(await engine.observe(job.ref, engine.place)).toEqual({kind: 'absent'});
      if (goesOn) {
        await eventually(() => sibling.ensure(job), {timeoutMs: 30_000});
        expect((await ended(sibling, job.ref)).exit.code).toBe(0);
      } else {
        expect(await sibling.close(job.ref, sibling.place, {epoch: 1, revision: 200})).toEqual({kind: 'closed'});
        expect(hasCode(await errorOf(dying.ensure(job)), 'not_owner')).toBe(true);
        expect(await objectsOf('pods', job.ref.scanId)).toEqual([]);
      }
    }
  });

  test('a Job of that name which is not ours is named and left as it is', async () => {
    const job = aJob();
    const container = {name: 'main', image: namespace.image, command: ['/bin/sh', '-c', 'exit 0']};
    const foreign = {
      ...{apiVersion: 'batch/v1', kind: 'Job', metadata: {name: nameOf(job.ref)}},
      spec: {parallelism: 0, template: {spec: {restartPolicy: 'Never', containers: [container]}}},
    };
    const before = await namespace.client.json<ApiJob>({method: 'POST', path: namespace.path('jobs'), body: foreign});
    const asking = [() => engine.ensure(job), () => engine.close(job.ref, engine.place, job.fence), () => engine.stop(job.ref, engine.place)];
    for (const ask of asking) {
      const err = await errorOf(ask());
      expect(hasCode(err, 'invalid')).toBe(true);
      expect(String(err)).toContain(nameOf(job.ref));
    }
    await engine.forget(job.ref.scanId);
    const after = await namespace.client.json<ApiJob>({method: 'GET', path: namespace.path('jobs', nameOf(job.ref))});
    expect(after.metadata.uid).toBe(before.metadata.uid);
    expect(after.metadata.annotations).toBeUndefined();
  });

  test('what is secret is in the Secret alone, and reaches the job as it is', async () => {
    const env = [
      ['SCANPLANE_REPORT_TOKEN', 'tok$(HOME)en'],
      ['PLAIN', '$(HOME) $$ $'],
      ['EMPTY', ''],
    ] as const;
    const script =
      'echo "$SCANPLANE_REPORT_TOKEN|$PLAIN|$EMPTY|$SCANPLANE_PROCESS_INDEX"; cat "$SCANPLANE_JOB_FILE"; id -u; touch /no 2>&1; touch here /tmp/there';
    const job = aShellJob(script, {env, document: '{"deep": "s3cret"}'});
    await engine.ensure(job);
    expect((await ended(engine, job.ref)).exit.code).toBe(0);
    const output = await engine.output(job.ref, engine.place, 0, 'stdout');
    expect(output).toContain('tok$(HOME)en|$(HOME) $$ $||0\n{"deep": "s3cret"}65532\n');
    expect(output).toContain('Read-only file system');
    for (const kind of ['jobs', 'pods'] as const) {
      const text = JSON.stringify(await objectsOf(kind, job.ref.scanId));
      expect(text).not.toContain('s3cret');
      expect(text).not.toContain('tok$');
    }
  });

  test('of several processes one that fails is made up for and does not end the others; when as many have failed as there are, all has failed', async () => {
    const failing = aShellJob('exit 4', {count: 2});
    await engine.ensure(failing);
    const {exit} = await ended(engine, failing.ref);
    expect(exit).toEqual({code: 4, ended_at: exit.ended_at});
    const well = aShellJob('exit 0', {count: 3});
    await engine.ensure(well);
    expect((await ended(engine, well.ref)).exit.code).toBe(0);
  });

  test('a Job that somebody deletes is noticed by the watch: its pods go, and the exit says so', async () => {
    const job = aShellJob('trap "exit 7" TERM; while :; do sleep 0.1; done');
    await engine.ensure(job);
    await untilRuns(job.ref);
    const heard: JobRef[] = [];
    const listening = new AbortController();
    sibling.onChange((ref) => heard.push(ref), listening.signal);
    await namespace.delete('jobs', nameOf(job.ref));
    await eventually(() => expect(heard).toContainEqual(job.ref));
    listening.abort();
    const {exit} = await ended(engine, job.ref);
    expect(exit).toEqual({code: null, reason: 'its Job was deleted', ended_at: exit.ended_at});
    expect((await sibling.ensure(job)).kind).toBe('exited');
    await engine.forget(job.ref.scanId);
    await eventually(async () => expect(await objectsOf('pods', job.ref.scanId)).toEqual([]), {timeoutMs: 30_000});
  });

  test('a pod that somebody deletes ends its try, and is not started a second time as the same one', async () => {
    const job = aShellJob('trap "exit 7" TERM; while :; do sleep 0.1; done');
    await engine.ensure(job);
    const pod = await untilRuns(job.ref);
    await namespace.delete('pods', pod.metadata.name);
    expect((await ended(engine, job.ref)).exit).toMatchObject({code: null, reason: 'its pod was deleted'});
  });

  test('an image that does not exist ends the try with that reason; a name that cannot be one at once', async () => {
    const impatient = namespace.engine({patience_seconds: 2});
    const missing = aJob({image: 'localhost:1/no-such-image:1'});
    await impatient.ensure(missing);
    expect((await ended(impatient, missing.ref)).exit.reason).toMatch(/^ErrImagePull: .*no-such-image/);
    const impossible = aJob({image: 'NO/such image'});
    await engine.ensure(impossible);
    expect((await ended(engine, impossible.ref)).exit.reason).toMatch(/^InvalidImageName/);
  });

  test('a process that takes more memory than it may is told as OOMKilled', async () => {
    const job = aShellJob('x=a; while :; do x="$x$x"; done', {resources: {limits: {memory: '16Mi'}}});
    await engine.ensure(job);
    expect((await ended(engine, job.ref)).exit).toMatchObject({code: null, reason: expect.stringMatching(/^OOMKilled/)});
  });

  test('a job that no node has room for waits, and says why', async () => {
    const job = aJob({resources: {requests: {cpu: '5000'}}});
    await engine.ensure(job);
    await eventually(async () => expect((await engine.said(job.ref, engine.place)).status).toMatch(/^waits for a node: .*cpu/), {timeoutMs: 30_000});
    expect((await engine.observe(job.ref, engine.place)).kind).toBe('running');
    await engine.stop(job.ref, engine.place);
    expect((await ended(engine, job.ref)).exit).toMatchObject({code: null, reason: 'stopped'});
  });

  test('a quota that is used up makes one job wait, and no other', async () => {
    const body = aQuota('few-jobs', {'count/jobs.batch': String((await namespace.list('jobs')).length)});
    await namespace.client.json({method: 'POST', path: namespace.path('resourcequotas'), body});
    const job = aJob();
    const err = await eventually(
      async () => {
        const refused = await errorOf(engine.ensure({...job, ref: {...job.ref, scanId: nextScanId()}}));
        expect(refused).toBeInstanceOf(Error);
        return refused;
      },
      {timeoutMs: 30_000},
    );
    expect(hasCode(err, 'unavailable')).toBe(true);
    expect(String(err)).toContain('exceeded quota');
    await namespace.client.text({method: 'DELETE', path: namespace.path('resourcequotas', 'few-jobs')});
    await eventually(() => engine.ensure(job), {timeoutMs: 30_000});
    expect((await ended(engine, job.ref)).exit.code).toBe(0);
  });

  test('a job that ends while no controller is there keeps its exit, beyond its TTL, until it is forgotten; then nothing is left of it', async () => {
    const away = namespace.engine({ttl_seconds: 2}, {}, false); // It watches nothing: all it says is what the server says.
    const job: JobSpec = aShellJob('echo out; exit 5', {env: [['SCANPLANE_TOKEN', 't']]});
    await away.ensure(job);
    await eventually(
      async () => {
        const [pod] = await objectsOf<ApiPod>('pods', job.ref.scanId);
        expect(pod?.status?.phase).toBe('Failed');
      },
      {timeoutMs: ENDS_WITHIN_MS},
    );
    const {exit} = await ended(engine, job.ref);
    expect(exit).toMatchObject({code: 5});
    // Its TTL is over: the server wants it gone, and takes its pods.
    await eventually(async () => expect(await objectsOf('pods', job.ref.scanId)).toEqual([]), {timeoutMs: ENDS_WITHIN_MS});
    expect((await objectsOf('jobs', job.ref.scanId))[0]?.metadata.deletionTimestamp).toBeDefined();
    expect((await sibling.ensure(job)).kind).toBe('exited');
    expect(await away.observe(job.ref, engine.place)).toMatchObject({kind: 'exited', exit});
    expect(await engine.known()).toContain(job.ref.scanId);
    await sibling.forget(job.ref.scanId);
    for (const kind of ['jobs', 'pods', 'secrets'] as const) {
      await eventually(async () => expect(await objectsOf(kind, job.ref.scanId)).toEqual([]), {timeoutMs: 60_000});
    }
  });
});

function aQuota(name: string, hard: Readonly<Record<string, string>>): unknown {
  return {apiVersion: 'v1', kind: 'ResourceQuota', metadata: {name}, spec: {hard}};
}
