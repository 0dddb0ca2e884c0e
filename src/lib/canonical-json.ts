/**
 * The one text form of a stored value: keys sorted at every level, two-space indent, non-ASCII written literally, no trailing newline.
 *
 * Equal values are therefore equal bytes, and `etcdctl get` shows them readably. Members that are `undefined` are left out.
 * @see the SKA SDP configuration database, which stores its values this way.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value), null, 2);
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (value === null || typeof value !== 'object') return value;
  const source = value as Record<string, unknown>;
  const target: Record<string, unknown> = {};
  for (const key of Object.keys(source).sort()) target[key] = sorted(source[key]);
  return target;
}
