import {hasCode} from '../../lib/errors.ts';
import type {Scan} from '../../model/manifest.ts';
import type {OlderArguments} from '../../schema/scan.ts';
import {badArgument} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {createScan} from '../scans/create.ts';
import type {Asked} from '../scans/create.ts';
import type {DockerTags} from '../scans/docker-tag.ts';
import type {CreateV1Body} from './schema.ts';

/** Seconds that a worker may run, unless told. @see SkyDriver 1.3, EWMS_MAX_WORKER_RUNTIME__DEFAULT */
const MAX_WORKER_RUNTIME = 86_400;
/** What stands for "not given" where a number must be. */
const UNSET = -1;

/** Creates a scan from version 1's arguments. @throws ApiError `invalid` */
export async function createV1Scan(deps: RouteDeps, tags: DockerTags, body: CreateV1Body, bytes: Buffer, by: Asked): Promise<Scan> {
  const {max_worker_runtime = MAX_WORKER_RUNTIME, skyscan_mq_client_timeout_wait_for_first_message: wait = UNSET} = body;
  const asked: OlderArguments = {
    max_worker_runtime,
    ...(wait === UNSET ? {} : {skyscan_mq_client_timeout_wait_for_first_message: wait}),
  };
  const resolved = {...body, docker_tag: await resolvedTag(tags, body.docker_tag)};
  return createScan(deps, tags, resolved, bytes, {...by, older: {generation: 'v1', asked}});
}

/** A tag is resolved before anything else is looked at. @throws ApiError `invalid` */
export async function resolvedTag(tags: DockerTags, asked: string): Promise<string> {
  try {
    return await tags.resolve(asked);
  } catch (err) {
    if (hasCode(err, 'invalid')) throw badArgument('docker_tag', 'invalid type');
    throw err;
  }
}
