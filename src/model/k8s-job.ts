import type {JobResources} from '../schema/job-resources.ts';
import type {KubernetesSettings} from '../schema/kubernetes-settings.ts';
import type {SkymapRequest} from '../schema/scan.ts';
import {initEnvironment, scannerContainerEnvironment, sidecarEnvironment} from './k8s-environment.ts';
import type {EnvVar, K8sSecrets} from './k8s-environment.ts';
import {pythonFloat, scannerServerArguments} from './scanner-command.ts';

/** Everything that shapes a scan's job and is not in the scan. */
export interface K8sJobSettings {
  readonly kubernetes: KubernetesSettings;
  /** The address that the scanner and the init container report to. */
  readonly skydriverAddress: string;
  readonly ewms: {readonly address: string; readonly tokenUrl: string; readonly clientId: string};
  /** What jobs of ours have besides. */
  readonly launch?: {readonly stopGraceMs: number; readonly outputLimitBytes: number};
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

/** A container, as Kubernetes takes it. */
export interface K8sContainer extends Readonly<Record<string, unknown>> {
  readonly name: string;
  readonly image: string;
  readonly args: readonly string[];
  readonly env: readonly EnvVar[];
  readonly resources: JobResources;
  readonly volumeMounts: readonly {readonly name: string; readonly mountPath: string}[];
}

/** What the pod of a scan is made of whose workers come from outside. */
export interface ScanPod {
  readonly init: K8sContainer;
  readonly server: K8sContainer;
  readonly sidecar: K8sContainer;
  readonly volumes: readonly {readonly name: string; readonly emptyDir: object}[];
  readonly labels: Readonly<Record<string, string>>;
  readonly jobLabels: Readonly<Record<string, string>>;
  readonly jobAnnotations: Readonly<Record<string, string>>;
}

/**
 * The containers of a scan's pod: an init container that hands the workers over to EWMS, the scanner server, and a sidecar that uploads the start-up file.
 *
 * A pure function: the same scan, settings and secrets give the same. Lists stand in the order in which SkyDriver writes them. An argument with a
 * blank in it stays one argument, where SkyDriver would split it. `jobName` and `namespace` are what the annotations for Argo CD say.
 *
 * @see SkyDriver 2.x, the Kubernetes job of a scan
 */
export function scanPod(
  scan: {readonly id: string; readonly request: SkymapRequest},
  settings: K8sJobSettings,
  secrets: K8sSecrets,
  {jobName, namespace}: {readonly jobName: string; readonly namespace: string},
): ScanPod {
  const {id, request} = scan;
  const {kubernetes: site} = settings;
  const volumeMounts = [{name: VOLUME, mountPath: COMMON_SPACE}];
  const helperResources = ({memoryLimit, cpuLimit, memoryRequest, cpuRequest}: KubernetesSettings['init']): JobResources => ({
    limits: {memory: memoryLimit, cpu: pythonFloat(cpuLimit)},
    requests: {memory: memoryRequest, cpu: pythonFloat(cpuRequest), 'ephemeral-storage': '1M'},
  });
  const memory = String(request.scanner_server_memory_bytes);
  return {
    init: {
      name: `init-ewms-${id}`,
      image: site.skydriverImage,
      command: ['python', '-m', 'ewms_init_container'],
      args: [id, '--json-out', `${COMMON_SPACE}/ewms.json`],
      env: initEnvironment(id, request, settings, secrets),
      resources: helperResources(site.init),
      volumeMounts,
    },
    server: {
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
    },
    sidecar: {
      name: `sidecar-s3-${id}`,
      image: site.skydriverImage,
      command: ['python', '-m', 's3_sidecar'],
      args: [STARTUP_JSON, '--wait-indefinitely'],
      env: sidecarEnvironment(id, settings),
      resources: helperResources(site.sidecar),
      volumeMounts,
    },
    volumes: [{name: VOLUME, emptyDir: {}}],
    labels: {app: 'scanner-instance'},
    jobLabels: {'app.kubernetes.io/instance': site.applicationName},
    jobAnnotations: {
      'argocd.argoproj.io/sync-options': 'Prune=false',
      'argocd.argoproj.io/tracking-id': `${site.applicationName}:apps/Job:${namespace}/${jobName}`,
    },
  };
}

/** The Kubernetes job of a scan as SkyDriver makes it, for scans whose server is none of ours to start. */
export function buildK8sJob(scan: {readonly id: string; readonly request: SkymapRequest}, settings: K8sJobSettings, secrets: K8sSecrets): K8sJob {
  const {kubernetes: site} = settings;
  const name = `skyscan-${scan.id}`;
  const {init, server, sidecar, volumes, labels, jobLabels, jobAnnotations} = scanPod(scan, settings, secrets, {
    jobName: name,
    namespace: site.namespace,
  });
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {namespace: site.namespace, name, labels: jobLabels, annotations: jobAnnotations},
    spec: {
      ttlSecondsAfterFinished: site.ttlSecondsAfterFinished,
      backoffLimit: 0,
      activeDeadlineSeconds: site.activeDeadlineSeconds,
      template: {
        metadata: {labels},
        spec: {
          serviceAccountName: site.serviceAccount === '' ? null : site.serviceAccount,
          restartPolicy: 'Never',
          initContainers: [init],
          containers: [server, sidecar],
          volumes,
        },
      },
    },
  };
}
