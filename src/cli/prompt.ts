import {ControlPlaneError} from '../lib/errors.ts';
import {unlessInterrupted} from './interrupt.ts';
import type {LineInput} from './line-input.ts';

/** What a question needs. */
export interface Questioner {
  readonly lines: LineInput;
  readonly out: {write(text: string): unknown};
  /** Aborted by Ctrl-C. */
  readonly interrupt: AbortSignal;
}

/**
 * Shows `question` and waits for a line.
 *
 * @param undone what then has not happened: `nothing was started`
 * @throws Interrupted on Ctrl-C
 * @throws ControlPlaneError `invalid`: the input ended; asking again could go on for ever
 */
export async function ask({lines, out, interrupt}: Questioner, question: string, undone: string): Promise<string> {
  out.write(question);
  try {
    const answer = await unlessInterrupted(lines.next(), interrupt);
    if (answer === undefined) throw new ControlPlaneError('invalid', `The input ended before everything was answered; ${undone}`);
    return answer;
  } catch (err) {
    out.write('\n'); // The cursor stands behind the question.
    throw err;
  }
}
