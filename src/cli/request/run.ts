import {reasonOf} from '../../lib/errors.ts';
import type {Clock} from '../../lib/clock.ts';
import {parseCommandLine} from './command-line.ts';
import type {CommandLine} from './command-line.ts';
import type {Command, Context, Out} from './command.ts';
import {COMMANDS} from './commands/index.ts';
import {help, list} from './commands/help.ts';
import {version} from './commands/version.ts';
import {PROGRAM} from './echo.ts';
import {Interrupted} from '../interrupt.ts';
import {LineInput} from '../line-input.ts';
import {resolveOptions} from './options.ts';
import type {Environment, Options} from './options.ts';
import {openRequestApi} from './request-api.ts';
import type {RequestApi} from './request-api.ts';
import {oneLine} from '../text.ts';

/** What the program has of the world. */
export interface RequestCliDeps {
  readonly input: AsyncIterable<Buffer | string>;
  readonly out: Out;
  readonly err: Out;
  readonly env: Environment;
  readonly home: string;
  readonly clock: Clock;
  /** IANA name of the zone in which times are shown. */
  readonly timeZone: string;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Aborted by Ctrl-C. */
  readonly interrupt: AbortSignal;
  /** What programs that wrap this one may put in the place of ours. */
  readonly hooks?: RequestCliHooks;
}

export interface RequestCliHooks {
  /** Changes the options after they were read. */
  readonly afterOptions?: (options: Options, line: CommandLine) => Options;
  /** Makes what speaks to the server. */
  readonly openApi?: (options: Options) => RequestApi;
  /** Further commands; one of a name that we have takes its place. */
  readonly commands?: readonly Command[];
  /** Takes a command's result instead of showing it. @returns the exit code */
  readonly takeResult?: (command: string, result: unknown) => number | Promise<number>;
}

/** What shells say of a program that Ctrl-C ended. */
const INTERRUPTED_CODE = 130;

/** `scanplane request …`: does what spinc does, and more. @returns the exit code: 0 done, 1 not, 130 Ctrl-C */
export async function runRequestCli(argv: readonly string[], deps: RequestCliDeps): Promise<number> {
  const {out, err, hooks = {}} = deps;
  let line: CommandLine;
  try {
    line = parseCommandLine(argv);
  } catch (error) {
    out.write(`${oneLine(reasonOf(error))}\n`); // As spinc does; everything else that goes wrong is told on standard error.
    return 1;
  }
  try {
    const commands = [...COMMANDS.filter(({name}) => !hooks.commands?.some((theirs) => theirs.name === name)), ...(hooks.commands ?? [])];
    const command = commandOf(line, commands);
    if (line.isFollow && command.name !== 'log' && command !== help) throw new Error('--follow goes with log only');
    const notes: string[] = [];
    const resolved = resolveOptions(line, deps.env, deps.home, (note) => notes.push(note));
    const options = hooks.afterOptions?.(resolved, line) ?? resolved;
    const trace = (text: string): void => {
      if (options.isDebug) err.write(`# ${oneLine(text)}\n`);
    };
    for (const note of notes) trace(note);
    trace(`addr ${options.addr}, timeout ${options.timeoutMs} ms, env ${options.env === '' ? '(none)' : options.env}`);
    const api = hooks.openApi?.(options) ?? openRequestApi(options, deps.interrupt, deps.clock, trace);
    const context: Context = {
      line,
      options,
      api,
      lines: new LineInput(deps.input),
      out,
      err,
      clock: deps.clock,
      timeZone: deps.timeZone,
      sleep: deps.sleep,
      interrupt: deps.interrupt,
      commands,
      ...(hooks.takeResult === undefined ? {} : {takeResult: hooks.takeResult}),
    };
    return await command.run(context);
  } catch (error) {
    if (error instanceof Interrupted || deps.interrupt.aborted) return INTERRUPTED_CODE;
    err.write(`${oneLine(reasonOf(error))}\n`);
    return 1;
  }
}

function commandOf(line: CommandLine, commands: readonly Command[]): Command {
  if (line.isHelp) return help;
  if (line.isVersion) return version;
  if (line.command === undefined) return list;
  const command = commands.find(({name}) => name === line.command);
  if (command === undefined) throw new Error(`Unknown command: ${line.command}. See ${PROGRAM} help`);
  return command;
}
