import type {KubernetesSettings} from '../schema/kubernetes-settings.ts';
import type {SkymapRequest} from '../schema/scan.ts';
import {initEnvironment, scannerContainerEnvironment, sidecarEnvironment} from './k8s-environment.ts';
import type {K8sSecrets} from './k8s-environment.ts';
import {pythonFloat, scannerServerArguments} from './scanner-command.ts';

/** Everything that shapes a scan's job and is not in the scan. */
export interface K8sJobSettings {
  readonly kubernetes: KubernetesSettings;
  /** The address that the scanner and the init container report to. */
  readonly skydriverAddress: string;
  readonly ewms: {readonly address: string; readonly tokenUrl: string; readonly clientId: string};
}

/** A manifest of kind Job, `batch/v1`, as far as we write it. */
export interface K8sJob {
  readonly apiVersion: 'batch/v1';
  readonly kind: 'Job';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly spec: Readonly<Record<string, unknown>>;
}

const COMMON_SPACE = '/common-space';
const STARTUP_JSON = `${COMMON_SPACE}/startup.json`;
const VOLUME = 'common-space-volume';

/**
 * The Kubernetes job of a scan: an init container that hands the workers over to EWMS, the scanner server, and a sidecar that uploads the start-up file.
 *
 * A pure function: the same scan, settings and secrets give the same job. Lists stand in the order in which SkyDriver writes them. An argument with a
 * blank in it stays one argument, where SkyDriver would split it.
 *
 * @see SkyDriver 2.x, the Kubernetes job of a scan
 */
export function buildK8sJob(scan: {readonly id: string; readonly request: SkymapRequest}, settings: K8sJobSettings, secrets: K8sSecrets): K8sJob {
  const {id, request} = scan;
  const {kubernetes: site} = settings;
  const name = `skyscan-${id}`;
  const volumeMounts = [{name: VOLUME, mountPath: COMMON_SPACE}];
  const helperResources = ({memoryLimit, cpuLimit, memoryRequest, cpuRequest}: KubernetesSettings['init']) => ({
    limits: {memory: memoryLimit, cpu: pythonFloat(cpuLimit)},
    requests: {memory: memoryRequest, cpu: pythonFloat(cpuRequest), 'ephemeral-storage': '1M'},
  });
  const memory = String(request.scanner_server_memory_bytes);
  const init = {
    name: `init-ewms-${id}`,
    image: site.skydriverImage,
    command: ['python', '-m', 'ewms_init_container'],
    args: [id, '--json-out', `${COMMON_SPACE}/ewms.json`],
    env: initEnvironment(id, request, settings, secrets),
    resources: helperResources(site.init),
    volumeMounts,
  };
  const scanner = {
    name: `skyscan-server-${id}`,
    image: `icecube/skymap_scanner:${request.docker_tag}`,
    command: [],
    args: ['python', '-m', 'skymap_scanner.server', ...scannerServerArguments(request, COMMON_SPACE, STARTUP_JSON)],
    env: scannerContainerEnvironment(id, request, settings, secrets),
    resources: {
      limits: {memory, cpu: pythonFloat(site.scannerCpuLimit)},
      requests: {memory, cpu: pythonFloat(site.scannerCpuRequest), 'ephemeral-storage': '8G'},
    },
    volumeMounts,
  };
  const sidecar = {
    name: `sidecar-s3-${id}`,
    image: site.skydriverImage,
    command: ['python', '-m', 's3_sidecar'],
    args: [STARTUP_JSON, '--wait-indefinitely'],
    env: sidecarEnvironment(id, settings),
    resources: helperResources(site.sidecar),
    volumeMounts,
  };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      namespace: site.namespace,
      name,
      labels: {'app.kubernetes.io/instance': site.applicationName},
      annotations: {
        'argocd.argoproj.io/sync-options': 'Prune=false',
        'argocd.argoproj.io/tracking-id': `${site.applicationName}:apps/Job:${site.namespace}/${name}`,
      },
    },
    spec: {
      ttlSecondsAfterFinished: site.ttlSecondsAfterFinished,
      backoffLimit: 0,
      activeDeadlineSeconds: site.activeDeadlineSeconds,
      template: {
        metadata: {labels: {app: 'scanner-instance'}},
        spec: {
          serviceAccountName: site.serviceAccount === '' ? null : site.serviceAccount,
          restartPolicy: 'Never',
          initContainers: [init],
          containers: [scanner, sidecar],
          volumes: [{name: VOLUME, emptyDir: {}}],
        },
      },
    },
  };
}
