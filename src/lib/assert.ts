/** Throws when `condition` is false: a bug of ours, never bad input. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`assertion failed: ${message}`);
}

/** `value`, which cannot be absent here. */
export function must<T>(value: T | undefined | null, message: string): T {
  if (value === undefined || value === null) throw new Error(`assertion failed: ${message}`);
  return value;
}

/** Ends a switch over a union: a new member makes the compiler point here. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${JSON.stringify(value)}`);
}
