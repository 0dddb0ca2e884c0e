import {HIDDEN_SECRETS} from '../../model/k8s-environment.ts';
import {buildK8sJob} from '../../model/k8s-job.ts';
import {findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead} from '../freshness.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {launchedJob} from './launched-job.ts';
import {k8sJobSchema} from './schema.ts';

/**
 * The Kubernetes job of a scan, as it is (or would be) launched: of our own, or else as SkyDriver makes it, with secrets as `***`. A route of ours, in the
 * shape of SkyDriver's stored document.
 */
export function k8sJobRoutes(deps: RouteDeps): DescribedRoute[] {
  const settings = deps.config.k8sJob;
  if (settings === undefined) return [];
  return [
    {
      method: 'get',
      path: '/scan/:id/k8s-job',
      roles: ['user'],
      summary: 'The Kubernetes job of a scan, as it is or would be launched, without its secrets.',
      answer: k8sJobSchema,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        const startedAt = scan.state?.value.started_at;
        return {
          scan_id: scanId,
          skyscan_k8s_job_dict:
            launchedJob(scan, deps.cache, settings) ?? buildK8sJob({id: scanId, request: scan.spec.value.request}, settings, HIDDEN_SECRETS),
          k8s_started_ts: startedAt === undefined ? null : Math.floor(Date.parse(startedAt) / 1000),
        };
      },
    },
  ];
}
