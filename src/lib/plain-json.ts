/** How deeply a value may be nested: far below what recursion over it can take. */
export const MAX_DEPTH = 64;

/**
 * Reads JSON that somebody wrote whom nobody vouches for.
 *
 * @throws Error that says what is wrong, without the text: no JSON, nested too deeply, or a member `__proto__`, which some ways of copying take for the
 * prototype.
 */
export function parsePlainJson(text: string): unknown {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Error('it is not JSON');
  }
  const problem = plainProblem(value);
  if (problem !== undefined) throw new Error(problem);
  return value;
}

/** Whether a value is a JSON object. */
export function isJsonObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/**
 * What keeps a value from being JSON that survives a round trip as it is, with the place; `undefined` when nothing does.
 *
 * @param hasBigints whether it was read so that large whole numbers are bigints, and will be written so
 */
export function plainProblem(value: unknown, hasBigints = false): string | undefined {
  const open: {readonly value: unknown; readonly path: string; readonly depth: number}[] = [{value, path: '', depth: 0}];
  for (let item = open.pop(); item !== undefined; item = open.pop()) {
    const {path, depth} = item;
    const problem = hasBigints && typeof item.value === 'bigint' ? undefined : shallowProblem(item.value);
    if (problem !== undefined) return path === '' ? problem : `${path} ${problem.replace(/^it /, '')}`;
    if (typeof item.value !== 'object' || item.value === null) continue;
    // A value that contains itself ends here as well.
    if (depth === MAX_DEPTH) return `it is nested more than ${MAX_DEPTH} levels deep`;
    for (const [key, member] of Object.entries(item.value)) {
      if (key === '__proto__') return `${path === '' ? 'it' : path} has a member __proto__`;
      open.push({value: member, path: path === '' ? key : `${path}.${key}`, depth: depth + 1});
    }
  }
  return undefined;
}

function shallowProblem(value: unknown): string | undefined {
  switch (typeof value) {
    case 'string':
    case 'boolean':
      return undefined;
    case 'number':
      return Number.isFinite(value) ? undefined : `it is ${value}, which JSON cannot say`;
    case 'object': {
      if (value === null || Array.isArray(value)) return undefined;
      const prototype: unknown = Object.getPrototypeOf(value);
      // A plain object of another realm has a prototype of its own without a further one.
      const isPlain = prototype === null || Object.getPrototypeOf(prototype) === null;
      return isPlain ? undefined : 'it is an object of a class, which JSON cannot say';
    }
    default:
      return `it is of type ${typeof value}, which JSON cannot say`;
  }
}
