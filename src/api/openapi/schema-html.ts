import type {JsonSchema} from '../../schema/validate.ts';
import {SCHEMAS_POINTER} from './dialect.ts';
import {html, prose} from './html.ts';
import type {Html} from './html.ts';

/** A schema as people read it: what it is in a line, and the members of an object as a table. */
export function schemaHtml(schema: JsonSchema): Html {
  const members = membersHtml(schema);
  const description = schema['description'];
  return html`<div class="schema">${lineHtml(schema)}${typeof description === 'string' ? html`<p>${prose(description)}</p>` : ''}${members}</div>`;
}

function membersHtml(schema: JsonSchema): Html | '' {
  const {items, anyOf} = schema;
  // What has a name is shown under its name; the rest where it stands.
  if (isSchema(items)) return membersHtml(items);
  if (Array.isArray(anyOf)) return html`${(anyOf as readonly JsonSchema[]).map(membersHtml).filter((each) => each !== '')}`;
  const properties = Object.entries((schema['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>);
  if (properties.length === 0) return '';
  const required = new Set(schema['required'] as readonly string[] | undefined);
  const rows = properties.map(([name, property]) => {
    const description = property['description'];
    const note = typeof description === 'string' ? html`<p>${prose(description)}</p>` : '';
    return html`<tr>
      <td><code>${name}</code>${required.has(name) ? html`<b title="required">*</b>` : ''}</td>
      <td>${lineHtml(property)}${note}${membersHtml(property)}</td>
    </tr>`;
  });
  return html`<table>
    ${rows}
  </table>`;
}

/** Keywords that limit a value, and the words for them. */
const LIMITS: Readonly<Record<string, (value: unknown) => string>> = {
  minimum: (value) => `≥ ${String(value)}`,
  maximum: (value) => `≤ ${String(value)}`,
  minLength: (value) => `at least ${String(value)} characters`,
  maxLength: (value) => `at most ${String(value)} characters`,
  minItems: (value) => `at least ${String(value)} items`,
  maxItems: (value) => `at most ${String(value)} items`,
  minProperties: (value) => `at least ${String(value)} members`,
  maxProperties: (value) => `at most ${String(value)} members`,
  uniqueItems: () => 'each once',
  pattern: (value) => `matches ${String(value)}`,
  default: (value) => `default ${JSON.stringify(value)}`,
};

/** What a schema allows, in one line. */
function lineHtml(schema: JsonSchema): Html {
  const limits = Object.entries(LIMITS).flatMap(([keyword, words]) => (Object.hasOwn(schema, keyword) ? [words(schema[keyword])] : []));
  const names = schema['propertyNames'] as {readonly maxLength?: number} | undefined;
  if (names?.maxLength !== undefined) limits.push(`names of at most ${names.maxLength} characters`);
  return html`${kindHtml(schema)}${limits.length === 0 ? '' : html` <small>${limits.join(', ')}</small>`}`;
}

function kindHtml(schema: JsonSchema): Html {
  const {$ref, anyOf, prefixItems, items, additionalProperties, type} = schema;
  if (typeof $ref === 'string') {
    const name = $ref.slice(SCHEMAS_POINTER.length);
    return html`<a href="#schema-${name}">${name}</a>`;
  }
  if (Array.isArray(anyOf)) return joined(anyOf.map(lineHtml), ' or ');
  if (Array.isArray(schema['enum'])) {
    const values = (schema['enum'] as unknown[]).map((value) => html`<code>${JSON.stringify(value)}</code>`);
    return joined(values, ' or ');
  }
  if (Object.hasOwn(schema, 'const')) return html`<code>${JSON.stringify(schema['const'])}</code>`;
  if (Array.isArray(prefixItems)) return html`[${joined(prefixItems.map(lineHtml), ', ')}]`;
  if (type === 'array' && isSchema(items)) return html`array of (${lineHtml(items)})`;
  if (type === 'object' && isSchema(additionalProperties)) return html`object of (${lineHtml(additionalProperties)})`;
  if (Array.isArray(type)) return html`${type.join(' or ')}`;
  return html`${typeof type === 'string' ? type : 'any value'}`;
}

function joined(parts: readonly Html[], separator: string): Html {
  return html`${parts.map((part, i) => (i === 0 ? part : html`${separator}${part}`))}`;
}

function isSchema(value: unknown): value is JsonSchema {
  return typeof value === 'object' && value !== null;
}
