import {ControlPlaneError} from '../lib/errors.ts';
import type {SecretKeyRef} from '../model/k8s-environment.ts';
import {scanPod} from '../model/k8s-job.ts';
import type {K8sJobSettings} from '../model/k8s-job.ts';
import {olderEnvironment} from '../model/older-environment.ts';
import {scanContainer} from '../model/scan-container.ts';
import {STARTUP_JSON, addressFor, scannerEnvironment, scannerServerArguments} from '../model/scanner-command.ts';
import type {Cluster} from '../schema/cluster.ts';
import {KUBERNETES_ENGINE} from '../schema/cluster.ts';
import type {SkymapSpec} from '../schema/scan.ts';
import {TRY_SECRET} from './engine.ts';
import type {JobRef, JobSpec, PodPart} from './engine.ts';
import {recordName} from './kubernetes/names.ts';

/** What depends on the scan alone of a job of a sky scan. */
export type ScanJob = Pick<JobSpec, 'command' | 'env' | 'image' | 'resources' | 'pod' | 'timeoutMs'>;

/** What a sky scan's jobs are told besides what is in the scan. */
export interface ScanJobInput {
  readonly scanId: string;
  readonly spec: SkymapSpec;
  /** The one that the job runs on, and what it is called. */
  readonly cluster: Cluster;
  readonly clusterName: string;
  readonly isServer: boolean;
  /** The address that scanners report to, and the token that they report with. */
  readonly scannerAddress: string;
  readonly token: string;
}

/**
 * The server or the workers of a sky scan whose workers are jobs of ours.
 *
 * @throws ControlPlaneError `invalid`: the cluster has no command for it.
 */
export function scanJob({scanId, spec, cluster, clusterName, isServer, scannerAddress, token}: ScanJobInput): ScanJob {
  const {settings, engine} = cluster;
  const base = isServer ? settings.scanner_server : settings.worker;
  if (base === undefined)
    throw new ControlPlaneError('invalid', `cluster ${clusterName} has no command for ${isServer ? 'scanner-server' : 'workers'}`);
  const own = isServer ? scannerServerArguments(spec.request, '.', STARTUP_JSON) : ['--client-startup-json', STARTUP_JSON];
  const env: [string, string][] = (settings.env ?? []).map(([name, value]) => [name, value]);
  env.push(...(isServer ? scannerEnvironment(scanId, spec, scannerAddress, token) : olderEnvironment(spec.request)));
  const container = engine === KUBERNETES_ENGINE ? scanContainer(spec.request, settings.image, isServer) : {};
  return {...container, command: [...base, ...own], env};
}

/** What the pods of scans are made of whose workers come from an outside workload manager. */
export interface Hosting {
  readonly settings: K8sJobSettings;
  /** That of our client at the workload manager. */
  readonly ewmsClientSecret: string;
}

export interface HostedServerInput extends Omit<ScanJobInput, 'isServer'>, Hosting {
  readonly ref: JobRef;
  readonly clusterId: string;
}

const TOKEN_KEY = 'scanner-token';
const EWMS_KEY = 'ewms-client-secret';

/**
 * The server of a scan whose workers come from an outside workload manager: SkyDriver's pod, with its init container and its sidecar. Secrets are in the
 * try's Secret. The cluster's image and command, where it has them, take the place of SkyDriver's.
 *
 * @throws ControlPlaneError `invalid`: there is no image for the containers beside it.
 */
export function hostedServer(input: HostedServerInput): ScanJob {
  const {scanId, spec, cluster, scannerAddress, token, ref, clusterId, settings: given, ewmsClientSecret} = input;
  const {kubernetes: site} = given;
  if (site.skydriverImage === '') {
    throw new ControlPlaneError(
      'invalid',
      'kubernetes.skydriverImage (SCANPLANE_K8S_SKYDRIVER_IMAGE) is not set: a server whose workers are outside needs it',
    );
  }
  const secret = (key: string): SecretKeyRef => ({secretKeyRef: {name: TRY_SECRET, key}});
  const settings = {...given, skydriverAddress: addressFor(spec, scannerAddress)};
  const where = {jobName: recordName(clusterId, ref), namespace: cluster.settings.namespace ?? site.namespace};
  const pod = scanPod({id: scanId, request: spec.request}, settings, {scannerToken: secret(TOKEN_KEY), ewmsClientSecret: secret(EWMS_KEY)}, where);
  const {server} = pod;
  const image = scanContainer(spec.request, cluster.settings.image, true).image ?? server.image;
  const base = cluster.settings.scanner_server;
  const isPython = base === undefined;
  return {
    image,
    command: isPython ? server.args : [...base, ...server.args.slice(SERVER_PROGRAM.length)],
    env: [...(cluster.settings.env ?? []), ...server.env.map((each): [string, string] => [each.name, 'value' in each ? each.value : token])],
    resources: server.resources,
    timeoutMs: site.activeDeadlineSeconds * 1000,
    pod: {
      container: server.name,
      hasOwnCommand: isPython,
      hasOwnDirectory: true,
      initContainers: [part(pod.init)],
      sidecars: [part(pod.sidecar)],
      volumes: pod.volumes.map(part),
      volumeMounts: server.volumeMounts.map(part),
      serviceAccount: site.serviceAccount,
      labels: pod.labels,
      jobLabels: pod.jobLabels,
      jobAnnotations: pod.jobAnnotations,
      secrets: [
        [TOKEN_KEY, token],
        [EWMS_KEY, ewmsClientSecret],
      ],
    },
  };
}

/** With which SkyDriver's arguments for the server begin. */
const SERVER_PROGRAM = ['python', '-m', 'skymap_scanner.server'];

function part(value: {readonly name: string}): PodPart {
  return {...value};
}
