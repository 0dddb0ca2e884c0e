import type {JsonSchema} from '../../schema/validate.ts';

/** Where the document keeps its named schemas. */
export const SCHEMAS_POINTER = '#/components/schemas/';

/**
 * Rewrites schemas from the dialect in which requests are checked (draft 7) to that of OpenAPI 3.1 (2020-12): the items of a tuple are `prefixItems`
 * there. An object that has a name becomes a reference to it.
 *
 * @see https://json-schema.org/draft/2020-12/release-notes
 */
export class Dialect {
  readonly #nameOf: ReadonlyMap<unknown, string>;

  constructor(named: Readonly<Record<string, JsonSchema>>) {
    this.#nameOf = new Map(Object.entries(named).map(([name, schema]) => [schema, name]));
  }

  /** A schema where it is used. */
  use(schema: JsonSchema): JsonSchema {
    const name = this.#nameOf.get(schema);
    return name === undefined ? this.define(schema) : {$ref: SCHEMAS_POINTER + name};
  }

  /** A schema where it gets its name. */
  define(schema: JsonSchema): JsonSchema {
    const rewritten: Record<string, unknown> = {};
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === 'items' && Array.isArray(value)) {
        rewritten['prefixItems'] = this.#rewrite(value);
        rewritten['items'] = false;
      } else if (keyword === 'properties') {
        const properties = Object.entries(value as Readonly<Record<string, JsonSchema>>);
        rewritten[keyword] = Object.fromEntries(properties.map(([name, property]) => [name, this.use(property)]));
      } else rewritten[keyword] = this.#rewrite(value);
    }
    return rewritten;
  }

  #rewrite(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((each) => this.#rewrite(each));
    return typeof value === 'object' && value !== null ? this.use(value as JsonSchema) : value;
  }
}
