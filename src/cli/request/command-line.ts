import {parseArgs} from 'node:util';
import {ControlPlaneError} from '../../lib/errors.ts';

/** The flags that take a value, as they are typed; each goes wherever on the line. */
export const VALUE_FLAGS = ['addr', 'config', 'env', 'timeout', 'token-file'] as const;
export type ValueFlag = (typeof VALUE_FLAGS)[number];

/** What was typed. */
export interface CommandLine {
  readonly flags: Readonly<Partial<Record<ValueFlag, string>>>;
  readonly isDebug: boolean;
  readonly isHelp: boolean;
  readonly isVersion: boolean;
  readonly isFollow: boolean;
  /** Absent: none was given. */
  readonly command?: string;
  /** What follows the command. */
  readonly args: readonly string[];
}

/** Reads the words after `scanplane request`. @throws ControlPlaneError `invalid`, naming the flag. */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const text = {type: 'string'} as const;
  const yes = {type: 'boolean'} as const;
  const options = {
    addr: text,
    config: text,
    env: text,
    timeout: text,
    'token-file': text,
    debug: yes,
    help: {...yes, short: 'h'},
    version: yes,
    follow: {...yes, short: 'f'},
  } as const;
  let parsed;
  try {
    parsed = parseArgs({args: [...argv], options, allowPositionals: true, strict: true});
  } catch (err) {
    // Node goes on to explain how to give an argument that looks like a flag.
    throw new ControlPlaneError('invalid', (err as Error).message.split('. ')[0] as string, {cause: err});
  }
  const {values, positionals} = parsed;
  const [command, ...args] = positionals;
  const flags: Partial<Record<ValueFlag, string>> = {};
  for (const flag of VALUE_FLAGS) if (values[flag] !== undefined) flags[flag] = values[flag];
  return {
    flags,
    isDebug: values.debug === true,
    isHelp: values.help === true,
    isVersion: values.version === true,
    isFollow: values.follow === true,
    ...(command === undefined ? {} : {command}),
    args,
  };
}
