import {ControlPlaneError} from '../../lib/errors.ts';
import {mergePatch} from '../../lib/merge-patch.ts';
import {isJsonObject} from '../../lib/plain-json.ts';
import type {KubernetesClusterSettings} from '../../schema/kubernetes-cluster.ts';
import {TRY_SECRET} from '../engine.ts';
import type {JobSpec, PodPart} from '../engine.ts';
import {nameOfRef} from '../job-checks.ts';
import {ANNOTATIONS, FINALIZER, labelHash, labelsOf} from './names.ts';
import {MAIN_CONTAINER} from './pod-facts.ts';
import {isSecretName} from './secret-names.ts';

/** What of a Job's pods is not in the job itself. */
export interface PodTemplateInput {
  readonly spec: JobSpec;
  readonly settings: KubernetesClusterSettings;
  /** Of the try: also its Secret's. */
  readonly name: string;
  /** Whether the server numbers the pods. */
  readonly isIndexed: boolean;
}

type Fields = Readonly<Record<string, unknown>>;

const WORK = '/scanplane/work';
const DOCUMENT = '/scanplane/job';
export const DOCUMENT_KEY = 'job.json';
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
 * The template of a try's pods: what the job asks for, changed by what its cluster says, with what makes them ours.
 *
 * @throws ControlPlaneError `invalid`: there is no image, or the cluster's patches are of no use.
 */
export function podTemplate({spec, settings, name, isIndexed}: PodTemplateInput): Fields {
  const {ref, clusterId, pod = {}} = spec;
  const template = mergePatch(
    {
      metadata: {labels: pod.labels ?? {}},
      spec: {
        ...POD_DEFAULTS,
        ...(pod.serviceAccount === undefined || pod.serviceAccount === '' ? {} : {serviceAccountName: pod.serviceAccount}),
        terminationGracePeriodSeconds: Math.max(1, Math.ceil(spec.stopGraceMs / 1000)),
        ...(pod.initContainers === undefined ? {} : {initContainers: helpers(pod.initContainers, settings, name)}),
        containers: [mainContainer(spec, settings, name, isIndexed), ...helpers(pod.sidecars ?? [], settings, name)],
        volumes: volumesOf(spec, settings, name),
      },
    },
    withNamedLists(settings.pod ?? {}, 'spec', {volumes: volumesOf(spec, settings, name)}),
  );
  const podSpec = isJsonObject(settings.pod?.['spec']) ? settings.pod['spec'] : {};
  if (Array.isArray(podSpec['containers'])) {
    throw new ControlPlaneError('invalid', `${nameOfRef(ref)}: settings of its cluster: pod.spec.containers would replace the job itself`);
  }
  const annotations = {[ANNOTATIONS.ref]: JSON.stringify(ref), ...(pod.container === undefined ? {} : {[ANNOTATIONS.container]: pod.container})};
  return withFinalizer(mergePatch(template, {metadata: {labels: labelsOf(clusterId, ref), annotations}, spec: {restartPolicy: 'Never'}}));
}

/** What is hidden of a variable's value goes under this key of the try's Secret. */
export function envKey(name: string): string {
  return `env.${name}`;
}

function mainContainer(spec: JobSpec, settings: KubernetesClusterSettings, name: string, isIndexed: boolean): Fields {
  const {ref, pod = {}} = spec;
  const own = spec.type !== undefined && Object.hasOwn(settings.job_types ?? {}, spec.type) ? settings.job_types?.[spec.type] : undefined;
  const image = own?.image ?? spec.image ?? settings.image;
  if (image === undefined || image === '')
    throw new ControlPlaneError('invalid', `${nameOfRef(ref)}: neither the job nor its cluster names an image`);
  const resources = own?.resources ?? spec.resources;
  const env = environmentOf(spec, settings, name, isIndexed);
  const volumeMounts = mountsOf(spec, settings);
  const container = mergePatch(
    {
      image,
      // A job without a command is its image's own.
      ...(spec.command.length === 0 ? {} : {[pod.hasOwnCommand === true ? 'args' : 'command']: spec.command.map(literal)}),
      env,
      ...(resources === undefined ? {} : {resources}),
      ...(pod.hasOwnDirectory === true ? {} : {workingDir: WORK}),
      volumeMounts,
      securityContext: CONTAINER_SECURITY,
    },
    withNamedLists({container: settings.container ?? {}}, 'container', {env, volumeMounts})['container'],
  ) as Fields;
  return {...container, name: pod.container ?? MAIN_CONTAINER};
}

/** Containers beside the job's own: as safe as that, and with what the cluster says of it that holds for any container. */
function helpers(parts: readonly PodPart[], {container = {}}: KubernetesClusterSettings, name: string): readonly Fields[] {
  const common = Object.fromEntries(['securityContext', 'imagePullPolicy'].flatMap((key) => (key in container ? [[key, container[key]]] : [])));
  return withSecretName(parts, name).map((part) => mergePatch({securityContext: CONTAINER_SECURITY, ...part}, common) as Fields);
}

/** A patch whose lists of named things take in ours: of the same name, theirs; else both. */
function withNamedLists(patch: Fields, part: string, lists: Readonly<Record<string, readonly unknown[]>>): Fields {
  const inner = patch[part];
  if (!isJsonObject(inner)) return patch;
  const merged = Object.entries(lists).flatMap(([key, ours]) => {
    const theirs = inner[key];
    if (!Array.isArray(theirs)) return [];
    const names = new Set(theirs.map(nameOf));
    return [[key, [...ours.filter((each) => !names.has(nameOf(each))), ...(theirs as readonly unknown[])]] as const];
  });
  return {...patch, [part]: {...inner, ...Object.fromEntries(merged)}};
}

function nameOf(value: unknown): unknown {
  return isJsonObject(value) ? value['name'] : undefined;
}

/** The job's variables in order; of two with the same name the last. Those whose values are in Secrets of the namespace come first. */
function environmentOf(
  spec: JobSpec,
  {secret_env: fromSecrets = {}}: KubernetesClusterSettings,
  secretName: string,
  isIndexed: boolean,
): readonly unknown[] {
  const {count, document, pod} = spec;
  const own: [string, string][] = [
    ...(pod?.hasOwnDirectory === true ? [] : [['SCANPLANE_JOB_DIRECTORY', WORK] as [string, string]]),
    ...(document === undefined ? [] : [['SCANPLANE_JOB_FILE', `${DOCUMENT}/${DOCUMENT_KEY}`] as [string, string]]),
    ...(count === 1 ? [['SCANPLANE_PROCESS_INDEX', '0'] as [string, string]] : []),
  ];
  const said = new Map([...spec.env, ...own]);
  const env = [...said].map(([name, value]) =>
    isSecretName(name) ? {name, valueFrom: {secretKeyRef: {name: secretName, key: envKey(name)}}} : {name, value: literal(value)},
  );
  const kept = Object.entries(fromSecrets)
    .filter(([name]) => !said.has(name))
    .map(([name, {secret, key}]) => ({name, valueFrom: {secretKeyRef: {name: secret, key}}}));
  const fromPod = (name: string, fieldPath: string): unknown => ({name, valueFrom: {fieldRef: {fieldPath}}});
  return [...kept, ...env, fromPod('SCANPLANE_POD_IP', 'status.podIP'), ...(isIndexed ? [fromPod('SCANPLANE_PROCESS_INDEX', INDEX_PATH)] : [])];
}

/** Kubernetes takes `$(NAME)` in commands and values for a variable; what is doubled stays as it is. */
function literal(text: string): string {
  return text.replaceAll('$', '$$$$');
}

function mountsOf({ref, document, pod}: JobSpec, {shared_volume: shared, volume_mounts: further}: KubernetesClusterSettings): readonly unknown[] {
  return [
    ...(pod?.hasOwnDirectory === true ? [] : [{name: 'work', mountPath: WORK, ...(shared === undefined ? {} : {subPath: labelHash(ref.scanId)})}]),
    {name: 'tmp', mountPath: '/tmp'},
    ...(document === undefined ? [] : [{name: 'document', mountPath: DOCUMENT, readOnly: true}]),
    ...(further ?? []),
    ...(pod?.volumeMounts ?? []),
  ];
}

function volumesOf({document, pod}: JobSpec, {shared_volume: shared, volumes}: KubernetesClusterSettings, secretName: string): readonly unknown[] {
  const items = [{key: DOCUMENT_KEY, path: DOCUMENT_KEY}];
  return [
    ...(pod?.hasOwnDirectory === true ? [] : [{...(shared ?? {emptyDir: {}}), name: 'work'}]),
    {name: 'tmp', emptyDir: {}},
    ...(document === undefined ? [] : [{name: 'document', secret: {secretName, items, defaultMode: 0o440}}]),
    ...(volumes ?? []),
    ...withSecretName(pod?.volumes ?? [], secretName),
  ];
}

/** Puts the name of the try's Secret where {@link TRY_SECRET} stands for it. */
function withSecretName<T>(value: T, name: string): T {
  return JSON.parse(JSON.stringify(value), (_key, part: unknown) => (part === TRY_SECRET ? name : part)) as T;
}

function withFinalizer(template: unknown): Fields {
  const {metadata = {}} = template as {readonly metadata?: {readonly finalizers?: readonly string[]}};
  const finalizers = [...new Set([...(metadata.finalizers ?? []), FINALIZER])];
  return mergePatch(template, {metadata: {finalizers}}) as Fields;
}
