import {NOT_YET_REQUESTED, presentManifest, workflowIdOf} from '../../model/manifest.ts';
import type {Scan} from '../../model/manifest.ts';
import {podStatuses} from '../../model/pod-statuses.ts';
import {FINAL_RESULT_CODE} from '../../model/scan-codes.ts';
import type {Ewms} from '../../schema/ewms.ts';
import {admissionKey, controlKey, ewmsKey, scanKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {isTerminal} from '../../schema/state.ts';
import {notFound} from '../api-error.ts';
import {changeScan, childRevision, findScan} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {SMALL_BODY_BYTES, missingBody, parseJson, readJsonBytes} from '../middleware/body.ts';
import {viewTaskforces, viewWorkflow, viewWorkforce} from './outside.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {flag} from '../openapi/parameters.ts';
import {Arguments} from '../validation/query.ts';
import {manifestSchema} from '../manifest/schema.ts';
import {checkWorkflowId, logsAnswer, statusAnswer, taskforcesAnswer, workflowIdAnswer, workforceSchema} from './schema.ts';

/**
 * How a scan and its workers are doing.
 *
 * Answered from memory, so that a scanner, which ends at the first failed answer, gets one quickly even while something else is away.
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
      query: [flag('include_pod_statuses', 'Whether its pods are told of, too, as they are or were.')],
      answer: statusAnswer,
      handle: async ({ctx, scanId}) => {
        const withPods = new Arguments(ctx.querystring).boolean('include_pod_statuses');
        await freshForRead(deps, ctx);
        const scan = findScan(deps, scanId);
        const {code, deactivated, workforce} = await viewWorkflow(deps, ctx, scan);
        return {
          scan_state: code,
          is_deleted: scan.control?.value.is_deleted ?? false,
          ewms_deactivated: deactivated,
          scan_complete: code === FINAL_RESULT_CODE,
          scanner_server_logs: logsOf(scanId),
          ewms_workforce: workforce,
          ...(withPods ? {pods: podStatuses(scan)} : {}),
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
        return viewWorkforce(deps, ctx, findScan(deps, scanId));
      },
    },
    {
      method: 'get',
      path: '/scan/:id/ewms/taskforces',
      redirect: true,
      roles: ['user', 'system'],
      summary: 'The taskforces of a scan: one for each workers job, or what EWMS says of its workflow.',
      answer: taskforcesAnswer,
      handle: async ({ctx, scanId}) => {
        await freshForRead(deps, ctx);
        return {taskforces: await viewTaskforces(deps, ctx, findScan(deps, scanId))};
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
          if (!mayHandOver(scan)) throw notFound();
          const value: Ewms = {workflow_id: body.workflow_id, ewms_address: body.ewms_address, updated_at: deps.clock.now() / 1000};
          return {
            commit: {
              compares: [
                {key: scanKey(scanId), exists: true},
                {key: ewmsKey(scanId), modRevision: childRevision(scan, 'ewms')},
                {key: controlKey(scanId), modRevision: childRevision(scan, 'control')},
                // Admitted to our own engines it is handed over to nobody; and what has ended has no admission any more.
                {key: admissionKey(scanId), modRevision: childRevision(scan, 'admission')},
              ],
              ops: [putJson(ewmsKey(scanId), value)],
            },
            answer: (revision) => presentManifest({...scan, ewms: {value, createRevision: revision, modRevision: revision, lease: '0'}}),
          };
        });
      },
    },
  ];
}

/** A workflow is handed over once, only while our own engines do not run the scan, and never for one that is not to run any more. */
function mayHandOver(scan: Scan): boolean {
  const control = scan.control?.value;
  if (control?.is_deleted === true || control?.desired === 'stop') return false;
  return workflowIdOf(scan) === NOT_YET_REQUESTED && (scan.state === undefined || !isTerminal(scan.state.value.name));
}
