import {findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {noEvent, readEvent} from '../event.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {encodeJson} from '../json/raw-json.ts';
import {SMALL_BODY_BYTES, missingBody, parseLooseJson, readArguments, readJsonBytes} from '../middleware/body.ts';
import {projectManifest, queryProjection} from '../projection.ts';
import type {Route} from '../route.ts';
import {requireVisible} from '../visibility.ts';
import {patchManifest} from './patch.ts';
import {REPORTED, checkPatchManifest} from './schema.ts';

const EVENT_FIELD = 'event_i3live_json_dict';

/** What users see of a scan, and where its scanner reports. */
export function manifestRoutes(deps: RouteDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/scan/:id/manifest',
      redirect: true,
      roles: ['user', 'system'],
      handle: async ({ctx, scanId, principal}) => {
        const args = await readArguments(ctx, 'projection');
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        requireVisible(scan, args);
        const projection = queryProjection(args.text('projection'));
        const manifest = projectManifest(scan, projection);
        // A scanner takes its event from here; without it, it cannot start.
        if (principal.role !== 'system' || (projection !== undefined && !projection.has(EVENT_FIELD))) return manifest;
        const eventId = scan.spec.value.request.i3_event_id;
        const event = await readEvent(deps, eventId);
        if (event === undefined) throw noEvent(eventId, "--if other fields are wanted, re-request using 'projection'");
        return encodeJson({...manifest, [EVENT_FIELD]: event});
      },
    },
    {
      method: 'patch',
      path: '/scan/:id/manifest',
      roles: ['system'],
      handle: async ({ctx, scanId}) => {
        const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
        if (bytes === undefined) throw missingBody();
        const body = checkPatchManifest(parseLooseJson(bytes, REPORTED));
        await freshForWrite(deps);
        return patchManifest(deps, scanId, body);
      },
    },
    {
      method: 'get',
      path: '/scan/:id/i3-event',
      redirect: true,
      roles: ['user', 'system'],
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        const eventId = findScan(deps, scanId).spec.value.request.i3_event_id;
        const event = await readEvent(deps, eventId);
        if (event === undefined) throw noEvent(eventId);
        return encodeJson({i3_event: event});
      },
    },
  ];
}
