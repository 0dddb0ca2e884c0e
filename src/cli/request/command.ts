import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {RequestApi} from './request-api.ts';
import type {CommandLine} from './command-line.ts';
import {PROGRAM} from './echo.ts';
import type {LineInput} from '../line-input.ts';
import type {Options} from './options.ts';

/** What is written to: a stream, or what a test puts in its place. */
export interface Out {
  write(text: string): unknown;
  readonly isTTY?: boolean;
}

/** What a result is shown by: now, in milliseconds since 1970, and the zone of the one who looks. */
export interface View {
  readonly nowMs: number;
  readonly timeZone: string;
  /** Whether a terminal will read what is written, and obey it. */
  readonly isTerminal: boolean;
}

/** What a command works with. */
export interface Context {
  readonly line: CommandLine;
  readonly options: Options;
  readonly api: RequestApi;
  readonly lines: LineInput;
  readonly out: Out;
  readonly err: Out;
  readonly clock: Clock;
  readonly timeZone: string;
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>;
  /** Aborted by Ctrl-C. */
  readonly interrupt: AbortSignal;
  readonly commands: readonly Command[];
  /** Takes a command's result instead of showing it. @returns the exit code */
  readonly takeResult?: (command: string, result: unknown) => number | Promise<number>;
}

export interface Command {
  readonly name: string;
  /** What follows its name. */
  readonly usage: string;
  readonly summary: string;
  /** More for `help`; lines, each ended. */
  readonly details?: string;
  /** @returns the exit code */
  run(context: Context): Promise<number>;
}

/** A command that asks, then shows: `show` is pure, and programs that wrap this one may take the result themselves. */
export interface ResultCommand<R> {
  readonly name: string;
  readonly usage: string;
  readonly summary: string;
  readonly details?: string;
  query(context: Context): Promise<R>;
  show(result: R, view: View): string;
  /** Absent: 0. */
  exitCode?(result: R): number;
}

export function resultCommand<R>(command: ResultCommand<R>): Command {
  return {
    name: command.name,
    usage: command.usage,
    summary: command.summary,
    ...(command.details === undefined ? {} : {details: command.details}),
    run: async (context) => {
      const result = await command.query(context);
      if (context.takeResult !== undefined) return context.takeResult(command.name, result);
      context.out.write(command.show(result, viewOf(context)));
      return command.exitCode?.(result) ?? 0;
    },
  };
}

export function viewOf({clock, timeZone, out}: Context): View {
  return {nowMs: clock.now(), timeZone, isTerminal: out.isTTY === true};
}

/** What an id may look like: those of the server, and those that operators choose. A path must not lead elsewhere. */
const ID = /^(?!\.{1,2}$)[^/?#\\\p{Cc}\s]{1,256}$/u;

/** The one id that a command takes. @throws ControlPlaneError `invalid`, telling how it is used. */
export function onlyId(command: Pick<Command, 'name' | 'usage'>, args: readonly string[]): string {
  const [id] = args;
  if (id === undefined || args.length !== 1) throw new ControlPlaneError('invalid', usageOf(command));
  return checkedId(id);
}

export function checkedId(id: string): string {
  if (!ID.test(id)) throw new ControlPlaneError('invalid', `Not a request id: ${JSON.stringify(id)}`);
  return id;
}

export function usageOf({name, usage}: Pick<Command, 'name' | 'usage'>): string {
  return `Usage: ${`${PROGRAM} ${name} ${usage}`.trimEnd()}`;
}
