import type {CommandLine, ValueFlag} from './command-line.ts';
import {quote} from '../text.ts';

/** How this program is called. */
export const PROGRAM = 'scanplane request';

/** The flags that a later call needs too, in the order in which they are repeated. A token is only ever named by its file. */
const REPEATED: readonly ValueFlag[] = ['env', 'addr', 'config', 'timeout', 'token-file'];

/** A command line that can be pasted: this program, the flags that were typed, then `words`, which are quoted already. */
export function repeatable(flags: CommandLine['flags'], words: readonly string[]): string {
  const typed = REPEATED.flatMap((flag) => {
    const value = flags[flag];
    return value === undefined ? [] : [`--${flag} ${quote(value) || '""'}`];
  });
  return [PROGRAM, ...typed, ...words].join(' ');
}
