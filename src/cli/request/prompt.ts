import {ControlPlaneError} from '../../lib/errors.ts';
import type {Context} from './command.ts';
import {unlessInterrupted} from './interrupt.ts';

/**
 * Shows `question` and waits for a line.
 *
 * @throws Interrupted on Ctrl-C
 * @throws ControlPlaneError `invalid`: the input ended; asking again could go on for ever
 */
export async function ask(context: Context, question: string): Promise<string> {
  context.out.write(question);
  try {
    const answer = await unlessInterrupted(context.lines.next(), context.interrupt);
    if (answer === undefined) throw new ControlPlaneError('invalid', 'The input ended before everything was answered; nothing was started');
    return answer;
  } catch (err) {
    context.out.write('\n'); // The cursor stands behind the question.
    throw err;
  }
}
