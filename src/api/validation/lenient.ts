import {bodyCheck} from './body-check.ts';
import type {BodyCheck, BodySchema} from './body-check.ts';
import {parseBoolean} from './query.ts';

/**
 * A check that takes what the argument handlers of versions 1 and 0 took: numbers and truth values written as text, fractions as integers (cut off),
 * and null for an argument that need not be given. The body that it returns has the right types.
 */
export function lenientCheck<T>(schema: BodySchema): BodyCheck<T> {
  const check = bodyCheck<T>(schema);
  const required = new Set(schema.required);
  return (body) => {
    if (typeof body !== 'object' || body === null || Array.isArray(body)) return check(body);
    const cast: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(body)) {
      if (value === null && !required.has(name)) continue;
      cast[name] = castTo(schema.properties[name]?.['type'], value);
    }
    return check(cast);
  };
}

/** The value as one of the type where it can be read so, else as it is. */
function castTo(type: unknown, value: unknown): unknown {
  switch (type) {
    case 'integer':
      if (typeof value === 'number') return Math.trunc(value);
      return typeof value === 'string' && /^\s*[+-]?\d+\s*$/.test(value) ? Number(value) : value;
    case 'number':
      return typeof value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?\s*$/i.test(value) ? Number(value) : value;
    case 'boolean':
      if (value === 0 || value === 1) return value === 1;
      return typeof value === 'string' ? (parseBoolean(value) ?? value) : value;
    default:
      return value;
  }
}
