import {ControlPlaneError} from '../../lib/errors.ts';
import {mergePatch} from '../../lib/merge-patch.ts';
import {plainProblem} from '../../lib/plain-json.ts';
import type {FenceToken} from '../../schema/job.ts';
import type {KubernetesClusterSettings} from '../../schema/kubernetes-cluster.ts';
import {TRY_SECRET} from '../engine.ts';
import type {JobRef, JobSpec} from '../engine.ts';
import {nameOfRef} from '../job-checks.ts';
import {fenceText} from './job-record.ts';
import type {RecordState} from './job-record.ts';
import {ANNOTATIONS, FINALIZER, LABELS, labelHash, labelsOf, recordName} from './names.ts';
import {MAIN_CONTAINER} from './pod-facts.ts';
import {isSecretName} from './secret-names.ts';

/** What a try becomes. The Secret is absent where nothing has to be hidden. */
export interface JobObjects {
  readonly job: Readonly<Record<string, unknown>>;
  readonly secret?: {readonly name: string; readonly data: Readonly<Record<string, string>>};
}

/** What the server can do besides what 1.20 can. */
export interface Capabilities {
  /** Numbers the pods of a Job. */
  readonly indexed: boolean;
}

const WORK = '/scanplane/work';
const DOCUMENT = '/scanplane/job';
const DOCUMENT_KEY = 'job.json';
/** A Secret's values together. @see https://kubernetes.io/docs/concepts/configuration/secret/ */
const SECRET_BYTES = 1024 * 1024;
/** The user that nothing else belongs to. */
const NOBODY = 65_532;
const INDEX_PATH = "metadata.annotations['batch.kubernetes.io/job-completion-index']";

const POD_DEFAULTS = {
  restartPolicy: 'Never',
  automountServiceAccountToken: false,
  enableServiceLinks: false,
  securityContext: {runAsNonRoot: true, runAsUser: NOBODY, runAsGroup: NOBODY, fsGroup: NOBODY, seccompProfile: {type: 'RuntimeDefault'}},
};

const CONTAINER_SECURITY = {allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: {drop: ['ALL']}};

/**
 * The Job of a try, prepared: with parallelism 0, so that nothing runs before its Secret is there and its launch is decided.
 *
 * One failed pod is replaced by another until as many have failed as there are processes: `backoffLimit` is `count - 1`. With less, one process would end
 * the others; with more, one that always fails would go on for ever. A single process is never started twice.
 *
 * @throws ControlPlaneError `invalid`: there is no image, or the cluster's patches are of no use. `too_large`: its secrets and document.
 */
export function buildJob(spec: JobSpec, settings: KubernetesClusterSettings, {indexed}: Capabilities): JobObjects {
  const {ref, clusterId, count, timeoutMs, pod = {}} = spec;
  const name = recordName(clusterId, ref);
  const image = spec.image ?? settings.image;
  if (image === undefined || image === '')
    throw new ControlPlaneError('invalid', `${nameOfRef(ref)}: neither the job nor its cluster names an image`);
  for (const patch of [settings.pod, settings.container, settings.shared_volume, settings.volumes, settings.volume_mounts]) {
    const problem = plainProblem(patch ?? {});
    if (problem !== undefined) throw new ControlPlaneError('invalid', `${nameOfRef(ref)}: settings of its cluster: ${problem}`);
  }
  const secretData = secretOf(spec);
  const isIndexed = indexed && count > 1;
  const main = mergePatch(
    {
      image,
      [pod.hasOwnCommand === true ? 'args' : 'command']: spec.command.map(literal),
      env: environmentOf(spec, name, isIndexed),
      ...(spec.resources === undefined ? {} : {resources: spec.resources}),
      workingDir: WORK,
      volumeMounts: mountsOf(spec, settings),
      securityContext: CONTAINER_SECURITY,
    },
    settings.container ?? {},
  ) as Readonly<Record<string, unknown>>;
  const template = mergePatch(
    {
      metadata: {},
      spec: {
        ...POD_DEFAULTS,
        terminationGracePeriodSeconds: Math.max(1, Math.ceil(spec.stopGraceMs / 1000)),
        ...(pod.initContainers === undefined ? {} : {initContainers: withSecretName(pod.initContainers, name)}),
        containers: [{...main, name: MAIN_CONTAINER}, ...withSecretName(pod.sidecars ?? [], name)],
        volumes: [...volumesOf(spec, settings, name), ...withSecretName(pod.volumes ?? [], name)],
      },
    },
    settings.pod ?? {},
  );
  if (Array.isArray((settings.pod?.['spec'] as {readonly containers?: unknown} | undefined)?.containers)) {
    throw new ControlPlaneError('invalid', `${nameOfRef(ref)}: settings of its cluster: pod.spec.containers would replace the job itself`);
  }
  const ours = {
    metadata: {labels: labelsOf(clusterId, ref), annotations: {[ANNOTATIONS.ref]: JSON.stringify(ref)}},
    spec: {restartPolicy: 'Never'},
  };
  const job = jobObject(clusterId, ref, spec.fence, 'prepared', {
    annotations: {
      [ANNOTATIONS.count]: String(count),
      [ANNOTATIONS.outputLimitBytes]: String(spec.outputLimitBytes),
      ...(timeoutMs === undefined ? {} : {[ANNOTATIONS.timeoutMs]: String(timeoutMs)}),
    },
    spec: {
      parallelism: 0,
      completions: count,
      backoffLimit: count - 1,
      ...(isIndexed ? {completionMode: 'Indexed'} : {}),
      ...(timeoutMs === undefined ? {} : {activeDeadlineSeconds: Math.min(2 ** 31 - 1, Math.max(1, Math.ceil(timeoutMs / 1000)))}),
      template: withFinalizer(mergePatch(template, ours)),
    },
  });
  return {job, ...(Object.keys(secretData).length === 0 ? {} : {secret: {name, data: secretData}})};
}

/** The Job of a try that never will begin. Its template is never used. */
export function buildClosedJob(clusterId: string, ref: JobRef, fence: FenceToken): Readonly<Record<string, unknown>> {
  const template = {spec: {restartPolicy: 'Never', containers: [{name: MAIN_CONTAINER, image: 'none'}]}};
  return jobObject(clusterId, ref, fence, 'closed', {annotations: {}, spec: {parallelism: 0, completions: 0, template}});
}

/** The Secret of a try, which goes when its Job does. */
export function buildSecret(
  {name, data}: Required<JobObjects>['secret'],
  clusterId: string,
  ref: JobRef,
  jobUid: string,
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: {name, labels: labelsOf(clusterId, ref), ownerReferences: [{apiVersion: 'batch/v1', kind: 'Job', name, uid: jobUid}]},
    type: 'Opaque',
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
  };
}

/** What remembers that a scan was forgotten, and under which fence at the latest. */
export function buildForgotten(name: string, clusterId: string, scanId: string, fence: FenceToken): Readonly<Record<string, unknown>> {
  const labels = {[LABELS.cluster]: labelHash(clusterId), [LABELS.scanHash]: labelHash(scanId), [LABELS.forgotten]: 'true'};
  return {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name, labels}, data: {fence: fenceText(fence)}};
}

interface JobParts {
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

function jobObject(
  clusterId: string,
  ref: JobRef,
  fence: FenceToken,
  state: RecordState,
  {annotations, spec}: JobParts,
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: recordName(clusterId, ref),
      labels: labelsOf(clusterId, ref),
      annotations: {
        [ANNOTATIONS.clusterId]: clusterId,
        [ANNOTATIONS.ref]: JSON.stringify(ref),
        [ANNOTATIONS.fence]: fenceText(fence),
        [ANNOTATIONS.state]: state,
        ...annotations,
      },
      finalizers: [FINALIZER],
    },
    spec,
  };
}

/** What is hidden: the document, and the values of variables that are named like secrets. @throws ControlPlaneError `too_large` */
function secretOf({ref, env, document, pod}: JobSpec): Record<string, string> {
  const data = new Map<string, string>(pod?.secrets ?? []);
  for (const [name, value] of env) if (isSecretName(name)) data.set(envKey(name), value);
  if (document !== undefined) data.set(DOCUMENT_KEY, document);
  const bytes = [...data].reduce((sum, [key, value]) => sum + key.length + Buffer.byteLength(value), 0);
  if (bytes > SECRET_BYTES) {
    throw new ControlPlaneError(
      'too_large',
      `${nameOfRef(ref)}: its document and its secrets are larger than ${SECRET_BYTES} bytes, which is all that a Secret holds`,
    );
  }
  return Object.fromEntries(data);
}

function envKey(name: string): string {
  return `env.${name}`;
}

/** The job's variables in order; of two with the same name the last. */
function environmentOf(spec: JobSpec, secretName: string, isIndexed: boolean): readonly unknown[] {
  const {count, document} = spec;
  const own: [string, string][] = [
    ['SCANPLANE_JOB_DIRECTORY', WORK],
    ...(document === undefined ? [] : [['SCANPLANE_JOB_FILE', `${DOCUMENT}/${DOCUMENT_KEY}`] as [string, string]]),
    ...(count === 1 ? [['SCANPLANE_PROCESS_INDEX', '0'] as [string, string]] : []),
  ];
  const env = [...new Map([...spec.env, ...own])].map(([name, value]) =>
    isSecretName(name) ? {name, valueFrom: {secretKeyRef: {name: secretName, key: envKey(name)}}} : {name, value: literal(value)},
  );
  const fromPod = (name: string, fieldPath: string): unknown => ({name, valueFrom: {fieldRef: {fieldPath}}});
  return [...env, fromPod('SCANPLANE_POD_IP', 'status.podIP'), ...(isIndexed ? [fromPod('SCANPLANE_PROCESS_INDEX', INDEX_PATH)] : [])];
}

/** Kubernetes takes `$(NAME)` in commands and values for a variable; what is doubled stays as it is. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function mountsOf({ref, document, pod}: JobSpec, {shared_volume: shared, volume_mounts: further}: KubernetesClusterSettings): readonly unknown[] {
  return [
    {name: 'work', mountPath: WORK, ...(shared === undefined ? {} : {subPath: labelHash(ref.scanId)})},
    {name: 'tmp', mountPath: '/tmp'},
    ...(document === undefined ? [] : [{name: 'document', mountPath: DOCUMENT, readOnly: true}]),
    ...(further ?? []),
    ...(pod?.volumeMounts ?? []),
  ];
}

function volumesOf({document}: JobSpec, {shared_volume: shared, volumes}: KubernetesClusterSettings, secretName: string): readonly unknown[] {
  const items = [{key: DOCUMENT_KEY, path: DOCUMENT_KEY}];
  return [
    {...(shared ?? {emptyDir: {}}), name: 'work'},
    {name: 'tmp', emptyDir: {}},
    ...(document === undefined ? [] : [{name: 'document', secret: {secretName, items, defaultMode: 0o440}}]),
    ...(volumes ?? []),
  ];
}

/** Puts the name of the try's Secret where {@link TRY_SECRET} stands for it. */
function withSecretName<T>(value: T, name: string): T {
  return JSON.parse(JSON.stringify(value), (_key, part: unknown) => (part === TRY_SECRET ? name : part)) as T;
}

function withFinalizer(template: unknown): unknown {
  const {metadata = {}} = template as {readonly metadata?: {readonly finalizers?: readonly string[]}};
  const finalizers = [...new Set([...(metadata.finalizers ?? []), FINALIZER])];
  return mergePatch(template, {metadata: {finalizers}});
}
