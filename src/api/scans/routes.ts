import {findScan} from '../compare-and-set.ts';
import {DEFAULT_BODY_LIMIT_BYTES} from '../deps.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite, requireEtcd} from '../freshness.ts';
import {encodeJson, encodeList} from '../json/raw-json.ts';
import {SMALL_BODY_BYTES, missingBody, parseJson, readArguments, readJsonBytes} from '../middleware/body.ts';
import {projectedManifestSchema} from '../manifest/schema.ts';
import {emptyObject} from '../openapi/common.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {IDEMPOTENCY_KEY, INCLUDE_DELETED, flag} from '../openapi/parameters.ts';
import {projectManifest, projectionOf} from '../projection.ts';
import {readResult} from '../result/present.ts';
import type {Remember} from '../idempotency/idempotency.ts';
import {missing} from '../api-error.ts';
import {isScan} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {Arguments} from '../validation/query.ts';
import {requireVisible} from '../visibility.ts';
import {parseCreateBody} from './create-body.ts';
import {createScan} from './create.ts';
import {deleteScan} from './delete.ts';
import {DockerTags} from './docker-tag.ts';
import {findManifests} from './find.ts';
import {presentBacklog, presentRequest} from './present.ts';
import {
  backlogAnswer,
  checkCreateScan,
  checkDeleteScan,
  checkFindScans,
  deletedScanAnswer,
  foundScansAnswer,
  manifestAndResultAnswer,
  scanRequestSchema,
} from './schema.ts';

/** Asking for scans, finding them, and taking them back. */
export function scanRoutes(deps: RouteDeps): DescribedRoute[] {
  const tags = new DockerTags(deps.config, deps.clock);
  const limitBytes = deps.config.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  return [
    {method: 'get', path: '/', roles: ['user'], summary: 'Answers, and does nothing else.', answer: emptyObject, handle: async () => ({})},
    {
      method: 'post',
      path: '/scan',
      roles: ['user'],
      summary: 'Asks for a scan of an event that is sent along or known already.',
      headers: [IDEMPOTENCY_KEY],
      body: checkCreateScan,
      answer: projectedManifestSchema,
      handle: async ({ctx, principal}) => {
        const bytes = await readJsonBytes(ctx, limitBytes);
        if (bytes === undefined) throw missingBody();
        const {body, outline} = await parseCreateBody(bytes, checkCreateScan);
        requireEtcd(deps);
        const create = (remember: Remember): Promise<Scan> => createScan(deps, tags, body, outline, {user: principal.name, remember});
        const scan = await deps.idempotency.once(ctx, principal, bytes, create);
        return projectManifest(scan, projectionOf(body.manifest_projection));
      },
    },
    {
      method: 'post',
      path: '/scans/find',
      roles: ['user'],
      summary: 'The manifests that match a MongoDB filter, oldest first; unless fields are asked for, without those that were large once.',
      body: checkFindScans,
      answer: foundScansAnswer,
      handle: async ({ctx}) => {
        const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
        if (bytes === undefined) throw missingBody();
        const body = checkFindScans(parseJson(bytes));
        await freshForRead(deps, ctx);
        return encodeList('manifests', findManifests(deps.cache.scans, body));
      },
    },
    {
      method: 'get',
      path: '/scans/backlog',
      roles: ['user'],
      summary: 'The scans that wait, oldest first.',
      answer: backlogAnswer,
      handle: async ({ctx}) => {
        await freshForRead(deps, ctx);
        return {entries: presentBacklog(deps.cache)};
      },
    },
    {
      method: 'get',
      path: '/scan-request/:id',
      roles: ['user'],
      summary: 'What a scan was asked with, and its rescans. A rescan has no request of its own.',
      answer: scanRequestSchema,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        const scan = deps.cache.scans.get(scanId);
        if (!isScan(scan)) throw missing('ScanRequests');
        return encodeJson(presentRequest(scan, deps.cache.scans));
      },
    },
    {
      method: 'get',
      path: '/scan/:id',
      redirect: true,
      roles: ['user', 'system'],
      summary: 'A scan’s manifest and result.',
      query: [INCLUDE_DELETED],
      answer: manifestAndResultAnswer,
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx);
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        requireVisible(scan, args);
        return encodeJson({manifest: projectManifest(scan, undefined), result: await readResult(deps, scanId)});
      },
    },
    {
      method: 'delete',
      path: '/scan/:id',
      redirect: true,
      roles: ['user'],
      summary: 'Stops a scan and marks it as deleted. Nothing is erased.',
      query: [flag('delete_completed_scan', 'Whether a scan with a final result may be deleted.')],
      body: checkDeleteScan,
      mayLackBody: true,
      answer: deletedScanAnswer,
      handle: async ({ctx, scanId}) => {
        const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
        const body = checkDeleteScan(bytes === undefined ? {} : parseJson(bytes));
        const args = new Arguments(ctx.querystring);
        const deleteCompleted = args.boolean('delete_completed_scan', body.delete_completed_scan);
        await freshForWrite(deps, ctx);
        const scan = await deleteScan(deps, scanId, deleteCompleted);
        return encodeJson({
          manifest: projectManifest(scan, projectionOf(body.manifest_projection)),
          result: await readResult(deps, scanId),
        });
      },
    },
  ];
}
