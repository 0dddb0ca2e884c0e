import {keywordText, pythonRepr} from '../validation/texts.ts';
import {pythonType, pythonTypeName} from './python-types.ts';
import type {TextSet, Violation} from './text-set.ts';
import {v2Main} from './v2-main.ts';

const NOT_JSON = 'requests body is not JSON-encoded';
const NOT_A_DICT = "JSON-encoded requests body must be a 'dict'";

/** What is wrong with one argument. Members inside one are told as the data classes of that time told them. */
function argumentProblem({path, keyword, expected, schema, given, names}: Violation): string {
  const inside = path.slice(1);
  if (keyword === 'required') return `missing value for field "${[...inside, ...names].join('.')}"`;
  if (keyword === 'type' && inside.length > 0) {
    const types = Array.isArray(expected) ? (expected as string[]) : [String(expected)];
    const value = typeof given === 'string' ? given : JSON.stringify(given);
    const should = types.map(pythonTypeName).join(' | ');
    return `wrong value type for field "${inside.join('.')}" - should be "${should}" instead of value "${value}" of type "${pythonType(given)}"`;
  }
  if (keyword === 'type' && expected === 'object') {
    const [first] = (schema['required'] ?? []) as string[];
    return first === undefined ? 'arg must be a dict' : `missing value for field "${first}"`;
  }
  if (keyword === 'anyOf') return branchProblem(expected as readonly Violation['schema'][], given);
  if (keyword === 'type') return 'invalid type';
  if (keyword === 'enum') {
    const choices = (expected as unknown[]).map((each) => (typeof each === 'string' ? pythonRepr(each) : String(each))).join(', ');
    return `invalid choice: ${typeof given === 'string' ? pythonRepr(given) : String(given)} (choose from ${choices})`;
  }
  return keywordText(keyword, expected);
}

/** Where null may stand for a data class, what is told is about the data class. */
function branchProblem([branch = {}]: readonly Violation['schema'][], given: unknown): string {
  const required = (branch['type'] === 'object' ? (branch['required'] ?? []) : []) as string[];
  const has = (name: string): boolean => typeof given === 'object' && given !== null && Object.hasOwn(given, name);
  const missing = required.find((name) => !has(name));
  return missing === undefined ? 'invalid type' : `missing value for field "${missing}"`;
}

/** As Python's argparse does it: the first argument that is wrong, else all that are missing, else all that nobody knows. */
function bodyText(violations: readonly Violation[]): string {
  const wrong = violations.find(({path}) => path.length > 0);
  if (wrong !== undefined) return `argument ${wrong.path[0]}: ${argumentProblem(wrong)}`;
  const missing = violations.filter(({keyword}) => keyword === 'required').flatMap(({names}) => names);
  if (missing.length > 0) return `the following arguments are required: ${missing.join(', ')}`;
  const unknown = violations.filter(({keyword}) => keyword === 'additionalProperties').flatMap(({names}) => names);
  return unknown.length > 0 ? `unrecognized arguments: ${unknown.join(', ')}` : NOT_A_DICT;
}

/** SkyDriver 1. @see SkyDriver 1.3, argument handler */
export const v1: TextSet = {
  body: bodyText,
  argument: (name, problem) => `argument ${name}: ${problem}`,
  query: (name) => `argument ${name}: invalid type`,
  unknownQuery: (names) => (names.length === 0 ? undefined : `unrecognized arguments: ${names.join(', ')}`),
  missing: v2Main.missing,
  noBody: NOT_JSON,
  notJson: () => NOT_JSON,
  twoNames: () => undefined,
  allowsMarkup: false,
};
