import {ControlPlaneError} from '../../lib/errors.ts';

/** Reads `name=value` words, each split at its first `=`. @throws ControlPlaneError `invalid`: no `=`, no name, or a name given twice. */
export function parsePairs(words: readonly string[], where?: string): Map<string, string> {
  const pairs = new Map<string, string>();
  const prefix = where === undefined ? '' : `${where}: `;
  for (const word of words) {
    const at = word.indexOf('=');
    if (at <= 0) throw new ControlPlaneError('invalid', `${prefix}Not of the form name=value: ${JSON.stringify(word)}`);
    const name = word.slice(0, at);
    if (pairs.has(name)) throw new ControlPlaneError('invalid', `${prefix}${name} is given twice`);
    pairs.set(name, word.slice(at + 1));
  }
  return pairs;
}
