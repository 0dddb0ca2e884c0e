import {Ajv} from 'ajv';
import type {ErrorObject, ValidateFunction} from 'ajv';
import {ControlPlaneError} from '../lib/errors.ts';

/** The one ajv. `useDefaults` fills what an operator left out; unknown fields of stored values are kept. */
const ajv = new Ajv({allErrors: false, useDefaults: true, allowUnionTypes: true, strict: true, strictRequired: false});

export type JsonSchema = Readonly<Record<string, unknown>>;

/** Turns the text of a key into a typed value. @throws ControlPlaneError `invalid`, with the field that is wrong. */
export type Parser<T> = (text: string, key: string) => T;

/**
 * Builds the parser of one kind of value. Where values of one kind have several shapes, a function picks each one's schema.
 *
 * The text may be any JSON that means the same: an operator need not write it canonically.
 */
export function parserFor<T>(what: string, schema: JsonSchema | ((value: unknown) => JsonSchema)): Parser<T> {
  const validators = new Map<JsonSchema, ValidateFunction>();
  return (text, key) => {
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (err) {
      throw new ControlPlaneError('invalid', `${what} is not JSON: ${(err as Error).message}`, {key, cause: err});
    }
    const chosen = typeof schema === 'function' ? schema(value) : schema;
    let validate = validators.get(chosen);
    if (validate === undefined) validators.set(chosen, (validate = ajv.compile(chosen)));
    if (!validate(value)) throw new ControlPlaneError('invalid', `${what}: ${firstError(validate.errors)}`, {key});
    return value as T;
  };
}

function firstError(errors: readonly ErrorObject[] | null | undefined): string {
  const error = errors?.[0];
  if (error === undefined) return 'breaks its schema';
  const path = error.instancePath.slice(1).replaceAll('/', '.');
  const unknown: unknown = error.keyword === 'additionalProperties' ? (error.params as {additionalProperty?: unknown}).additionalProperty : undefined;
  const message = `${error.message ?? error.keyword}${typeof unknown === 'string' ? ` (${unknown})` : ''}`;
  return path === '' ? message : `${path} ${message}`;
}
