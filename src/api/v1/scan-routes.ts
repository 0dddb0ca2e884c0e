import {workersAreDone} from '../../model/older-codes.ts';
import {isScan} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {findScan} from '../compare-and-set.ts';
import {DEFAULT_BODY_LIMIT_BYTES} from '../deps.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite, requireEtcd} from '../freshness.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {encodeJson, encodeList} from '../json/raw-json.ts';
import type {JsonMembers} from '../json/raw-json.ts';
import {SMALL_BODY_BYTES, readArguments} from '../middleware/body.ts';
import {readOlderBody, readOlderBytes, requireDict} from '../older/body.ts';
import {eventAsSent, olderProjectionOf, olderView, readV1Manifest} from '../older/manifest.ts';
import {V1_FIELDS, presentV1Manifest} from '../../model/older-manifest.ts';
import {readResult} from '../result/present.ts';
import type {Route} from '../route.ts';
import {deleteScan} from '../scans/delete.ts';
import {parseCreateBody} from '../scans/create-body.ts';
import {DockerTags} from '../scans/docker-tag.ts';
import {findManifests} from '../scans/find.ts';
import {presentBacklog} from '../scans/present.ts';
import {rescan} from '../scans/rescan.ts';
import type {FindScansBody} from '../scans/schema.ts';
import {requireVisible} from '../visibility.ts';
import {createV1Scan} from './create.ts';
import {checkCreateV1, checkDeleteV1, checkFindV1, checkRescanV1} from './schema.ts';

/** Fields that are large: a search shows them to who names them only. */
const LARGE: ReadonlySet<string> = new Set(['ewms_task', 'event_i3live_json_dict', 'event_i3live_json_dict__hash']);
const FIND_FIELDS: ReadonlySet<string> = new Set(V1_FIELDS.filter((field) => !LARGE.has(field)));

/** Asking for scans, finding them, and taking them back. */
export function v1ScanRoutes(deps: RouteDeps): Route[] {
  // A minimum is of releases that speak version 2.
  const tags = new DockerTags({...deps.config, minImageTag: ''}, deps.clock);
  const limitBytes = deps.config.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  return [
    {method: 'get', path: '/', roles: ['user'], handle: async () => ({})},
    {
      method: 'post',
      path: '/scan',
      roles: ['user'],
      handle: async ({ctx, principal}) => {
        const bytes = await readOlderBytes(ctx, limitBytes);
        const {body, outline} = await parseCreateBody(bytes, (value) => checkCreateV1(requireDict(value)));
        requireEtcd(deps);
        const create = (remember: Remember): Promise<Scan> => createV1Scan(deps, tags, body, outline, {user: principal.name, remember});
        const scan = await deps.idempotency.once(ctx, principal, bytes, create);
        const event = eventAsSent(body.event_i3live_json, outline);
        return encodeJson(await readV1Manifest(deps, scan, olderProjectionOf(body.manifest_projection), false, event));
      },
    },
    {
      method: 'post',
      path: '/scans/find',
      roles: ['user'],
      handle: async ({ctx}) => {
        const body = checkFindV1((await readOlderBody(ctx, SMALL_BODY_BYTES)).value);
        await freshForRead(deps, ctx);
        return encodeList('manifests', foundManifests(deps, body));
      },
    },
    {
      method: 'get',
      path: '/scans/backlog',
      roles: ['user'],
      handle: async ({ctx}) => {
        await freshForRead(deps, ctx);
        return {entries: presentBacklog(deps.cache)};
      },
    },
    {
      method: 'get',
      path: '/scan/:id',
      roles: ['user', 'system'],
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx);
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        requireVisible(scan, args);
        return encodeJson({manifest: await readV1Manifest(deps, scan, undefined), result: await readResult(deps, scanId)});
      },
    },
    {
      method: 'post',
      path: '/scan/:id/actions/rescan',
      roles: ['user'],
      handle: async ({ctx, scanId, principal}) => {
        const {bytes, value} = await readOlderBody(ctx, SMALL_BODY_BYTES);
        const body = checkRescanV1(value);
        await freshForWrite(deps, ctx);
        const options = {abortFirst: false, replaceScan: false};
        const create = (remember: Remember): Promise<Scan> => rescan(deps, scanId, options, {user: principal.name, remember});
        const scan = await deps.idempotency.once(ctx, principal, bytes, create);
        return encodeJson(await readV1Manifest(deps, scan, olderProjectionOf(body.manifest_projection)));
      },
    },
    {
      method: 'delete',
      path: '/scan/:id',
      roles: ['user'],
      handle: async ({ctx, scanId}) => {
        const body = checkDeleteV1((await readOlderBody(ctx, SMALL_BODY_BYTES)).value);
        await freshForWrite(deps);
        const scan = await deleteScan(deps, scanId, body.delete_completed_scan === true, workersAreDone);
        const manifest = await readV1Manifest(deps, scan, olderProjectionOf(body.manifest_projection));
        return encodeJson({manifest, result: await readResult(deps, scanId)});
      },
    },
  ];
}

/** The filter is over the newest manifest's fields. The event is never among what is found: it would be read for each scan. */
function* foundManifests(deps: RouteDeps, body: FindScansBody): Iterable<JsonMembers> {
  const projection = olderProjectionOf(body.manifest_projection);
  const wanted = projection === undefined || projection.has('*') ? FIND_FIELDS : projection;
  for (const {scan_id} of findManifests(deps.cache.scans, {...body, manifest_projection: ['scan_id']})) {
    const scan = deps.cache.scans.get(scan_id ?? '');
    if (isScan(scan)) yield presentV1Manifest(scan, olderView(deps), wanted);
  }
}
