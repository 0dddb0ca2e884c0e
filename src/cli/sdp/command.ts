import type {ConfigDatabase} from '../../client/index.ts';
import type {Clock} from '../../lib/clock.ts';
import type {Questioner} from '../prompt.ts';
import {oneLine} from '../text.ts';
import type {Environment} from '../../client/options.ts';

/** What is written to: a stream, or what a test puts in its place. */
export interface Out {
  write(text: string): unknown;
}

/** Options, wherever they stand in the command line. */
export interface SdpOptions {
  readonly quiet: boolean;
  readonly values: boolean;
  readonly all: boolean;
  /** Before every key, without a slash at its end. */
  readonly prefix: string;
  readonly yes: boolean;
  readonly raw: boolean;
  readonly sync: boolean;
  readonly edit: boolean;
  /** What an execution block is made of, in YAML or JSON. */
  readonly eb: string | undefined;
}

/** What a command works with. */
export interface SdpContext extends Questioner {
  /** What follows the command's name. */
  readonly args: readonly string[];
  readonly options: SdpOptions;
  readonly db: ConfigDatabase;
  readonly out: Out;
  readonly err: Out;
  readonly env: Environment;
  readonly clock: Clock;
}

export interface SdpCommand {
  readonly name: string;
  /** What follows its name; one form a line. */
  readonly usage: readonly string[];
  readonly summary: string;
  run(context: SdpContext): Promise<void>;
}

/** A key as the user sees it: with what `--prefix` put before it, and on one line, whatever somebody has called it. */
export function shown({options}: Pick<SdpContext, 'options'>, key: string): string {
  return oneLine(options.prefix + key);
}

export function say({out}: Pick<SdpContext, 'out'>, line: string): void {
  out.write(`${line}\n`);
}

/** What is said only without `--quiet`. */
export function tell(context: Pick<SdpContext, 'out' | 'options'>, line: string): void {
  if (!context.options.quiet) say(context, line);
}
