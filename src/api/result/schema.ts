import {emptyObject, freeFormObject} from '../openapi/common.ts';
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
  properties: {skyscan_result: freeFormObject, is_final: {type: 'boolean'}},
};

export const checkPutResult = bodyCheck<PutResultBody>(putResultSchema);

/** @see SkyDriver 2.x Result */
export const resultSchema = {
  type: 'object',
  additionalProperties: false,
  required: ['scan_id', 'skyscan_result', 'is_final'],
  properties: {scan_id: {type: 'string'}, skyscan_result: freeFormObject, is_final: {type: 'boolean'}},
} as const;

/** The result of a scan; `{}` while there is none. */
export const resultAnswer = {anyOf: [resultSchema, emptyObject]} as const;
