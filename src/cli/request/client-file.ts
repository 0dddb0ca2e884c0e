import {readFileSync} from 'node:fs';
import {parse} from 'yaml';
import {ControlPlaneError, reasonOf} from '../../lib/errors.ts';

/** What of a client's config file is looked at. */
export interface ClientFile {
  readonly addr?: string;
  readonly timeout?: unknown;
}

/**
 * Reads `addr` and `timeout` from a YAML file. One that is not there, or that this user may not read, counts as empty: `note` is told why.
 *
 * @throws ControlPlaneError `invalid`: it was read, and is not what it should be
 */
export function readClientFile(file: string, note: (text: string) => void): ClientFile {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (err) {
    note(`config file ${file} skipped: ${reasonOf(err)}`);
    return {};
  }
  let content: unknown;
  try {
    content = parse(text, {maxAliasCount: 10, logLevel: 'error'});
  } catch (err) {
    // Its first line names line and column; those below show the text, which may hold anything.
    throw new ControlPlaneError('invalid', `${file}: ${reasonOf(err).split('\n')[0]}`, {cause: err});
  }
  if (content === null || content === undefined) return {};
  if (typeof content !== 'object' || Array.isArray(content)) throw new ControlPlaneError('invalid', `${file}: not a mapping`);
  const {addr, timeout} = content as Readonly<Record<string, unknown>>;
  if (addr !== undefined && addr !== null && typeof addr !== 'string') throw new ControlPlaneError('invalid', `${file}: addr has to be a text`);
  return {...(typeof addr === 'string' ? {addr} : {}), ...(timeout === undefined || timeout === null ? {} : {timeout})};
}
