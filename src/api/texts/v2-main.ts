import {additionalText, keywordText, requiredText} from '../validation/texts.ts';
import type {TextSet, Violation} from './text-set.ts';

function violationText({path, keyword, expected, names}: Violation): string {
  if (keyword === 'required') return requiredText(names[0] as string);
  if (keyword === 'additionalProperties') return additionalText(names);
  const text = keywordText(keyword, expected);
  return path.length === 0 ? text : `'${path.join('.')}': ${text}`;
}

/** SkyDriver 2 at its newest. @see SkyDriver 2.x, OpenAPI request validation */
export const v2Main: TextSet = {
  body: (violations) => violations.map(violationText).join('; '),
  argument: (_name, problem) => problem,
  query: (name) => `Query parameter error: ${name}`,
  unknownQuery: () => undefined,
  missing: (collection) => (collection === 'ScanRequests' ? 'Scan request not found' : 'Not Found'),
  noBody: 'Missing required request body',
  notJson: (text) => `Request body validation error: Failed to deserialize value with application/json mimetype: ${text}`,
  twoNames: () => undefined,
  allowsMarkup: false,
};
