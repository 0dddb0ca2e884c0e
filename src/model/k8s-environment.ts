import {SCANNER_VARIABLES} from '../schema/kubernetes-settings.ts';
import type {SkymapRequest} from '../schema/scan.ts';
import type {K8sJobSettings} from './k8s-job.ts';
import {pythonText} from './scanner-command.ts';

/** A value in one key of a Kubernetes Secret. */
export interface SecretKeyRef {
  readonly secretKeyRef: {readonly name: string; readonly key: string};
}

/** One environment variable of a container. */
export type EnvVar = {readonly name: string; readonly value: string} | {readonly name: string; readonly valueFrom: SecretKeyRef};

/** What must not be seen by whoever may read jobs: as plain text where nobody else will, as a reference to a Secret, or as `***`. */
export interface K8sSecrets {
  readonly scannerToken: string | SecretKeyRef;
  readonly ewmsClientSecret: string | SecretKeyRef;
}

/** What a job shows instead of its secrets. */
export const HIDDEN_SECRETS: K8sSecrets = {scannerToken: '***', ewmsClientSecret: '***'};

function variable(name: string, value: string | SecretKeyRef): EnvVar {
  return typeof value === 'string' ? {name, value} : {name, valueFrom: value};
}

/** Of the scanner server; what the user gave comes last and wins. */
export function scannerContainerEnvironment(id: string, request: SkymapRequest, settings: K8sJobSettings, secrets: K8sSecrets): EnvVar[] {
  const env = [
    variable('SKYSCAN_EWMS_JSON', '/common-space/ewms.json'),
    variable('SKYSCAN_SKYDRIVER_ADDRESS', settings.skydriverAddress),
    variable('SKYSCAN_SKYDRIVER_SCAN_ID', id),
  ];
  for (const name of SCANNER_VARIABLES) {
    const value = settings.kubernetes.scannerEnvironment[name];
    if (value !== undefined) env.push(variable(name, value));
  }
  env.push(
    variable('SKYSCAN_EWMS_PILOT_LOG', 'WARNING'),
    variable('SKYSCAN_MQ_CLIENT_LOG', 'WARNING'),
    variable('SKYSCAN_SKYDRIVER_AUTH', secrets.scannerToken),
  );
  for (const [name, value] of request.scanner_server_env_from_user) env.push(variable(name, pythonText(value)));
  return env;
}

/**
 * Of the init container, which asks EWMS for a workflow.
 *
 * `EWMS_N_WORKERS` is the number of the first cluster alone, since EWMS gives every cluster of a task the same number.
 */
export function initEnvironment(id: string, request: SkymapRequest, settings: K8sJobSettings, secrets: K8sSecrets): EnvVar[] {
  const {kubernetes: site, ewms} = settings;
  const clusters = request.request_clusters;
  const timeout = String(request.max_pixel_reco_time);
  return [
    variable('SKYSCAN_SKYDRIVER_ADDRESS', settings.skydriverAddress),
    variable('SKYSCAN_SKYDRIVER_AUTH', secrets.scannerToken),
    variable('EWMS_ADDRESS', ewms.address),
    variable('EWMS_TOKEN_URL', ewms.tokenUrl),
    variable('EWMS_CLIENT_ID', ewms.clientId),
    variable('EWMS_CLIENT_SECRET', secrets.ewmsClientSecret),
    variable('EWMS_CLUSTERS', clusters.map(([cluster]) => cluster).join(' ')),
    variable('EWMS_N_WORKERS', String(clusters[0]?.[1] ?? 0)),
    variable('EWMS_TASK_IMAGE', `${site.imageDirectory.replace(/\/+$/, '')}/skymap_scanner:${request.docker_tag}`),
    ...(site.pilotTimeoutQueueIncoming === undefined ? [] : [variable('EWMS_PILOT_TIMEOUT_QUEUE_INCOMING', String(site.pilotTimeoutQueueIncoming))]),
    variable('EWMS_PILOT_TASK_TIMEOUT', timeout),
    variable('EWMS_PILOT_QUARANTINE_TIME', timeout),
    variable('EWMS_PILOT_DUMP_TASK_OUTPUT', pythonText(request.debug_mode.includes('client-logs'))),
    variable('EWMS_WORKER_MAX_WORKER_RUNTIME', String(site.maxWorkerRuntimeSeconds)),
    variable('EWMS_WORKER_PRIORITY', String(request.priority)),
    variable('EWMS_WORKER_DISK_BYTES', String(request.worker_disk_bytes)),
    variable('EWMS_WORKER_MEMORY_BYTES', String(request.worker_memory_bytes)),
    ...s3Environment(id, settings),
  ];
}

/** Of the sidecar, which uploads the start-up file. */
export function sidecarEnvironment(id: string, settings: K8sJobSettings): EnvVar[] {
  return [variable('K8S_SCANNER_SIDECAR_S3_LIFETIME_SECONDS', String(settings.kubernetes.sidecarLifetimeSeconds)), ...s3Environment(id, settings)];
}

function s3Environment(id: string, {kubernetes: site}: K8sJobSettings): EnvVar[] {
  const fromSecret = (key: string): SecretKeyRef => ({secretKeyRef: {name: site.secretName, key}});
  return [
    variable('S3_URL', site.s3Url),
    variable('S3_ACCESS_KEY_ID', fromSecret(site.s3AccessKeyIdSecretKey)),
    variable('S3_SECRET_KEY', fromSecret(site.s3SecretKeySecretKey)),
    variable('S3_EXPIRES_IN', String(site.s3ExpiresInSeconds)),
    variable('S3_BUCKET', site.s3Bucket),
    variable('S3_OBJECT_KEY', `${id}-s3-object`),
  ];
}
