import {keywordText, pythonRepr} from '../validation/texts.ts';
import {pythonType, pythonTypeName} from './python-types.ts';
import type {TextSet, Violation} from './text-set.ts';
import {v1} from './v1.ts';

function problem({path, keyword, expected, given, names}: Violation): string {
  if (keyword === 'required' && path.length === 0) return '(MissingArgumentError) required argument is missing';
  if (keyword === 'required') return `(ValueError) missing value for field "${[...path.slice(1), ...names].join('.')}"`;
  if (keyword === 'type' && expected === 'integer' && typeof given === 'string') {
    return `(ValueError) invalid literal for int() with base 10: ${pythonRepr(given)}`;
  }
  if (keyword === 'type') {
    const types = Array.isArray(expected) ? (expected as string[]) : [String(expected)];
    return `(ValueError) type mismatch: '${types.map(pythonTypeName).join(' | ')}' (value is '<class '${pythonType(given)}'>')`;
  }
  return `(ValueError) ${keywordText(keyword, expected)}`;
}

/** Arguments are looked at one by one: the first that is missing or wrong is told, and no other. */
function bodyText(violations: readonly Violation[], members: readonly string[]): string {
  const nameOf = ({path, names}: Violation): string => path[0] ?? names[0] ?? '';
  const rank = (violation: Violation): number => members.indexOf(nameOf(violation));
  const [first] = violations.toSorted((a, b) => rank(a) - rank(b)) as [Violation];
  const isArgument = members.includes(nameOf(first));
  return isArgument ? `\`${nameOf(first)}\`: ${problem(first)}` : v1.body(violations, members);
}

/** SkyDriver 0. @see SkyDriver 0.0.73, argument handler */
export const v0: TextSet = {
  ...v1,
  body: bodyText,
  argument: (name, text) => `\`${name}\`: (ValueError) ${text}`,
  query: (name) => `\`${name}\`: (ValueError) type mismatch: 'bool'`,
  unknownQuery: () => undefined,
  missing: () => 'Not Found',
  allowsMarkup: true,
};
