import {findScan} from '../compare-and-set.ts';
import {DEFAULT_BODY_LIMIT_BYTES} from '../deps.ts';
import type {RouteDeps} from '../deps.ts';
import {noEvent, readEvent} from '../event.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {encodeJson} from '../json/raw-json.ts';
import {SMALL_BODY_BYTES, readArguments, readBody} from '../middleware/body.ts';
import {takeReport} from '../manifest/patch.ts';
import {REPORTED} from '../manifest/schema.ts';
import {readOlderBody} from '../older/body.ts';
import {olderProjectionOf, readV1Manifest} from '../older/manifest.ts';
import {reportCluster} from '../older/report.ts';
import {readResult} from '../result/present.ts';
import {parseResultBody, putResult} from '../result/put.ts';
import type {Route} from '../route.ts';
import {requireVisible} from '../visibility.ts';
import {checkPatchV1, checkPutV1} from './schema.ts';

/** What a scan is and has found, and where its scanner and its starters report. */
export function v1ReportRoutes(deps: RouteDeps): Route[] {
  const limitBytes = deps.config.bodyLimitBytes ?? DEFAULT_BODY_LIMIT_BYTES;
  return [
    {
      method: 'get',
      path: '/scan/:id/manifest',
      roles: ['user', 'system'],
      handle: async ({ctx, scanId, principal}) => {
        const args = await readArguments(ctx, 'projection', 'manifest_projection');
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        requireVisible(scan, args);
        const projection = olderProjectionOf(args.text('projection') ?? args.text('manifest_projection'));
        // A scanner takes its event from here; without it, it cannot start.
        return encodeJson(await readV1Manifest(deps, scan, projection, principal.role === 'system'));
      },
    },
    {
      method: 'patch',
      path: '/scan/:id/manifest',
      roles: ['system'],
      handle: async ({ctx, scanId}) => {
        const {cluster, ...body} = checkPatchV1((await readOlderBody(ctx, SMALL_BODY_BYTES, REPORTED)).value);
        await freshForWrite(deps);
        const scan = await takeReport(deps, scanId, body, cluster === undefined ? undefined : (now) => reportCluster(deps, now, cluster));
        return encodeJson(await readV1Manifest(deps, scan, undefined));
      },
    },
    {
      method: 'get',
      path: '/scan/:id/i3-event',
      roles: ['user', 'system'],
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        const eventId = findScan(deps, scanId).spec.value.request.i3_event_id;
        const event = await readEvent(deps, eventId);
        if (event === undefined) throw noEvent(eventId);
        return encodeJson({i3_event: event});
      },
    },
    {
      method: 'get',
      path: '/scan/:id/result',
      roles: ['user'],
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx);
        await freshForRead(deps, ctx);
        requireVisible(findScan(deps, scanId), args);
        return encodeJson(await readResult(deps, scanId));
      },
    },
    {
      method: 'put',
      path: '/scan/:id/result',
      roles: ['system'],
      handle: async ({ctx, scanId}) => {
        const bytes = await readBody(ctx, limitBytes);
        const incoming = await parseResultBody(bytes.length === 0 ? Buffer.from('{}') : bytes, checkPutV1);
        await freshForWrite(deps);
        return encodeJson(await putResult(deps, scanId, incoming));
      },
    },
  ];
}
