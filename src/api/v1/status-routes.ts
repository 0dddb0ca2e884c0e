import {presentClusters} from '../../model/older-clusters.ts';
import {olderScanCode, workersAreDone} from '../../model/older-codes.ts';
import {podStatuses} from '../../model/pod-statuses.ts';
import {findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import {readArguments} from '../middleware/body.ts';
import type {Route} from '../route.ts';

/** How a scan and its workers are doing. Answered from the cache alone, since a scanner that gets no answer looks no more. */
export function v1StatusRoutes(deps: RouteDeps): Route[] {
  return [
    {
      method: 'get',
      path: '/scan/:id/status',
      roles: ['user', 'system'],
      handle: async ({ctx, scanId}) => {
        const args = await readArguments(ctx, 'include_pod_statuses');
        const includePods = args.boolean('include_pod_statuses');
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        return {
          scan_state: olderScanCode(scan),
          is_deleted: scan.control?.value.is_deleted ?? false,
          scan_complete: workersAreDone(scan),
          ...(includePods ? {pods: podStatuses(scan)} : {}),
          clusters: presentClusters(scan, deps.cache.clusters),
        };
      },
    },
    {
      method: 'get',
      path: '/scan/:id/logs',
      roles: ['user'],
      // Nobody looks whether there is such a scan: so it was, and whoever follows the address is told there.
      handle: async ({scanId}) => ({scanner_server: {url: `${deps.config.publicAddress}/v1/scan/${scanId}/logs`}}),
    },
  ];
}
