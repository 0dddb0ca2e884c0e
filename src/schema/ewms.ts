import {parserFor} from './validate.ts';

/** `/scan/[id]/ewms`: the workflow that an outside workload manager runs for this scan. Written once. */
export interface Ewms {
  readonly workflow_id: string;
  readonly ewms_address: string;
  readonly updated_at?: number;
}

export const ewmsSchema = {
  type: 'object',
  required: ['workflow_id', 'ewms_address'],
  properties: {workflow_id: {type: 'string', minLength: 1}, ewms_address: {type: 'string', minLength: 1}, updated_at: {type: 'number'}},
} as const;

export const parseEwms = parserFor<Ewms>('ewms', ewmsSchema);
