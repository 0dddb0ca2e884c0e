import {parseArgs} from 'node:util';
import {ControlPlaneError} from '../../lib/errors.ts';

export const LINT_USAGE = `scanplane lint [DIR]

Checks the specs below DIR (the current directory unless told): every *.yaml.

  -s, --strict         warnings count as errors
  --warnings=BOOL      show warnings (default true)
  --color=BOOL         colour the output (default: on a terminal)
  --sequences=A,B      show these sequences only, besides what concerns whole files

Exit code 0: no errors (with --strict: nor warnings), shown or not; 1: errors, no specs, or no such sequence; 2: wrong options.
`;

/** What `scanplane lint` was asked for. `color` is absent when it depends on where the output goes. */
export interface LintOptions {
  readonly directory: string;
  readonly isStrict: boolean;
  readonly showsWarnings: boolean;
  readonly color?: boolean;
  /** Absent: all. */
  readonly sequences?: readonly string[];
}

/** Reads the command line after `lint`. `undefined` when help was asked for. @throws ControlPlaneError `invalid`, naming the option. */
export function readLintArguments(argv: readonly string[]): LintOptions | undefined {
  // A flag without a value means true, and never takes the next word for its value, which may be the directory.
  const args = argv.map((word) => (word === '-s' ? '--strict=true' : /^--(strict|warnings|color)$/.test(word) ? `${word}=true` : word));
  const {values, positionals} = parse(args);
  if (values.help === true) return undefined;
  if (positionals.length > 1) throw new ControlPlaneError('invalid', `one directory at a time, not ${positionals.length}`);
  const color = flag('color', values.color);
  const sequences = values.sequences?.flatMap((text) => text.split(',')).filter((name) => name !== '');
  return {
    directory: positionals[0] ?? '.',
    isStrict: flag('strict', values.strict) ?? false,
    showsWarnings: flag('warnings', values.warnings) ?? true,
    ...(color === undefined ? {} : {color}),
    ...(sequences === undefined || sequences.length === 0 ? {} : {sequences}),
  };
}

function parse(args: string[]) {
  const options = {
    help: {type: 'boolean', short: 'h'},
    strict: {type: 'string'},
    warnings: {type: 'string'},
    color: {type: 'string'},
    sequences: {type: 'string', multiple: true},
  } as const;
  try {
    return parseArgs({args, options, allowPositionals: true, strict: true});
  } catch (err) {
    throw new ControlPlaneError('invalid', (err as Error).message, {cause: err});
  }
}

function flag(name: string, text: string | undefined): boolean | undefined {
  if (text === undefined) return undefined;
  if (/^(true|t|1)$/i.test(text)) return true;
  if (/^(false|f|0)$/i.test(text)) return false;
  throw new ControlPlaneError('invalid', `--${name} must be true or false`);
}
