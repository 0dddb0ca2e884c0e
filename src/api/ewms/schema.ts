import {freeFormObject} from '../openapi/common.ts';
import {bodyCheck} from '../validation/body-check.ts';

/** Body of POST /scan/ID/ewms/workflow-id. */
export interface WorkflowIdBody {
  readonly workflow_id: string;
  readonly ewms_address: string;
}

const nonBlank = {type: 'string', minLength: 1, pattern: '\\S'} as const;

export const checkWorkflowId = bodyCheck<WorkflowIdBody>({
  type: 'object',
  additionalProperties: false,
  required: ['workflow_id', 'ewms_address'],
  properties: {workflow_id: nonBlank, ewms_address: nonBlank},
});

const textOrNull = {type: ['string', 'null']} as const;
const counts = {type: 'object', additionalProperties: {type: 'integer'}} as const;

/** How many worker processes are in which state. @see SkyDriver 2.x GET /scan/ID/ewms/workforce */
export const workforceSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['workflow_id', 'statuses', 'n_running', 'top_errors'],
  properties: {
    workflow_id: textOrNull,
    statuses: {
      type: 'object',
      description: 'HTCondor status, then pilot status (`null`: has not reported yet), then worker processes.',
      additionalProperties: counts,
    },
    n_running: {type: 'integer', minimum: 0},
    top_errors: counts,
  },
} as const;

export const logUrlLinkSchema = {type: 'object', additionalProperties: false, required: ['url'], properties: {url: textOrNull}} as const;

export const logsAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['scanner_server'],
  properties: {scanner_server: logUrlLinkSchema},
} as const;

/** @see SkyDriver 2.x GET /scan/ID/status */
export const statusAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['scan_state', 'is_deleted', 'ewms_deactivated', 'scan_complete', 'scanner_server_logs', 'ewms_workforce'],
  properties: {
    scan_state: {type: 'string', pattern: '^(SCAN_HAS_FINAL_RESULT|[A-Z_]+__[A-Z_]+)$'},
    is_deleted: {type: 'boolean'},
    ewms_deactivated: textOrNull,
    scan_complete: {type: 'boolean', description: 'Whether the final result is there.'},
    scanner_server_logs: logUrlLinkSchema,
    ewms_workforce: workforceSchema,
    pods: {...freeFormObject, description: 'Only where include_pod_statuses asks for it: pod_status, by name of pod, and pod_message.'},
  },
} as const;

export const taskforcesAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['taskforces'],
  properties: {taskforces: {type: 'array', items: freeFormObject}},
} as const;

export const workflowIdAnswer = {
  type: 'object',
  additionalProperties: false,
  required: ['workflow_id', 'requested_ewms_workflow', 'eligible_for_ewms', 'ewms_address'],
  properties: {
    workflow_id: {type: ['string', 'null'], description: '`not-yet-requested` while there is none.'},
    requested_ewms_workflow: {type: 'boolean'},
    eligible_for_ewms: {type: 'boolean'},
    ewms_address: textOrNull,
  },
} as const;
