import {parseArgs} from 'node:util';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {SdpOptions} from './command.ts';

export interface SdpLine {
  readonly command: string | undefined;
  readonly args: readonly string[];
  readonly options: SdpOptions;
  readonly isHelp: boolean;
}

const flag = (short?: string): {type: 'boolean'; default: false; short?: string} => ({
  type: 'boolean',
  default: false,
  ...(short === undefined ? {} : {short}),
});

/** Options may stand anywhere; the first other word is the command. @throws ControlPlaneError `invalid`, naming the option */
export function parseLine(argv: readonly string[]): SdpLine {
  try {
    const {values, positionals} = parseArgs({
      args: [...argv],
      allowPositionals: true,
      options: {
        ...{quiet: flag('q'), values: flag('v'), all: flag('a'), yes: flag(), raw: flag(), sync: flag(), edit: flag(), help: flag('h')},
        ...{prefix: {type: 'string', default: ''}, eb: {type: 'string'}},
      },
    });
    const [command, ...args] = positionals;
    const {prefix, eb, help, ...others} = values;
    return {command, args, isHelp: help, options: {...others, eb, prefix: prefixOf(prefix)}};
  } catch (err) {
    throw new ControlPlaneError('invalid', (err as Error).message, {cause: err});
  }
}

function prefixOf(text: string): string {
  const prefix = text.replace(/\/+$/, '');
  if (prefix !== '' && !prefix.startsWith('/')) throw new Error('--prefix must begin with /');
  return prefix;
}
