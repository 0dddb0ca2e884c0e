import {Ajv} from 'ajv';
import type {ErrorObject, ValidateFunction} from 'ajv';
import {ControlPlaneError} from '../lib/errors.ts';

/** The one ajv. `useDefaults` fills what an operator left out; unknown fields of stored values are kept. */
const ajv = new Ajv({allErrors: false, useDefaults: true, allowUnionTypes: true, strict: true, strictRequired: false});

/** How deeply a stored value may be nested: as a body that the API takes. */
const MAX_DEPTH = 1000;

const [QUOTE, BACKSLASH, OPEN_ARRAY, CLOSE_ARRAY, OPEN_OBJECT, CLOSE_OBJECT] = [0x22, 0x5c, 0x5b, 0x5d, 0x7b, 0x7d];

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
    if (isTooDeep(text)) throw new ControlPlaneError('invalid', `${what} is nested more than ${MAX_DEPTH} levels deep`, {key});
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

/** Whether JSON is nested so deeply that recursion over its value could exhaust the stack: whoever showed or wrote it would fail, with all that is shown beside it. */
function isTooDeep(text: string): boolean {
  if (text.length <= 2 * MAX_DEPTH) return false; // A level takes two characters.
  let depth = 0;
  for (let i = 0; i < text.length; i++) {
    const char = text.charCodeAt(i);
    if (char === QUOTE) i = endOfString(text, i);
    else if (char === OPEN_ARRAY || char === OPEN_OBJECT) depth++;
    else if (char === CLOSE_ARRAY || char === CLOSE_OBJECT) depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}

/** Where the string that begins at `start` ends: its closing quote, or the end of a text that is no JSON. */
function endOfString(text: string, start: number): number {
  for (let end = text.indexOf('"', start + 1); end !== -1; end = text.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (text.charCodeAt(end - 1 - backslashes) === BACKSLASH) backslashes++;
    if (backslashes % 2 === 0) return end;
  }
  return text.length;
}

function firstError(errors: readonly ErrorObject[] | null | undefined): string {
  const error = errors?.[0];
  if (error === undefined) return 'breaks its schema';
  const path = error.instancePath.slice(1).replaceAll('/', '.');
  const unknown: unknown = error.keyword === 'additionalProperties' ? (error.params as {additionalProperty?: unknown}).additionalProperty : undefined;
  const message = `${error.message ?? error.keyword}${typeof unknown === 'string' ? ` (${unknown})` : ''}`;
  return path === '' ? message : `${path} ${message}`;
}
