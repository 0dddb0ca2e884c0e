import {canonicalJson} from '../../lib/canonical-json.ts';
import {NOT_YET_REQUESTED, presentManifest, workflowIdOf} from '../../model/manifest.ts';
import {FINAL_RESULT_CODE, deactivationOf, scanCode} from '../../model/scan-codes.ts';
import {presentWorkforce} from '../../model/workforce.ts';
import type {Ewms} from '../../schema/ewms.ts';
import {admissionKey, controlKey, ewmsKey, scanKey} from '../../schema/keys.ts';
import {notFound} from '../api-error.ts';
import {changeScan, childRevision, findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {SMALL_BODY_BYTES, missingBody, parseJson, readJsonBytes} from '../middleware/body.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {manifestSchema} from '../manifest/schema.ts';
import {checkWorkflowId, logsAnswer, statusAnswer, workflowIdAnswer, workforceSchema} from './schema.ts';

/**
 * How a scan and its workers are doing.
 *
 * Answered from the cache alone, so that a scanner, which ends at the first failed answer, gets one quickly even while something else is away.
 */
export function ewmsRoutes(deps: RouteDeps): DescribedRoute[] {
  const logsOf = (scanId: string): {url: string} => ({url: `${deps.config.publicAddress}/v2/scan/${scanId}/logs`});
  return [
    {
      method: 'get',
      path: '/scan/:id/status',
      redirect: true,
      roles: ['user', 'system'],
      summary: 'How a scan and its workers are doing.',
      answer: statusAnswer,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        const code = scanCode(scan);
        return {
          scan_state: code,
          is_deleted: scan.control?.value.is_deleted ?? false,
          ewms_deactivated: deactivationOf(scan),
          scan_complete: code === FINAL_RESULT_CODE,
          scanner_server_logs: logsOf(scanId),
          ewms_workforce: presentWorkforce(scan),
        };
      },
    },
    {
      method: 'get',
      path: '/scan/:id/logs',
      redirect: true,
      roles: ['user'],
      summary: 'Where the log of the scanner’s server is.',
      answer: logsAnswer,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        findScan(deps, scanId);
        return {scanner_server: logsOf(scanId)};
      },
    },
    {
      method: 'get',
      path: '/scan/:id/ewms/workforce',
      redirect: true,
      roles: ['user', 'system'],
      summary: 'How many workers are in which state. A scanner’s server waits until one runs.',
      answer: workforceSchema,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        return presentWorkforce(findScan(deps, scanId));
      },
    },
    {
      method: 'get',
      path: '/scan/:id/ewms/workflow-id',
      redirect: true,
      roles: ['user', 'system'],
      summary: 'Which workflow runs the scan’s workers.',
      answer: workflowIdAnswer,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        const id = workflowIdOf(scan);
        return {
          workflow_id: id,
          requested_ewms_workflow: id !== NOT_YET_REQUESTED,
          eligible_for_ewms: true,
          ewms_address: scan.ewms?.value.ewms_address ?? null,
        };
      },
    },
    {
      method: 'post',
      path: '/scan/:id/ewms/workflow-id',
      roles: ['system'],
      summary: 'Hands a scan over to a workflow of an outside workload manager; once, while nobody else runs it.',
      body: checkWorkflowId,
      answer: manifestSchema,
      handle: async ({ctx, scanId}) => {
        const bytes = await readJsonBytes(ctx, SMALL_BODY_BYTES);
        if (bytes === undefined) throw missingBody();
        const body = checkWorkflowId(parseJson(bytes));
        await freshForWrite(deps);
        return changeScan(deps, scanId, (scan) => {
          // Once, only while nobody runs it, and never for a deleted scan.
          if (workflowIdOf(scan) !== NOT_YET_REQUESTED || scan.control?.value.is_deleted === true) throw notFound();
          const value: Ewms = {workflow_id: body.workflow_id, ewms_address: body.ewms_address, updated_at: deps.clock.now() / 1000};
          return {
            commit: {
              compares: [
                {key: scanKey(scanId), exists: true},
                {key: ewmsKey(scanId), modRevision: childRevision(scan, 'ewms')},
                {key: controlKey(scanId), modRevision: childRevision(scan, 'control')},
                {key: admissionKey(scanId), modRevision: 0},
              ],
              ops: [{put: ewmsKey(scanId), value: canonicalJson(value)}],
            },
            answer: (revision) => presentManifest({...scan, ewms: {value, createRevision: revision, modRevision: revision, lease: '0'}}),
          };
        });
      },
    },
  ];
}
