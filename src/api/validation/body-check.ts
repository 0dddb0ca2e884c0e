import {Ajv} from 'ajv';
import type {ErrorObject, ValidateFunction} from 'ajv';
import type {JsonSchema} from '../../schema/validate.ts';
import {badRequest} from '../api-error.ts';
import {additionalText, keywordText, requiredText} from './texts.ts';

/** Collects every violation, and keeps the schemas' values for the texts. Bodies are never changed. */
const ajv = new Ajv({allErrors: true, verbose: true, allowUnionTypes: true, strict: true, strictRequired: false, strictTuples: false});

/** Returns the body, typed. @throws ApiError `invalid` with the texts of all violations. */
export interface BodyCheck<T> {
  (body: unknown): T;
  /** What is checked; the OpenAPI document shows it. */
  readonly schema: BodySchema;
}

/** A schema of a request body: an object whose members are checked one by one. */
export interface BodySchema extends JsonSchema {
  readonly type: 'object';
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

/** Compiles the check of one kind of body. Done once, when the module is loaded. */
export function bodyCheck<T>(schema: BodySchema): BodyCheck<T> {
  const validate: ValidateFunction = ajv.compile(schema);
  const check = (body: unknown): T => {
    if (validate(body)) return body as T;
    throw badRequest(violationsText(schema, validate.errors ?? []));
  };
  return Object.assign(check, {schema});
}

/** One violation with its place in SkyDriver's order: what is too much, what is missing, then each property in the schema's order. */
interface Violation {
  readonly rank: readonly [group: number, property: number, keyword: number];
  readonly text: string;
}

/** Violations of the branches of `oneOf` and `anyOf` are not told: only that no branch matched. */
const INSIDE_BRANCH = /\/(?:oneOf|anyOf)\/\d+/;

function violationsText(schema: BodySchema, errors: readonly ErrorObject[]): string {
  const properties = Object.keys(schema.properties);
  const additional = new Map<string, string[]>();
  const violations: Violation[] = [];
  for (const error of errors) {
    if (INSIDE_BRANCH.test(error.schemaPath) || error.keyword === 'propertyNames') continue; // The name's own violation is told, on the parent.
    const path = error.instancePath.slice(1).split('/').map(decodePointer);
    const [top] = path as [string];
    const isTop = error.instancePath === '';
    if (error.keyword === 'additionalProperties') {
      const names = additional.get(error.instancePath);
      const name = String(error.params['additionalProperty']);
      if (names !== undefined) names.push(name);
      else additional.set(error.instancePath, [name]);
      if (isTop || names !== undefined) continue;
    }
    const prefix = isTop ? '' : `'${path.join('.')}': `;
    if (error.keyword === 'required') {
      const name = String(error.params['missingProperty']);
      const rank = isTop ? ([1, (schema.required ?? []).indexOf(name), 0] as const) : rankOf(properties, schema, top, error);
      violations.push({rank, text: requiredText(name)});
    } else if (error.keyword !== 'additionalProperties') {
      violations.push({rank: isTop ? [2, -1, 0] : rankOf(properties, schema, top, error), text: prefix + keywordText(error.keyword, error.schema)});
    }
  }
  for (const [path, names] of additional) violations.push({rank: path === '' ? [0, 0, 0] : [2, properties.length, 0], text: additionalText(names)});
  violations.sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2]);
  return violations.map(({text}) => text).join('; ');
}

function rankOf(properties: readonly string[], schema: BodySchema, top: string, error: ErrorObject): Violation['rank'] {
  // schemaPath is `#/properties/<name>/<keyword>…`.
  const keyword = error.schemaPath.split('/')[3] ?? '';
  return [2, properties.indexOf(top), Object.keys(schema.properties[top] ?? {}).indexOf(keyword)];
}

function decodePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
