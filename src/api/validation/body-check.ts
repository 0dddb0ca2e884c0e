import {Ajv} from 'ajv';
import type {ErrorObject, ValidateFunction} from 'ajv';
import type {JsonSchema} from '../../schema/validate.ts';
import {WordedError} from '../api-error.ts';
import type {Violation} from '../texts/text-set.ts';

/** Collects every violation, and keeps the schemas' values for the texts. Bodies are never changed. */
const ajv = new Ajv({allErrors: true, verbose: true, allowUnionTypes: true, strict: true, strictRequired: false, strictTuples: false});

/** Returns the body, typed. @throws ApiError `invalid` with the texts of all violations. */
export type BodyCheck<T> = (body: unknown) => T;

/** A check that can tell what it checks: the OpenAPI document shows it. */
export type SchemaCheck<T> = BodyCheck<T> & {readonly schema: BodySchema};

/** A schema of a request body: an object whose members are checked one by one. */
export interface BodySchema extends JsonSchema {
  readonly type: 'object';
  readonly required?: readonly string[];
  readonly properties: Readonly<Record<string, JsonSchema>>;
}

/** How violations are told where no version of SkyDriver has words for them. */
export type TellViolations = (violations: readonly Violation[]) => Error;

/** Compiles the check of one kind of body; `more` checks what no schema can say. Done once, when the module is loaded. */
export function bodyCheck<T>(schema: BodySchema, more?: (body: T) => void, tell?: TellViolations): SchemaCheck<T> {
  const validate: ValidateFunction = ajv.compile(schema);
  const members = Object.keys(schema.properties);
  const check = (body: unknown): T => {
    if (validate(body)) {
      more?.(body as T);
      return body as T;
    }
    const violations = violationsOf(schema, validate.errors ?? []);
    throw tell?.(violations) ?? new WordedError('invalid', (texts) => texts.body(violations, members));
  };
  return Object.assign(check, {schema});
}

/** A violation with its place in SkyDriver's order: what is too much, what is missing, then each property in the schema's order. */
interface Ranked {
  readonly rank: readonly [group: number, property: number, keyword: number];
  readonly violation: Violation;
}

/** Violations of the branches of `oneOf` and `anyOf` are not told: only that no branch matched. */
const INSIDE_BRANCH = /\/(?:oneOf|anyOf)\/\d+/;

function violationsOf(schema: BodySchema, errors: readonly ErrorObject[]): Violation[] {
  const members = Object.keys(schema.properties);
  const additional = new Map<string, string[]>();
  const found: Ranked[] = [];
  for (const error of errors) {
    if (INSIDE_BRANCH.test(error.schemaPath) || error.keyword === 'propertyNames') continue; // The name's own violation is told, on the parent.
    const isTop = error.instancePath === '';
    const path = isTop ? [] : error.instancePath.slice(1).split('/').map(decodePointer);
    const names: string[] = [];
    const violation: Violation = {
      path,
      keyword: error.keyword,
      expected: error.schema,
      schema: error.parentSchema ?? {},
      given: error.data,
      names,
    };
    let rank: Ranked['rank'] = isTop ? [2, -1, 0] : rankOf(members, schema, path[0] as string, error);
    if (error.keyword === 'additionalProperties') {
      const name = String(error.params['additionalProperty']);
      const known = additional.get(error.instancePath);
      known?.push(name);
      if (known !== undefined) continue;
      additional.set(error.instancePath, names);
      names.push(name);
      rank = isTop ? [0, 0, 0] : [2, members.length, 0];
    } else if (error.keyword === 'required') {
      const name = String(error.params['missingProperty']);
      names.push(name);
      if (isTop) rank = [1, (schema.required ?? []).indexOf(name), 0];
    }
    found.push({rank, violation});
  }
  found.sort((a, b) => a.rank[0] - b.rank[0] || a.rank[1] - b.rank[1] || a.rank[2] - b.rank[2]);
  return found.map(({violation}) => violation);
}

function rankOf(members: readonly string[], schema: BodySchema, top: string, error: ErrorObject): Ranked['rank'] {
  // schemaPath is `#/properties/<name>/<keyword>…`.
  const keyword = error.schemaPath.split('/')[3] ?? '';
  return [2, members.indexOf(top), Object.keys(schema.properties[top] ?? {}).indexOf(keyword)];
}

function decodePointer(part: string): string {
  return part.replaceAll('~1', '/').replaceAll('~0', '~');
}
