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
