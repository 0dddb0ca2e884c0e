import {mixtureOf} from '../../model/admission-plan.ts';
import type {SkymapRequest} from '../../schema/scan.ts';
import {WordedError, badArgument} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {findMember, memberNames} from '../json/json-members.ts';
import type {JsonRange} from '../json/json-scanner.ts';
import {parseDataSize} from '../validation/data-size.ts';
import type {DockerTags} from './docker-tag.ts';
import type {CreateScanBody} from './schema.ts';

/** SkyDriver's defaults, in bytes. */
const SCANNER_SERVER_MEMORY = 1_024_000_000;
const WORKER_MEMORY = 8_000_000_000;
const WORKER_DISK = 1_000_000_000;

/** Names that a rescan adds to the classifiers by itself. */
const RESERVED_CLASSIFIERS = ['rescan', 'origin_scan_id'];

/**
 * The normalised form of a checked body, its parts looked at in SkyDriver's order. The event's id is still empty.
 *
 * @param bytes the body as it was sent: JavaScript sorts members that look like numbers, and `nsides` has an order
 * @throws ApiError `invalid`
 */
export async function normaliseRequest(deps: RouteDeps, tags: DockerTags, body: CreateScanBody, bytes: Buffer): Promise<SkymapRequest> {
  if (body.memory) throw badArgument('memory', "argument 'memory' is deprecated -- use 'worker_memory_bytes'");
  const docker_tag = await tags.resolve(body.docker_tag);
  const scanner_server_memory_bytes = sizeOf(body, 'scanner_server_memory', SCANNER_SERVER_MEMORY);
  const classifiers = body.classifiers ?? {};
  for (const name of RESERVED_CLASSIFIERS) {
    if (Object.hasOwn(classifiers, name)) throw badArgument('classifiers', `classifier cannot contain '${name}' sub-field`);
  }
  refuseTwoNames(deps, body);
  refuseInfinite(body.nsides, 'nsides');
  const clusterField = body.request_clusters === undefined ? 'cluster' : 'request_clusters';
  const asked = body[clusterField];
  if (asked === undefined) throw noClusters();
  const request_clusters = Array.isArray(asked)
    ? (asked as readonly (readonly [string, number])[])
    : orderedEntries(asked as Readonly<Record<string, number>>, clusterField, bytes);
  const names = request_clusters.map(([name]) => name);
  await requireKnownClusters(deps, clusterField, names);
  const mixture = mixtureOf(names, (name) => deps.cache.clusters.get(name)?.value.engine);
  if (mixture !== undefined) throw badArgument(clusterField, `'${clusterField}': ${mixture}`);
  const ebId = body.eb_id ?? '';
  if (ebId !== '') await requireEb(deps, ebId);
  // Members in the order of their names, in which they are stored.
  return {
    classifiers,
    debug_mode: typeof body.debug_mode === 'string' ? [body.debug_mode] : (body.debug_mode ?? []),
    docker_tag,
    ...(ebId === '' ? {} : {eb_id: ebId}),
    i3_event_id: '',
    max_pixel_reco_time: body.max_pixel_reco_time,
    nsides: orderedEntries(body.nsides, 'nsides', bytes),
    predictive_scanning_threshold: body.predictive_scanning_threshold ?? 1,
    priority: body.priority ?? 0,
    real_or_simulated_event: body.real_or_simulated_event,
    reco_algo: body.reco_algo,
    request_clusters,
    scanner_server_env_from_user: Object.entries(body.scanner_server_env_from_user ?? body.scanner_server_env ?? {}),
    scanner_server_memory_bytes,
    worker_disk_bytes: sizeOf(body, 'worker_disk', WORKER_DISK),
    worker_memory_bytes: sizeOf(body, 'worker_memory', WORKER_MEMORY),
  };
}

/** Some of version 2's words include one for an argument that is given under its old name as well. */
function refuseTwoNames(deps: RouteDeps, body: CreateScanBody): void {
  if (body.cluster === undefined || body.request_clusters === undefined) return;
  const refusal = deps.texts.v2.twoNames('request_clusters');
  if (refusal !== undefined) throw badArgument('request_clusters', refusal);
}

/** The size under its own name, else under its old one; 0 counts as not given. */
function sizeOf(body: CreateScanBody, alias: 'scanner_server_memory' | 'worker_disk' | 'worker_memory', fallback: number): number {
  const given = body[`${alias}_bytes`] ?? body[alias];
  return (given === undefined ? 0 : parseDataSize(given, alias)) || fallback;
}

/** @throws ApiError `invalid`: there is no such execution block */
async function requireEb({cache}: RouteDeps, ebId: string): Promise<void> {
  if (cache.ebs.get(ebId)?.spec !== undefined) return;
  await cache.catchUp(); // It may have been made a moment ago.
  if (cache.ebs.get(ebId)?.spec === undefined) throw badArgument('eb_id', 'execution block not found');
}

/** `1e400` is more than any number here can be, and would be stored as null. @throws ApiError `invalid` */
function refuseInfinite(object: Readonly<Record<string, unknown>>, field: string): void {
  for (const [name, value] of Object.entries(object)) {
    if (typeof value === 'number' && !Number.isFinite(value)) throw badArgument(field, `'${field}.${name}': must be type 'number' (float or int)`);
  }
}

/** The members of the body's object `field` in the order in which they were written. */
function orderedEntries<T>(object: Readonly<Record<string, T>>, field: string, bytes: Buffer): [string, T][] {
  const names = Object.keys(object);
  // Only names that look like array indexes are ever moved.
  if (names.length < 2 || !names.some((name) => /^\d+$/.test(name))) return Object.entries(object);
  const {start} = findMember(bytes, field) as JsonRange;
  return memberNames(bytes, start).map((name) => [name, object[name] as T]);
}

/** Two names stand for it, so no schema can require it. */
function noClusters(): WordedError {
  const name = 'request_clusters';
  const violation = {path: [], keyword: 'required', expected: [name], schema: {}, given: undefined, names: [name]};
  return new WordedError('invalid', (texts) => texts.body([violation], [name]));
}

/** @throws ApiError `invalid`, naming the first that is unknown and all that are known */
export async function requireKnownClusters(deps: RouteDeps, field: string, names: readonly string[]): Promise<void> {
  const {clusters} = deps.cache;
  if (names.every((name) => clusters.has(name))) return;
  await deps.cache.catchUp(); // It may have been put a moment ago.
  const unknown = names.find((name) => !clusters.has(name));
  if (unknown !== undefined) {
    throw badArgument(field, `requested unknown cluster: ${unknown} (available: ${[...clusters.keys()].sort().join(', ')})`);
  }
}
