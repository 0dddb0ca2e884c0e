import {ControlPlaneError} from '../lib/errors.ts';
import type {Parser} from './validate.ts';

/**
 * The parser of a value that says its own id: newer programs call the member `key`, and an id that is not the key's own is damage.
 *
 * @throws ControlPlaneError `invalid`, as the parser does, and for another's id.
 */
export function namedAs<T extends object>(member: string, parse: Parser<T>): Parser<T> {
  return (text, key) => {
    const value = parse(renamed(text, member), key);
    const said = (value as Readonly<Record<string, unknown>>)[member];
    const id = key.slice(key.lastIndexOf('/') + 1);
    if (said !== id) throw new ControlPlaneError('invalid', `${member} is ${JSON.stringify(said)}, but the key says ${id}`, {key});
    return value;
  };
}

/** `key` in the place of the member, where only that is there. Anything odd is left to the parser. */
function renamed(text: string, member: string): string {
  if (!text.includes('"key"')) return text;
  try {
    const {key, ...rest} = JSON.parse(text) as Readonly<Record<string, unknown>>;
    return key === undefined || member in rest ? text : JSON.stringify({[member]: key, ...rest});
  } catch {
    return text;
  }
}
