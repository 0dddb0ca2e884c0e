import {findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {encodeJson} from '../json/raw-json.ts';
import {takeReport} from '../manifest/patch.ts';
import {SMALL_BODY_BYTES, readArguments} from '../middleware/body.ts';
import {REPORTED} from '../manifest/schema.ts';
import {readOlderBody} from '../older/body.ts';
import {readV0Manifest} from '../older/manifest.ts';
import {reportCondorCluster} from '../older/report.ts';
import type {Route} from '../route.ts';
import {deleteScan} from '../scans/delete.ts';
import {requireVisible} from '../visibility.ts';
import {checkPatchV0} from './schema.ts';

/** What users see of a scan, and where its scanner and its starters report. */
export function v0ManifestRoutes(deps: RouteDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/scan/manifest/:id',
      roles: ['user', 'system'],
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx);
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        requireVisible(scan, args);
        return encodeJson(await readV0Manifest(deps, scan));
      },
    },
    {
      method: 'delete',
      path: '/scan/manifest/:id',
      roles: ['user'],
      handle: async ({scanId}) => {
        await freshForWrite(deps);
        return encodeJson(await readV0Manifest(deps, await deleteScan(deps, scanId, true)));
      },
    },
    {
      method: 'patch',
      path: '/scan/manifest/:id',
      roles: ['system'],
      handle: async ({ctx, scanId}) => {
        const {condor_cluster: report, ...body} = checkPatchV0((await readOlderBody(ctx, SMALL_BODY_BYTES, REPORTED)).value);
        await freshForWrite(deps);
        const scan = await takeReport(deps, scanId, body, report === undefined ? undefined : (now) => reportCondorCluster(deps, now, report));
        return encodeJson(await readV0Manifest(deps, scan));
      },
    },
  ];
}
