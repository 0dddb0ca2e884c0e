import {buildJob} from '../../engines/kubernetes/job-manifest.ts';
import {ANNOTATIONS} from '../../engines/kubernetes/names.ts';
import {hostedServer, scanJob} from '../../engines/scan-job.ts';
import {SERVER_JOB} from '../../model/chain.ts';
import type {K8sJobSettings} from '../../model/k8s-job.ts';
import type {Scan} from '../../model/manifest.ts';
import {isExternal} from '../../model/scan-record.ts';
import {EXTERNAL_ENGINE, KUBERNETES_ENGINE} from '../../schema/cluster.ts';
import type {Cache} from '../../store/cache.ts';

/** What changes with who launches it and when; not shown. */
const VARYING: ReadonlySet<string> = new Set([ANNOTATIONS.fence, ANNOTATIONS.state]);

/**
 * The Job of a scan's server where a Kubernetes cluster of ours runs it: of its newest try, or of its first. Built by what launches it, so that it is
 * the same; secrets are references to the Secret of the try.
 *
 * @returns `undefined`: no cluster of ours does
 * @throws ControlPlaneError `invalid`: it cannot be launched, and why
 */
export function launchedJob(scan: Scan, {clusters, meta}: Cache, settings: K8sJobSettings): Readonly<Record<string, unknown>> | undefined {
  const home = serverHome(scan, clusters);
  const cluster = home === undefined ? undefined : clusters.get(home.name)?.value;
  if (home === undefined || cluster?.engine !== KUBERNETES_ENGINE) return undefined;
  const {stopGraceMs = 0, outputLimitBytes = 0} = settings.launch ?? {};
  const ref = {scanId: scan.id, job: SERVER_JOB, try: scan.jobs?.get(SERVER_JOB)?.value.tries_total ?? 1};
  const clusterId = meta?.value.cluster_id ?? '';
  const common = {ref, clusterId, type: 'scanner-server', fence: {epoch: 0, revision: 0}, count: 1, outputLimitBytes, stopGraceMs, orphanAfterMs: 0};
  const input = {scanId: scan.id, spec: scan.spec.value, cluster, clusterName: home.name, scannerAddress: settings.skydriverAddress, token: ''};
  const own = home.isHosted ? hostedServer({...input, settings, ewmsClientSecret: '', ref, clusterId}) : scanJob({...input, isServer: true});
  const {metadata, spec, ...job} = buildJob({...common, ...own}, cluster.settings, {indexed: false}).job as unknown as BuiltJob;
  const annotations = Object.fromEntries(Object.entries(metadata.annotations).filter(([name]) => !VARYING.has(name)));
  const namespace = cluster.settings.namespace ?? settings.kubernetes.namespace;
  return {...job, metadata: {namespace, ...metadata, annotations}, spec: {...spec, parallelism: common.count}};
}

interface BuiltJob {
  readonly metadata: {readonly annotations: Readonly<Record<string, string>>};
  readonly spec: Readonly<Record<string, unknown>>;
}

/** Where the scan's server runs, ran last, or would run; `isHosted`: its workers are outside. */
function serverHome(scan: Scan, clusters: Cache['clusters']): {readonly name: string; readonly isHosted: boolean} | undefined {
  const server = scan.jobs?.get(SERVER_JOB)?.value;
  if (server !== undefined) return {name: server.cluster, isHosted: isExternal(scan)};
  const admission = scan.admission?.value;
  if (isExternal(scan)) return admission?.server_cluster === undefined ? undefined : {name: admission.server_cluster, isHosted: true};
  const asked = scan.spec.value.request.request_clusters.map(([name]) => name);
  const name = asked.find((each) => (admission?.slots[each] ?? 1) > 0) ?? asked[0];
  if (name === undefined) return undefined;
  const cluster = clusters.get(name)?.value;
  if (cluster?.engine !== EXTERNAL_ENGINE) return {name, isHosted: false};
  const home = scan.ewms === undefined ? cluster.settings.server_cluster : undefined;
  return home === undefined ? undefined : {name: home, isHosted: true};
}
