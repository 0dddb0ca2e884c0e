const NAMES: Readonly<Record<string, string>> = {
  number: 'float',
  integer: 'int',
  boolean: 'bool',
  array: 'list',
  object: 'dict',
  string: 'str',
  null: 'NoneType',
};

/** Python's name of a JSON schema type. */
export const pythonTypeName = (type: string): string => NAMES[type] ?? type;

/** Python's name of a JSON value's type. */
export function pythonType(value: unknown): string {
  if (value === null) return 'NoneType';
  if (Array.isArray(value)) return 'list';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float';
  return pythonTypeName(typeof value);
}
