import {addressFor, pythonText} from './scanner-command.ts';
import {hideSecrets, manifestField} from './manifest.ts';
import type {ManifestField, Scan} from './manifest.ts';
import {presentClusters, presentCondorClusters} from './older-clusters.ts';
import type {ClusterTable} from './older-clusters.ts';
import {workersAreDone} from './older-codes.ts';
import {olderEnvironment} from './older-environment.ts';

/** What a manifest of an older version is made from besides the scan. */
export interface OlderView {
  readonly clusters: ClusterTable;
  /** The API's address, as scanners know it. */
  readonly address: string;
}

/** The field that holds the scan's event. Whoever shows a manifest fills it in, since the event may be large. */
export const EVENT_FIELD = 'event_i3live_json_dict';

/** A manifest of version 1, in its order, but for the event. @see SkyDriver 1.3, Manifest */
export const V1_FIELDS = [
  'scan_id',
  'timestamp',
  'is_deleted',
  EVENT_FIELD,
  'scanner_server_args',
  'ewms_task',
  'priority',
  'classifiers',
  'event_i3live_json_dict__hash',
  'i3_event_id',
  'event_metadata',
  'scan_metadata',
  'progress',
  'last_updated',
] as const satisfies readonly ManifestField[];

/** The wanted fields of a scan's manifest as version 1 shows it, all if `wanted` is not given; without the event. */
export function presentV1Manifest(scan: Scan, view: OlderView, wanted?: ReadonlySet<string>): Record<string, unknown> {
  const manifest: Record<string, unknown> = {};
  for (const field of V1_FIELDS) {
    if (field === EVENT_FIELD || wanted?.has(field) === false) continue;
    manifest[field] = field === 'ewms_task' ? ewmsTask(scan, view) : manifestField(scan, field);
  }
  return manifest;
}

/** A scan's manifest as version 0 shows it, without the event. @see SkyDriver 0.0.73, Manifest */
export function presentV0Manifest(scan: Scan, view: OlderView): Record<string, unknown> {
  return {
    scan_id: scan.id,
    is_deleted: manifestField(scan, 'is_deleted'),
    scanner_server_args: manifestField(scan, 'scanner_server_args'),
    tms_args: starterArguments(scan, view),
    env_vars: Object.fromEntries(serverEnvironment(scan, view).map(({name, ...value}) => [name, value])),
    condor_clusters: presentCondorClusters(scan, view.clusters),
    event_metadata: manifestField(scan, 'event_metadata'),
    scan_metadata: manifestField(scan, 'scan_metadata'),
    progress: manifestField(scan, 'progress'),
    complete: workersAreDone(scan),
  };
}

/** The part of version 1's manifest that tells of the workers. */
function ewmsTask(scan: Scan, view: OlderView): Record<string, unknown> {
  const environment = workersEnvironment(scan);
  return {
    tms_args: starterArguments(scan, view),
    env_vars: {scanner_server: serverEnvironment(scan, view), tms_starters: scan.spec.value.request.request_clusters.map(() => environment)},
    clusters: presentClusters(scan, view.clusters),
    complete: workersAreDone(scan),
  };
}

/** A variable as Kubernetes describes it. */
interface Variable {
  readonly name: string;
  readonly value: string;
  readonly value_from: null;
}

const SECRET_NAME = /TOKEN|AUTH|PASS|SECRET/i;

/** Values under a name that looks secret are never shown. */
function variable([name, value]: readonly [string, string]): Variable {
  return {name, value: SECRET_NAME.test(name) ? '***' : value, value_from: null};
}

/** What the scanner server is given, without its token. */
function serverEnvironment(scan: Scan, {address}: OlderView): Variable[] {
  const {request} = scan.spec.value;
  const own: [string, string][] = [
    ['SKYSCAN_SKYDRIVER_ADDRESS', addressFor(scan.spec.value, address)],
    ['SKYSCAN_SKYDRIVER_SCAN_ID', scan.id],
    ['SKYSCAN_SKYDRIVER_AUTH', ''],
  ];
  const users = request.scanner_server_env_from_user.map(([name, value]): [string, string] => [name, pythonText(value)]);
  return [...own, ...olderEnvironment(request), ...users].map(variable);
}

function workersEnvironment(scan: Scan): Variable[] {
  return olderEnvironment(scan.spec.value.request).map(variable);
}

/**
 * One line per requested cluster: what the starters of versions 1 and 0 were told. Our controllers start the workers themselves; the lines show what
 * they were asked.
 */
function starterArguments(scan: Scan, {clusters}: OlderView): string[] {
  const {request} = scan.spec.value;
  const {older = {}} = request;
  return request.request_clusters.map(([name, count], index) => {
    const {engine, settings = {}} = clusters.get(name)?.value ?? {};
    const {collector = name, schedd = name, host = name, namespace = name} = settings;
    const where = engine === 'kubernetes' ? `k8s --host ${host} --namespace ${namespace}` : `condor --collector ${collector} --schedd ${schedd}`;
    const runtime = older.max_worker_runtime === undefined ? '' : ` --max-worker-runtime ${older.max_worker_runtime}`;
    return hideSecrets(
      `python -m clientmanager --uuid ${scan.id}-workers-${index + 1} ${where} start --n-workers ${count}` +
        ` --worker-memory-bytes ${request.worker_memory_bytes} --worker-disk-bytes ${request.worker_disk_bytes}` +
        ` --image skymap_scanner:${request.docker_tag} --client-startup-json /common-space/startup.json${runtime} --priority ${request.priority}`,
    );
  });
}
