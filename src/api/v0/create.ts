import {clusterMeant} from '../../model/older-clusters.ts';
import type {CondorRequest} from '../../model/older-clusters.ts';
import type {Scan} from '../../model/manifest.ts';
import type {OlderArguments} from '../../schema/scan.ts';
import {badArgument} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {createScan} from '../scans/create.ts';
import type {Asked} from '../scans/create.ts';
import type {DockerTags} from '../scans/docker-tag.ts';
import type {CreateScanBody} from '../scans/schema.ts';
import {resolvedTag} from '../v1/create.ts';
import {parseDataSize} from '../validation/data-size.ts';
import type {CreateV0Body} from './schema.ts';

const MEMORY = '8GB';
/** Seconds that a pixel may take where nobody says: version 0 had no limit, and what is stored has one. */
const MAX_RECO_TIME = 3600;

/** Creates a scan from version 0's arguments. @throws ApiError `invalid` */
export async function createV0Scan(deps: RouteDeps, tags: DockerTags, body: CreateV0Body, bytes: Buffer, by: Asked): Promise<Scan> {
  const docker_tag = await resolvedTag(tags, body.docker_tag);
  const requests: readonly CondorRequest[] = Array.isArray(body.cluster) ? body.cluster : [body.cluster as CondorRequest];
  const {memory = MEMORY, max_reco_time} = body;
  const asked: OlderArguments = {
    memory,
    ...(max_reco_time === undefined ? {} : {max_reco_time}),
    condor_clusters: requests.map(({collector, schedd, njobs}) => ({collector, schedd, njobs})),
  };
  const translated: CreateScanBody = {
    docker_tag,
    reco_algo: body.reco_algo,
    event_i3live_json: body.event_i3live_json,
    nsides: body.nsides,
    real_or_simulated_event: body.real_or_simulated_event,
    max_pixel_reco_time: max_reco_time ?? MAX_RECO_TIME,
    request_clusters: await clustersMeant(deps, requests),
    worker_memory_bytes: parseDataSize(memory, 'memory'),
    ...(body.predictive_scanning_threshold === undefined ? {} : {predictive_scanning_threshold: body.predictive_scanning_threshold}),
    ...(body.debug_mode === true ? {debug_mode: 'client-logs'} : {}),
  };
  return createScan(deps, tags, translated, bytes, {...by, older: {generation: 'v0', asked}});
}

/** Our clusters, for those that version 0 names by their HTCondor hosts. @throws ApiError `invalid`, with those that are known */
async function clustersMeant(deps: RouteDeps, requests: readonly CondorRequest[]): Promise<[string, number][]> {
  const {clusters} = deps.cache;
  if (requests.some((request) => clusterMeant(request, clusters) === undefined)) await deps.cache.catchUp(); // It may have been put a moment ago.
  return requests.map((request) => {
    const name = clusterMeant(request, clusters);
    if (name !== undefined) return [name, request.njobs];
    const known = [...clusters.keys()].sort().join(', ');
    throw badArgument('cluster', `no cluster has collector '${request.collector}' and schedd '${request.schedd}' (available: ${known})`);
  });
}
