import {parserFor} from './validate.ts';

/** `/scan/[id]/report/[job]/[try]`: what a running job says of itself. */
export interface Report {
  readonly endpoint?: string;
  readonly status?: string;
  readonly data?: Readonly<Record<string, unknown>>;
  readonly updated_at: number;
}

export const reportSchema = {
  type: 'object',
  required: ['updated_at'],
  properties: {endpoint: {type: 'string'}, status: {type: 'string'}, data: {type: 'object'}, updated_at: {type: 'number'}},
} as const;

export const parseReport = parserFor<Report>('report', reportSchema);
