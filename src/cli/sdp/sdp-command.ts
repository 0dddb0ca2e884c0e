import {systemClock} from '../../lib/clock.ts';
import {asProcess} from '../as-process.ts';
import {runSdpCli} from './run.ts';

/** `scanplane sdp …` as this process. @returns the exit code */
export function sdpCommand(argv: readonly string[]): Promise<number> {
  return asProcess((interrupt) =>
    runSdpCli(argv, {input: process.stdin, out: process.stdout, err: process.stderr, env: process.env, clock: systemClock, interrupt}),
  );
}
