import {parseArgs} from 'node:util';
import type {ParseArgsConfig} from 'node:util';
import {ControlPlaneError} from '../lib/errors.ts';

/** One option of a command, for parsing and for `--help`. */
export interface OptionHelp {
  readonly type: 'string' | 'boolean';
  readonly help: string;
  readonly default?: string;
}

export type Parsed = Readonly<Record<string, string | boolean | undefined>>;

/** Reads a command line. `undefined` when help was asked for (and has been printed). @throws ControlPlaneError `invalid`, naming the option. */
export function readArguments(usage: string, options: Readonly<Record<string, OptionHelp>>, argv: readonly string[]): Parsed | undefined {
  const config: NonNullable<ParseArgsConfig['options']> = {help: {type: 'boolean', short: 'h'}};
  for (const [name, {type}] of Object.entries(options)) config[name] = {type};
  let values: Parsed;
  try {
    values = parseArgs({args: [...argv], options: config, allowNegative: false, strict: true}).values as Parsed;
  } catch (err) {
    throw new ControlPlaneError('invalid', (err as Error).message, {cause: err});
  }
  if (values['help'] === true) {
    const rows = Object.entries(options).map(([name, option]) => {
      const flag = `--${name}${option.type === 'string' ? ' VALUE' : ''}`;
      return `  ${flag.padEnd(22)} ${option.help}${option.default === undefined ? '' : ` (default ${option.default})`}`;
    });
    process.stdout.write(`${usage}\n\n${rows.join('\n')}\n`);
    return undefined;
  }
  const defaults = Object.fromEntries(Object.entries(options).map(([name, option]) => [name, option.default]));
  return {...defaults, ...values};
}

/** A whole number of an option. @throws ControlPlaneError `invalid`. */
export function wholeNumber(values: Parsed, name: string, minimum: number): number {
  const number = Number(values[name]);
  if (!Number.isInteger(number) || number < minimum)
    throw new ControlPlaneError('invalid', `--${name} must be a whole number of at least ${minimum}`);
  return number;
}
