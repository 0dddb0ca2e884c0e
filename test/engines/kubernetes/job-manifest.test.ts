import {expect, test} from 'vitest';
import {TRY_SECRET} from '../../../src/engines/engine.ts';
import type {JobSpec} from '../../../src/engines/engine.ts';
import {buildClosedJob, buildJob, buildSecret} from '../../../src/engines/kubernetes/job-manifest.ts';
import type {JobObjects} from '../../../src/engines/kubernetes/job-manifest.ts';
import {readJobRecord} from '../../../src/engines/kubernetes/job-record.ts';
import {labelHash, recordName} from '../../../src/engines/kubernetes/names.ts';
import type {ApiJob, ApiPod} from '../../../src/engines/kubernetes/objects.ts';
import {readPodFacts} from '../../../src/engines/kubernetes/pod-facts.ts';
import {isSecretName} from '../../../src/engines/kubernetes/secret-names.ts';
import {ControlPlaneError} from '../../../src/lib/errors.ts';
import type {KubernetesClusterSettings} from '../../../src/schema/kubernetes-cluster.ts';
import {aJob} from '../../contract/engine.ts';

// oxlint-disable-next-line typescript/no-explicit-any -- a manifest is read as it is written
type Manifest = any;

const REF = {scanId: 'night1', job: 'server', try: 2};

function built(changes: Partial<JobSpec> = {}, settings: KubernetesClusterSettings = {}, indexed = false): JobObjects & {readonly job: Manifest} {
  return buildJob(aJob({ref: REF, ...changes}), {image: 'i:1', ...settings}, {indexed}) as JobObjects & {readonly job: Manifest};
}

function thrownBy(work: () => unknown): ControlPlaneError {
  try {
    work();
  } catch (err) {
    expect(err).toBeInstanceOf(ControlPlaneError);
    return err as ControlPlaneError;
  }
  throw new Error('it did not throw');
}

test('a Job is prepared: nothing runs of it, and it says whose it is', () => {
  const {job} = built({timeoutMs: 1500, fence: {epoch: 3, revision: 77}});
  expect(job.spec).toMatchObject({parallelism: 0, completions: 1, backoffLimit: 0, activeDeadlineSeconds: 2});
  expect(job.metadata).toMatchObject({
    name: recordName('c1', REF),
    labels: {'scanplane/cluster': labelHash('c1'), 'scanplane/scan': 'night1', 'scanplane/job': 'server', 'scanplane/try': '2'},
    finalizers: ['scanplane/record'],
  });
  expect(readJobRecord(job as ApiJob)).toMatchObject({
    ...{ref: REF, clusterId: 'c1', state: 'prepared', fence: {epoch: 3, revision: 77}, count: 1, timeoutMs: 1500, outputLimitBytes: 10_000},
  });
});

test.each([
  [1, 0],
  [3, 2],
])('of %i processes %i may fail before all has failed', (count, backoffLimit) => {
  expect(built({count}).job.spec).toMatchObject({completions: count, backoffLimit});
});

test('processes are numbered where the server can, and not where it cannot; a single one always is 0', () => {
  const indexOf = ({job}: {readonly job: Manifest}): unknown =>
    job.spec.template.spec.containers[0].env.find(({name}: {readonly name: string}) => name === 'SCANPLANE_PROCESS_INDEX');
  expect(built({count: 3}, {}, true).job.spec.completionMode).toBe('Indexed');
  expect(indexOf(built({count: 3}, {}, true))).toHaveProperty('valueFrom.fieldRef');
  expect(built({count: 3}).job.spec).not.toHaveProperty('completionMode');
  expect(indexOf(built({count: 3}))).toBeUndefined();
  expect(indexOf(built({}, {}, true))).toEqual({name: 'SCANPLANE_PROCESS_INDEX', value: '0'});
});

test('variables keep their order and their values; secrets and the document are in the Secret alone', () => {
  const env = [
    ['B', 'dollar $(A) $$'],
    ['SKYSCAN_SKYDRIVER_AUTH', 's3cret'],
    ['A', 'first'],
    ['A', 'last'],
  ] as const;
  const {job, secret} = built({env, document: '{"d": 1}'});
  const [main] = job.spec.template.spec.containers;
  const name = recordName('c1', REF);
  expect(main.env.slice(0, 3)).toEqual([
    {name: 'B', value: 'dollar $$(A) $$$$'},
    {name: 'SKYSCAN_SKYDRIVER_AUTH', valueFrom: {secretKeyRef: {name, key: 'env.SKYSCAN_SKYDRIVER_AUTH'}}},
    {name: 'A', value: 'last'},
  ]);
  expect(secret).toEqual({name, data: {'env.SKYSCAN_SKYDRIVER_AUTH': 's3cret', 'job.json': '{"d": 1}'}});
  expect(JSON.stringify(job)).not.toContain('s3cret');
  expect(main.env).toContainEqual({name: 'SCANPLANE_JOB_FILE', value: '/scanplane/job/job.json'});
  const object = buildSecret({name, data: {a: 'ä'}}, 'c1', REF, 'uid-1') as Manifest;
  expect(object.metadata.ownerReferences).toEqual([{apiVersion: 'batch/v1', kind: 'Job', name, uid: 'uid-1'}]);
  expect(Buffer.from(object.data.a, 'base64').toString()).toBe('ä');
});

test('a job without anything to hide has no Secret', () => expect(built({env: [['A', 'b']]}).secret).toBeUndefined());

test('what a Secret does not hold is too large', () => {
  const err = thrownBy(() => built({document: 'x'.repeat(1024 * 1024)}));
  expect(err.code).toBe('too_large');
});

test('nobody runs as root and the root file system is read-only, unless the cluster says so', () => {
  const {spec} = built().job.spec.template;
  expect(spec).toMatchObject({restartPolicy: 'Never', automountServiceAccountToken: false, securityContext: {runAsNonRoot: true, runAsUser: 65_532}});
  expect(spec.containers[0].securityContext).toMatchObject({readOnlyRootFilesystem: true, allowPrivilegeEscalation: false});
});

test('a cluster patches pods and containers, and cannot patch away what makes them ours', () => {
  const settings: KubernetesClusterSettings = {
    pod: {
      metadata: {annotations: {team: 'x', 'scanplane/ref': 'y'}, labels: {zone: 'a', 'scanplane/record': 'z'}, finalizers: ['other/one']},
      spec: {
        ...{nodeSelector: {disk: 'ssd'}, tolerations: [{operator: 'Exists'}], serviceAccountName: 'sa', restartPolicy: 'Always'},
        ...{imagePullSecrets: [{name: 'pull'}], securityContext: {runAsUser: 7, runAsNonRoot: null}},
      },
    },
    container: {name: 'other', imagePullPolicy: 'Always', securityContext: null, resources: {limits: {memory: '1G'}}},
  };
  const {metadata, spec} = built({resources: {requests: {cpu: '1'}}}, settings).job.spec.template;
  expect(spec).toMatchObject({nodeSelector: {disk: 'ssd'}, serviceAccountName: 'sa', imagePullSecrets: [{name: 'pull'}], restartPolicy: 'Never'});
  expect(spec.securityContext).toMatchObject({runAsUser: 7, runAsGroup: 65_532, fsGroup: 65_532});
  expect(spec.containers[0]).toMatchObject({name: 'main', imagePullPolicy: 'Always', resources: {requests: {cpu: '1'}, limits: {memory: '1G'}}});
  expect(spec.containers[0]).not.toHaveProperty('securityContext');
  expect(metadata.labels).toMatchObject({zone: 'a', 'scanplane/record': recordName('c1', REF)});
  expect(metadata.annotations).toEqual({team: 'x', 'scanplane/ref': JSON.stringify(REF)});
  expect(metadata.finalizers).toEqual(['other/one', 'scanplane/record']);
});

test('a patch that replaces the job itself, means a prototype, or has no end, is refused', () => {
  expect(thrownBy(() => built({}, {pod: {spec: {containers: []}}})).code).toBe('invalid');
  const pod = JSON.parse('{"spec": {"__proto__": {"x": 1}}}') as Record<string, unknown>;
  expect(thrownBy(() => built({}, {pod})).code).toBe('invalid');
  let deep: Record<string, unknown> = {};
  for (let n = 0; n < 1000; n++) deep = {a: deep};
  expect(thrownBy(() => built({}, {container: deep})).code).toBe('invalid');
});

test('containers beside the main one get the values that they refer to from the same Secret', () => {
  const ref = {secretKeyRef: {name: TRY_SECRET, key: 'ewms'}};
  const pod = {
    hasOwnCommand: true,
    initContainers: [{name: 'init', image: 'i:2', env: [{name: 'EWMS', valueFrom: ref}]}],
    sidecars: [{name: 'side', image: 'i:3'}],
    volumes: [{name: 'common', emptyDir: {}}],
    volumeMounts: [{name: 'common', mountPath: '/common'}],
    secrets: [['ewms', 's3cret']] as const,
  };
  const {job, secret} = built({pod, command: ['python', '-m', 'x']});
  const {spec} = job.spec.template;
  const name = recordName('c1', REF);
  expect(spec.initContainers[0].env[0].valueFrom.secretKeyRef).toEqual({name, key: 'ewms'});
  expect(spec.containers.map((each: Manifest) => each.name)).toEqual(['main', 'side']);
  expect(spec.containers[0]).toMatchObject({args: ['python', '-m', 'x']});
  expect(spec.containers[0]).not.toHaveProperty('command');
  expect(spec.containers[0].volumeMounts).toContainEqual({name: 'common', mountPath: '/common'});
  expect(secret?.data).toEqual({ewms: 's3cret'});
});

test('volumes, mounts and variables of a cluster come beside those of the job, and take their place where they have the same name', () => {
  const settings: KubernetesClusterSettings = {
    pod: {
      spec: {
        volumes: [
          {name: 'cvmfs', hostPath: {path: '/cvmfs'}},
          {name: 'tmp', emptyDir: {medium: 'Memory'}},
        ],
      },
    },
    container: {
      volumeMounts: [{name: 'cvmfs', mountPath: '/cvmfs'}],
      env: [
        {name: 'A', value: 'theirs'},
        {name: 'HTTP_PROXY', value: 'p'},
      ],
    },
  };
  const {spec} = built(
    {
      env: [
        ['A', 'ours'],
        ['B', 'b'],
      ],
    },
    settings,
  ).job.spec.template;
  expect(spec.volumes).toEqual([
    {name: 'work', emptyDir: {}},
    {name: 'cvmfs', hostPath: {path: '/cvmfs'}},
    {name: 'tmp', emptyDir: {medium: 'Memory'}},
  ]);
  const [main] = spec.containers;
  expect(main.volumeMounts.map(({name}: Manifest) => name)).toEqual(['work', 'tmp', 'cvmfs']);
  expect(main.env.filter(({name}: Manifest) => /^[A-Z]$|PROXY/.test(name))).toEqual([
    {name: 'B', value: 'b'},
    {name: 'A', value: 'theirs'},
    {name: 'HTTP_PROXY', value: 'p'},
  ]);
});

test('variables from Secrets of the namespace are there unless the job says its own', () => {
  const secret_env = {S3_KEY: {secret: 's3', key: 'id'}, MINE: {secret: 'x', key: 'y'}};
  const [main] = built({env: [['MINE', 'm']]}, {secret_env}).job.spec.template.spec.containers;
  expect(main.env).toContainEqual({name: 'S3_KEY', valueFrom: {secretKeyRef: {name: 's3', key: 'id'}}});
  expect(main.env.filter(({name}: Manifest) => name === 'MINE')).toEqual([{name: 'MINE', value: 'm'}]);
});

test('a type of job has its own image, which the cluster may change', () => {
  const job = {type: 'reduce', image: 'reduce:1', resources: {limits: {memory: '1G'}}};
  const mainOf = (changes: Partial<JobSpec>, settings: KubernetesClusterSettings = {}): Manifest =>
    built(changes, settings).job.spec.template.spec.containers[0];
  expect(mainOf(job)).toMatchObject({image: 'reduce:1', resources: {limits: {memory: '1G'}}});
  expect(mainOf(job, {job_types: {reduce: {image: 'mirror/reduce:1'}}})).toMatchObject({
    image: 'mirror/reduce:1',
    resources: {limits: {memory: '1G'}},
  });
  expect(mainOf({...job, type: 'constructor'}, {job_types: {reduce: {image: 'mirror/reduce:1'}}})).toMatchObject({image: 'reduce:1'});
});

test('a cluster marks its Jobs and limits how long they run', () => {
  const settings = {job: {metadata: {labels: {team: 'x'}, annotations: {why: 'y'}}, spec: {activeDeadlineSeconds: 60}}};
  const {job} = built({timeoutMs: 90_000}, settings);
  expect(job.metadata).toMatchObject({labels: {team: 'x', 'scanplane/scan': 'night1'}, annotations: {why: 'y', 'scanplane/state': 'prepared'}});
  expect(job.spec.activeDeadlineSeconds).toBe(60);
  expect(readJobRecord(job as ApiJob)).toMatchObject({timeoutMs: 60_000});
  expect(built({timeoutMs: 1000}, settings).job.spec.activeDeadlineSeconds).toBe(1);
});

test('containers beside the main one are as safe as it, and get what the cluster says of any container', () => {
  const pod = {initContainers: [{name: 'init', image: 'i:2'}], sidecars: [{name: 'side', image: 'i:3'}]};
  const settings = {container: {securityContext: {runAsUser: 5}, imagePullPolicy: 'Always', command: ['sh'], env: [{name: 'A', value: 'a'}]}};
  const {spec} = built({pod}, settings).job.spec.template;
  for (const each of [spec.initContainers[0], spec.containers[1]]) {
    expect(each).toMatchObject({imagePullPolicy: 'Always', securityContext: {runAsUser: 5, readOnlyRootFilesystem: true}});
    expect(each).not.toHaveProperty('command');
    expect(each).not.toHaveProperty('env');
  }
});

test('the container of the job may have another name, and work where its image says', () => {
  const pod = {
    container: 'skyscan-server-x',
    hasOwnDirectory: true,
    serviceAccount: 'sa',
    labels: {app: 'a'},
    jobLabels: {of: 'b'},
    jobAnnotations: {at: 'c'},
  };
  const {job} = built({pod});
  const {metadata, spec} = job.spec.template;
  expect(spec.containers.map(({name}: Manifest) => name)).toEqual(['skyscan-server-x']);
  expect(spec.containers[0]).not.toHaveProperty('workingDir');
  expect(spec).toMatchObject({serviceAccountName: 'sa', volumes: [{name: 'tmp'}]});
  expect(metadata).toMatchObject({labels: {app: 'a'}, annotations: {'scanplane/container': 'skyscan-server-x'}});
  expect(job.metadata).toMatchObject({labels: {of: 'b'}, annotations: {at: 'c'}});
  expect(readPodFacts({metadata: {name: 'p', ...metadata}} as ApiPod)?.main).toBe('skyscan-server-x');
});

test('jobs of a scan share their folder of a volume that all nodes have', () => {
  const {spec} = built({}, {shared_volume: {persistentVolumeClaim: {claimName: 'data'}}}).job.spec.template;
  expect(spec.volumes).toContainEqual({name: 'work', persistentVolumeClaim: {claimName: 'data'}});
  expect(spec.containers[0].volumeMounts[0]).toEqual({name: 'work', mountPath: '/scanplane/work', subPath: labelHash('night1')});
});

test('a cluster may give its pods further volumes, and the job itself mounts of them', () => {
  const {spec} = built(
    {document: '{}', pod: {sidecars: [{name: 'side'}]}},
    {volumes: [{name: 'authority', configMap: {name: 'ca'}}], volume_mounts: [{name: 'authority', mountPath: '/etc/ca', readOnly: true}]},
  ).job.spec.template;
  expect(spec.volumes.map((each: Manifest) => each.name)).toEqual(['work', 'tmp', 'document', 'authority']);
  expect(spec.containers[0].volumeMounts).toContainEqual({name: 'authority', mountPath: '/etc/ca', readOnly: true});
  expect(spec.containers[1]).toMatchObject({name: 'side'});
  expect(spec.containers[1]).not.toHaveProperty('volumeMounts');
});

test('without an image there is no pod', () => {
  expect(thrownBy(() => buildJob(aJob(), {}, {indexed: false})).code).toBe('invalid');
});

test('a closed Job needs nothing and runs nothing', () => {
  const job = buildClosedJob('c1', REF, {epoch: 1, revision: 2}) as Manifest;
  expect(job.spec).toMatchObject({parallelism: 0, completions: 0});
  expect(readJobRecord(job as ApiJob)).toMatchObject({state: 'closed', ref: REF});
});

test.each([
  ['', 'a', 1],
  ['Ünïcode ~ scan', 'J_o.b', 12],
  ['x'.repeat(128), 'y'.repeat(128), Number.MAX_SAFE_INTEGER],
])('the name of %s/%s/%i is one that Kubernetes takes, also for its pods', (scanId, job, number) => {
  const name = recordName('c1', {scanId, job, try: number});
  expect(name).toMatch(/^[a-z]([-a-z0-9]*[a-z0-9])?$/);
  expect(name.length).toBeLessThanOrEqual(57);
});

test('names tell databases, scans, jobs and tries apart, whatever they are called', () => {
  const refs = [
    ['c1', 'a', 'b-1', 1],
    ['c1', 'a-b', '1', 1],
    ['c1', 'a', 'b-1', 2],
    ['c1', 'A', 'b-1', 1],
    ['c2', 'a', 'b-1', 1],
  ] as const;
  expect(new Set(refs.map(([clusterId, scanId, job, number]) => recordName(clusterId, {scanId, job, try: number}))).size).toBe(refs.length);
});

test.each(['SCANPLANE_TOKEN', 'SKYSCAN_SKYDRIVER_AUTH', 'SCANPLANE_REPORT_TOKEN', 'EWMS_CLIENT_SECRET', 'S3_ACCESS_KEY_ID', 'db_password'])(
  '%s is a secret',
  (name) => expect(isSecretName(name)).toBe(true),
);

test.each(['SCANPLANE_REPORT_URL', 'ARG_FIELD', 'KEYBOARD', 'AUTHOR', 'SCANPLANE_JOB_FILE'])('%s is none', (name) => {
  expect(isSecretName(name)).toBe(false);
});

test('annotations that somebody damaged make a Job none of ours, or one that has not ended', () => {
  const {job} = built();
  const changed = (annotations: Record<string, string>): ApiJob => ({
    ...job,
    metadata: {...job.metadata, annotations: {...job.metadata.annotations, ...annotations}},
  });
  expect(readJobRecord(changed({'scanplane/ref': '{'}))).toBeUndefined();
  expect(readJobRecord(changed({'scanplane/fence': '1'}))).toBeUndefined();
  expect(readJobRecord(changed({'scanplane/state': 'odd'}))).toBeUndefined();
  expect(readJobRecord(changed({'scanplane/exit': '{"code": "x"}'}))).not.toHaveProperty('exit');
  expect(readJobRecord(changed({'scanplane/exit': '{"code": 0, "ended_at": "t"}'}))).toMatchObject({exit: {code: 0, ended_at: 't'}});
});
