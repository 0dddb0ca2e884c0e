import {ControlPlaneError} from '../../lib/errors.ts';
import {plainProblem} from '../../lib/plain-json.ts';
import type {FenceToken} from '../../schema/job.ts';
import type {KubernetesClusterSettings} from '../../schema/kubernetes-cluster.ts';
import type {JobRef, JobSpec} from '../engine.ts';
import {nameOfRef} from '../job-checks.ts';
import {fenceText} from './job-record.ts';
import type {RecordState} from './job-record.ts';
import {ANNOTATIONS, FINALIZER, LABELS, labelHash, labelsOf, recordName} from './names.ts';
import {MAIN_CONTAINER} from './pod-facts.ts';
import {DOCUMENT_KEY, envKey, podTemplate} from './pod-template.ts';
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

/** A Secret's values together. @see https://kubernetes.io/docs/concepts/configuration/secret/ */
const SECRET_BYTES = 1024 * 1024;

/**
 * The Job of a try, prepared: with parallelism 0, so that nothing runs before its Secret is there and its launch is decided.
 *
 * One failed pod is replaced by another until as many have failed as there are processes: `backoffLimit` is `count - 1`. With less, one process would end
 * the others; with more, one that always fails would go on for ever. A single process is never started twice.
 *
 * @throws ControlPlaneError `invalid`: there is no image, or the cluster's patches are of no use. `too_large`: its secrets and document.
 */
export function buildJob(spec: JobSpec, settings: KubernetesClusterSettings, {indexed}: Capabilities): JobObjects {
  const {ref, clusterId, count, pod = {}} = spec;
  const name = recordName(clusterId, ref);
  for (const patch of [settings.job, settings.pod, settings.container, settings.shared_volume, settings.volumes, settings.volume_mounts]) {
    const problem = plainProblem(patch ?? {});
    if (problem !== undefined) throw new ControlPlaneError('invalid', `${nameOfRef(ref)}: settings of its cluster: ${problem}`);
  }
  const secretData = secretOf(spec);
  const isIndexed = indexed && count > 1;
  const patch = (settings.job ?? {}) as JobPatch;
  const timeoutMs = shorter(spec.timeoutMs, patch.spec?.activeDeadlineSeconds);
  const job = jobObject(clusterId, ref, spec.fence, 'prepared', {
    labels: plainTexts({...pod.jobLabels, ...patch.metadata?.labels}),
    annotations: {
      ...plainTexts({...pod.jobAnnotations, ...patch.metadata?.annotations}),
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
      template: podTemplate({spec, settings, name, isIndexed}),
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

/** What remembers that a scan was forgotten, or that tries of it were closed; see ForgottenScans for `data`. */
export function buildForgotten(
  name: string,
  clusterId: string,
  scanId: string,
  data: Readonly<Record<string, string>>,
): Readonly<Record<string, unknown>> {
  const labels = {[LABELS.cluster]: labelHash(clusterId), [LABELS.scanHash]: labelHash(scanId), [LABELS.forgotten]: 'true'};
  return {apiVersion: 'v1', kind: 'ConfigMap', metadata: {name, labels}, data};
}

interface JobPatch {
  readonly metadata?: {readonly labels?: Texts; readonly annotations?: Texts};
  readonly spec?: {readonly activeDeadlineSeconds?: number};
}

type Texts = Readonly<Record<string, string | null>>;

/** Without what a patch takes away. */
function plainTexts(texts: Texts): Record<string, string> {
  return Object.fromEntries(Object.entries(texts).filter((each): each is [string, string] => each[1] !== null));
}

/** The deadline of the job or of its cluster, whichever comes first; milliseconds. */
function shorter(timeoutMs: number | undefined, seconds: number | undefined): number | undefined {
  if (seconds === undefined) return timeoutMs;
  return Math.min(timeoutMs ?? Number.POSITIVE_INFINITY, seconds * 1000);
}

interface JobParts {
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

function jobObject(
  clusterId: string,
  ref: JobRef,
  fence: FenceToken,
  state: RecordState,
  {labels = {}, annotations, spec}: JobParts,
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: recordName(clusterId, ref),
      labels: {...labels, ...labelsOf(clusterId, ref)},
      annotations: {
        ...annotations,
        [ANNOTATIONS.clusterId]: clusterId,
        [ANNOTATIONS.ref]: JSON.stringify(ref),
        [ANNOTATIONS.fence]: fenceText(fence),
        [ANNOTATIONS.state]: state,
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
