import {connect} from '../../client/index.ts';
import {databaseOptions} from '../../client/options.ts';
import type {Environment} from '../../client/options.ts';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError, reasonOf} from '../../lib/errors.ts';
import {Interrupted} from '../interrupt.ts';
import {LineInput} from '../line-input.ts';
import {oneLine} from '../text.ts';
import {say} from './command.ts';
import type {Out, SdpCommand} from './command.ts';
import {create} from './commands/create.ts';
import {remove} from './commands/delete.ts';
import {edit} from './commands/edit.ts';
import {end} from './commands/end.ts';
import {get, watch} from './commands/get.ts';
import {imports} from './commands/import.ts';
import {list} from './commands/list.ts';
import {update} from './commands/update.ts';
import {parseLine} from './line.ts';
import type {SdpLine} from './line.ts';

const COMMANDS: readonly SdpCommand[] = [list, get, watch, create, update, edit, remove, end, imports];

/** What the program has of the world. */
export interface SdpCliDeps {
  readonly input: AsyncIterable<Buffer | string>;
  readonly out: Out;
  readonly err: Out;
  readonly env: Environment;
  readonly clock: Clock;
  /** Aborted by Ctrl-C. */
  readonly interrupt: AbortSignal;
}

const USAGE_CODE = 2;
/** What shells say of a program that Ctrl-C ended. */
const INTERRUPTED_CODE = 130;

/** `scanplane sdp …`: what ska-sdp does. @returns the exit code: 0 done, 1 not, 2 the command line makes no sense, 130 Ctrl-C at a question */
export async function runSdpCli(argv: readonly string[], deps: SdpCliDeps): Promise<number> {
  const {out, err, env, clock, interrupt} = deps;
  let line: SdpLine;
  try {
    line = parseLine(argv);
  } catch (error) {
    err.write(`${oneLine(reasonOf(error))}\n`);
    return USAGE_CODE;
  }
  const {command: name, args, options} = line;
  if (line.isHelp || name === 'help' || name === undefined) {
    (name === undefined && !line.isHelp ? err : out).write(usage());
    return name === undefined && !line.isHelp ? USAGE_CODE : 0;
  }
  const command = COMMANDS.find((each) => each.name === name);
  if (command === undefined) {
    err.write(`Command '${oneLine(name)}' is not supported. See scanplane sdp help\n`);
    return USAGE_CODE;
  }
  try {
    await using db = connect({prefix: databaseOptions({}, env).prefix + options.prefix}, env);
    const context = {args, options, db, out, err, env, clock, interrupt, lines: new LineInput(deps.input)};
    await command.run(context);
    return 0;
  } catch (error) {
    if (error instanceof Interrupted) {
      say({out: err}, 'Aborted');
      return INTERRUPTED_CODE;
    }
    err.write(`${oneLine(withKey(error, options.prefix))}\n`);
    return 1;
  }
}

/** What went wrong, with the key that it is about. */
function withKey(error: unknown, prefix: string): string {
  const reason = reasonOf(error);
  const key = error instanceof ControlPlaneError ? error.key : undefined;
  return key === undefined || reason.includes(key) ? reason : `${prefix}${key}: ${reason}`;
}

function usage(): string {
  const rows = COMMANDS.map(({name, usage: forms, summary}) =>
    [`  ${name.padEnd(8)} ${summary}`, ...forms.map((form) => `             ${form}`)].join('\n'),
  );
  return `scanplane sdp COMMAND …

${rows.join('\n')}

  -q, --quiet     values or keys alone      -v, --values   list: with values
  --prefix PATH   before every key          --raw          values as they are given, unchecked

The database is that of SCANPLANE_ETCD_ENDPOINTS and what else docs/library.md names.
`;
}
