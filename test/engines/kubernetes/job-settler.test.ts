import {Readable} from 'node:stream';
import {expect, test} from 'vitest';
import type {JobApi} from '../../../src/engines/kubernetes/job-api.ts';
import type {JobRecord} from '../../../src/engines/kubernetes/job-record.ts';
import {JobSettler} from '../../../src/engines/kubernetes/job-settler.ts';
import type {PodFacts} from '../../../src/engines/kubernetes/pod-facts.ts';
import {PodLogs} from '../../../src/engines/kubernetes/pod-logs.ts';
import {systemClock} from '../../../src/lib/clock.ts';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import {silentLog} from '../../../src/lib/log.ts';

const JOB: JobRecord = {
  ...{name: 's-x', uid: 'u', resourceVersion: '7', clusterId: 'c', ref: {scanId: 'x', job: 'j', try: 1}, fence: {epoch: 1, revision: 1}},
  ...{state: 'launched', createdMs: 1, startedMs: 1, count: 1, outputLimitBytes: 0, finalizers: [], isDeleting: false, active: 0},
};

function aPod(code: number, more: Partial<PodFacts> = {}): PodFacts {
  return {
    ...{
      name: 'p',
      uid: 'p',
      resourceVersion: '5',
      record: 's-x',
      ref: JOB.ref,
      createdMs: 1,
      reason: '',
      message: '',
      finalizers: [],
      isRemoved: false,
    },
    ...{startedMs: 1, main: 'main', phase: code === 0 ? 'Succeeded' : 'Failed', seen: {name: 'p', phase: 'Succeeded', containers: []}},
    containers: [{name: 'main', isInit: false, isRunning: false, terminated: {code, reason: '', message: '', endedMs: 1000}}],
    ...more,
  };
}

/** Answers as a server would; says what it was asked. */
class RecordingApi {
  readonly asked: string[] = [];
  isChanged = false;

  patch(kind: string, name: string, patch: {readonly metadata: {readonly resourceVersion: string; readonly annotations: object}}): Promise<unknown> {
    this.asked.push(`patch ${kind} ${patch.metadata.resourceVersion}`);
    if (this.isChanged) return Promise.reject(new ControlPlaneError('revision_conflict', 'changed'));
    const annotations = {
      'scanplane/cluster-id': 'c',
      'scanplane/ref': JSON.stringify(JOB.ref),
      'scanplane/fence': '1.1',
      'scanplane/state': 'launched',
    };
    return Promise.resolve({metadata: {name, uid: 'u', resourceVersion: '8', annotations: {...annotations, ...patch.metadata.annotations}}});
  }

  job(): Promise<undefined> {
    this.asked.push('get job');
    return Promise.resolve(undefined);
  }

  release(): Promise<boolean> {
    this.asked.push('release');
    return Promise.resolve(true);
  }
}

const settlerOf = (api: RecordingApi): JobSettler =>
  new JobSettler({api: api as unknown as JobApi, logs: {} as PodLogs, patienceMs: 1000, ttlSeconds: 600, clock: systemClock, log: silentLog});

test('that a try has done well is recorded by what was seen of it', async () => {
  const api = new RecordingApi();
  const settled = await settlerOf(api).settle('s-x', {job: JOB, pods: [aPod(0)]});
  expect(settled?.exit).toMatchObject({code: 0});
  expect(api.asked).toEqual(['patch jobs 7', 'release']);
});

test('a Job that has changed since is looked at again when the watch shows how', async () => {
  const api = new RecordingApi();
  api.isChanged = true;
  expect((await settlerOf(api).settle('s-x', {job: JOB, pods: [aPod(0)]}))?.exit).toBeUndefined();
  expect(api.asked).toEqual(['patch jobs 7']);
});

test.each<[string, Partial<JobRecord>, PodFacts[]]>([
  ['a failure', {}, [aPod(3)]],
  ['a pod that was told to go', {}, [aPod(0, {deletesMs: 5})]],
  ['a pod too many', {}, [aPod(0), aPod(0, {name: 'q'})]],
  ['a pod too few', {count: 2}, [aPod(0)]],
  ['a Job that is being ended', {end: {reason: 'stopped', atMs: 1}}, [aPod(0)]],
  ['a Job that is being deleted', {isDeleting: true}, [aPod(0)]],
])('%s is decided on what the server has', async (_what, more, pods) => {
  const api = new RecordingApi();
  await settlerOf(api).settle('s-x', {job: {...JOB, ...more}, pods});
  expect(api.asked).toEqual(['get job']);
});

/** Its Job controller has not seen yet that the pod has ended: when the Job is to have none, it deletes that one, and its node throws the log away. */
class LaggingApi extends RecordingApi {
  readonly pod = aPod(3);
  #isGone = false;

  override job(): Promise<undefined> {
    return Promise.resolve({...JOB, outputLimitBytes: 100} as unknown as undefined);
  }

  pods(): Promise<readonly PodFacts[]> {
    return Promise.resolve([this.pod]);
  }

  log(): Promise<AsyncIterable<Buffer>> {
    if (this.#isGone) return Promise.reject(new ControlPlaneError('not_found', 'gone'));
    return Promise.resolve(Readable.from([Buffer.from('words')]));
  }

  override patch(...args: Parameters<RecordingApi['patch']>): Promise<unknown> {
    this.#isGone = true;
    return super.patch(...args);
  }
}

test('the log of a try that has failed is there, also when the Job controller takes its pod for running and deletes it', async () => {
  const api = new LaggingApi();
  const logs = new PodLogs(api as unknown as JobApi, silentLog);
  const settler = new JobSettler({api: api as unknown as JobApi, logs, patienceMs: 1000, ttlSeconds: 600, clock: systemClock, log: silentLog});
  expect((await settler.settle('s-x'))?.exit).toMatchObject({code: 3});
  expect(await logs.read(api.pod, 100)).toBe('words');
  expect(await logs.read({...api.pod, isRemoved: true}, 100)).toBe('words');
});

test('a node that does not give the log does not keep the exit from being recorded', async () => {
  class SilentNode extends LaggingApi {
    override log(): Promise<AsyncIterable<Buffer>> {
      return new Promise(() => {});
    }
  }
  const api = new SilentNode();
  const logs = new PodLogs(api as unknown as JobApi, silentLog);
  const settler = new JobSettler({api: api as unknown as JobApi, logs, patienceMs: 1000, ttlSeconds: 600, clock: systemClock, log: silentLog});
  expect((await settler.settle('s-x'))?.exit).toMatchObject({code: 3});
});

test('a log of which only the beginning has come is read again as long as its pod is there, and is better than nothing after that', async () => {
  class SlowNode extends LaggingApi {
    gone = false;

    override log(_pod?: string, _container?: string, isFollowed?: boolean): Promise<AsyncIterable<Buffer>> {
      if (this.gone) return Promise.reject(new ControlPlaneError('not_found', 'gone'));
      if (isFollowed !== true) return super.log();
      const words = async function* (): AsyncGenerator<Buffer> {
        yield Buffer.from('wo');
        await new Promise(() => {});
      };
      return Promise.resolve(words());
    }
  }
  const api = new SlowNode();
  const logs = new PodLogs(api as unknown as JobApi, silentLog);
  await logs.follow(api.pod, 100);
  expect(await logs.read(api.pod, 100)).toBe('words');
  api.gone = true;
  expect(await logs.read(api.pod, 100)).toBe('wo');
});
