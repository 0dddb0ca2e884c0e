import {homedir} from 'node:os';
import {systemClock} from '../../lib/clock.ts';
import {sleep} from '../../lib/sleep.ts';
import {asProcess} from '../as-process.ts';
import {runRequestCli} from './run.ts';

/** `scanplane request …` as this process. @returns the exit code */
export function requestCommand(argv: readonly string[]): Promise<number> {
  return asProcess((interrupt) =>
    runRequestCli(argv, {
      input: process.stdin,
      out: process.stdout,
      err: process.stderr,
      env: process.env,
      home: homedir(),
      clock: systemClock,
      timeZone: Intl.DateTimeFormat().resolvedOptions().timeZone,
      sleep,
      interrupt,
    }),
  );
}
