import {homedir} from 'node:os';
import {systemClock} from '../../lib/clock.ts';
import {sleep} from '../../lib/sleep.ts';
import {runRequestCli} from './run.ts';

/** What shells say of a program that wrote to a pipe nobody reads. */
const PIPE_CODE = 141;

/** `scanplane request …` as this process. @returns the exit code */
export async function requestCommand(argv: readonly string[]): Promise<number> {
  const interrupt = new AbortController();
  // Once: a second Ctrl-C ends the process, whatever it is doing.
  process.once('SIGINT', () => interrupt.abort());
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (err: NodeJS.ErrnoException) => process.exit(err.code === 'EPIPE' ? PIPE_CODE : 1));
  }
  try {
    return await runRequestCli(argv, {
      input: process.stdin,
      out: process.stdout,
      err: process.stderr,
      env: process.env,
      home: homedir(),
      clock: systemClock,
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      sleep,
      interrupt: interrupt.signal,
    });
  } finally {
    process.stdin.destroy(); // One that is being waited for would keep the process alive.
  }
}
