/** What TypeScript's own types do not know yet of the JSON of Node 22 and later. */
interface ExactJson {
  parse(text: string, reviver: (key: string, value: unknown, context: {readonly source?: string}) => unknown): unknown;
  rawJSON(text: string): object;
}
const JSON_ = JSON as unknown as ExactJson;

/** Up to 64 bits: what has more digits is nobody's integer, and making a bigint of megabytes of them is dear. */
const WHOLE = /^-?\d{1,20}$/;

/** JSON text of a value, in which a bigint is a number with all its digits. */
export function encodeJson(value: unknown): string {
  return JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? JSON_.rawJSON(String(member)) : member));
}

/**
 * A value from JSON text, in which a whole number of 20 digits at most that JavaScript's numbers cannot hold is a bigint; a decoder makes its members what their type says.
 * Nesting is bounded by what the program's stack holds.
 *
 * @throws SyntaxError when it is no JSON
 * @throws RangeError when it is nested too deep
 */
export function decodeJson(text: string): unknown {
  return JSON_.parse(text, (_, value, {source}) =>
    typeof value === 'number' && !Number.isSafeInteger(value) && source !== undefined && WHOLE.test(source) ? BigInt(source) : value,
  );
}
