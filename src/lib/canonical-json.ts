/**
 * The one text form of a stored value: keys sorted at every level, two-space indent, non-ASCII written literally, no trailing newline.
 *
 * Equal values are therefore equal bytes, and `etcdctl get` shows them readably. Members that are `undefined` are left out.
 * @see the SKA SDP configuration database, which stores its values this way.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value), null, 2);
}

/** The value with its keys in order; itself where they are in order already, since most of the cost is in the copies. */
function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.every((item) => sorted(item) === item) ? value : value.map(sorted);
  const source = value as Record<string, unknown>;
  const keys = Object.keys(source);
  if (areInOrder(keys) && keys.every((key) => sorted(source[key]) === source[key])) return value;
  const target: Record<string, unknown> = {};
  for (const key of keys.sort()) target[key] = sorted(source[key]);
  return target;
}

function areInOrder(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if ((keys[i] as string) < (keys[i - 1] as string)) return false;
  return true;
}
