import {bodyCheck} from '../validation/body-check.ts';
import type {BodySchema} from '../validation/body-check.ts';

/** Body of PUT /scan/ID/result. The result itself is only checked to be an object: it may have tens of megabytes. */
export interface PutResultBody {
  readonly skyscan_result: Readonly<Record<string, unknown>>;
  readonly is_final: boolean;
}

const putResultSchema: BodySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['skyscan_result', 'is_final'],
  properties: {skyscan_result: {type: 'object'}, is_final: {type: 'boolean'}},
};

export const checkPutResult = bodyCheck<PutResultBody>(putResultSchema);
