/**
 * The one text form of a stored value: keys sorted at every level, two-space indent, non-ASCII written literally, no trailing newline.
 *
 * Equal values are therefore equal bytes, and `etcdctl get` shows them readably. Members that are `undefined` are left out.
 * @see the SKA SDP configuration database, which stores its values this way.
 */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(sorted(value), null, 2);
}

/** The value with its keys in order at every level. What is in order already is not copied: the copies cost more than the text. */
function sorted(value: unknown): unknown {
  if (value === null || typeof value !== 'object') return value;
  return Array.isArray(value) ? sortedItems(value) : sortedMembers(value as Record<string, unknown>);
}

function sortedItems(source: readonly unknown[]): readonly unknown[] {
  let target: unknown[] | undefined;
  for (let i = 0; i < source.length; i++) {
    const item = sorted(source[i]);
    if (item !== source[i]) (target ??= [...source])[i] = item;
  }
  return target ?? source;
}

function sortedMembers(source: Readonly<Record<string, unknown>>): Readonly<Record<string, unknown>> {
  let target: Record<string, unknown> | undefined;
  let isInOrder = true;
  let previous = '';
  for (const key in source) {
    if (key < previous) isInOrder = false;
    previous = key;
    const member = sorted(source[key]);
    if (member !== source[key]) (target ??= {...source})[key] = member;
  }
  const members = target ?? source;
  if (isInOrder) return members;
  const ordered: Record<string, unknown> = {};
  for (const key of Object.keys(members).sort()) ordered[key] = members[key];
  return ordered;
}
