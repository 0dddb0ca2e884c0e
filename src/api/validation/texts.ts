/**
 * The texts of SkyDriver's request checks, one per JSON schema keyword. Clients and tests compare them byte for byte.
 *
 * @see SkyDriver 2.x, OpenAPI request validation
 */

/** A string as Python's `repr` shows it. */
export function pythonRepr(text: string): string {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  let inner = '';
  for (const char of text) {
    if (char === '\\') inner += '\\\\';
    else if (char === quote) inner += `\\${quote}`;
    else if (char === '\n') inner += '\\n';
    else if (char === '\r') inner += '\\r';
    else if (char === '\t') inner += '\\t';
    else inner += char;
  }
  return `${quote}${inner}${quote}`;
}

export const requiredText = (name: string): string => `${pythonRepr(name)} is a required property`;

export function additionalText(names: readonly string[]): string {
  const sorted = [...names].sort().map(pythonRepr).join(', ');
  return `Additional properties are not allowed (${sorted} ${names.length === 1 ? 'was' : 'were'} unexpected)`;
}

const PYTHON_TYPES: Readonly<Record<string, string>> = {
  number: ' (float or int)',
  integer: ' (int)',
  boolean: ' (bool)',
  array: ' (list)',
  object: ' (dict)',
  null: ' (None)',
};

/** What a keyword demands. `value` is the keyword's value in the schema; unknown keywords get the general text. */
export function keywordText(keyword: string, value: unknown): string {
  switch (keyword) {
    case 'type': {
      const types = Array.isArray(value) ? (value as string[]) : [String(value)];
      return `must be type ${types.map((type) => `'${type}'${PYTHON_TYPES[type] ?? ''}`).join(' or ')}`;
    }
    case 'pattern':
      return `must match the pattern ${pythonRepr(String(value))}`;
    case 'minLength':
      return `must be at least ${String(value)} characters long`;
    case 'maxLength':
      return `must be no more than ${String(value)} characters long`;
    case 'minimum':
      return `must be at least ${String(value)}`;
    case 'maximum':
      return `must be no more than ${String(value)}`;
    case 'enum':
      return `must be one of: ${(value as unknown[]).map((each) => (typeof each === 'string' ? pythonRepr(each) : String(each))).join(', ')}`;
    case 'oneOf':
    case 'anyOf':
      return 'must match one of the accepted types';
    case 'minItems':
      return `must have at least ${String(value)} items`;
    case 'maxItems':
      return `must have no more than ${String(value)} items`;
    case 'minProperties':
      return `must have at least ${String(value)} entries`;
    case 'maxProperties':
      return `must have no more than ${String(value)} entries`;
    case 'uniqueItems':
      return 'items must be unique';
    default:
      return `failed '${keyword}' constraint`;
  }
}
