import {PassThrough} from 'node:stream';
import {runRequestCli} from '../../src/cli/request/run.ts';
import type {RequestCliDeps} from '../../src/cli/request/run.ts';

/** The instant at which the command line is used in tests. */
export const NOW_MS = Date.parse('2021-03-04T06:00:00Z');

export interface CliRun {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export interface CliOptions extends Partial<RequestCliDeps> {
  /** What is typed, in one chunk; then the input ends. */
  readonly typed?: string;
}

/** A run of `scanplane request` whose output can be looked at while it goes on. */
export interface RunningCli {
  readonly done: Promise<CliRun>;
  out(): string;
  err(): string;
}

/** Begins `scanplane request` with nothing of this machine in it: no config file, no environment, a clock that stands still, times in UTC. */
export function beginCli(argv: readonly string[], {typed, ...deps}: CliOptions = {}): RunningCli {
  let [out, err] = ['', ''];
  const input = new PassThrough();
  input.end(typed ?? '');
  const done = runRequestCli(argv, {
    input,
    out: {write: (text) => void (out += text)},
    err: {write: (text) => void (err += text)},
    env: {},
    home: '/nonexistent',
    clock: {now: () => NOW_MS, monotonicMs: () => 0},
    timeZone: 'UTC',
    sleep: () => new Promise((resolve) => setImmediate(resolve)),
    interrupt: new AbortController().signal,
    ...deps,
  }).then((code) => ({code, out, err}));
  return {done, out: () => out, err: () => err};
}

export function runCli(argv: readonly string[], options?: CliOptions): Promise<CliRun> {
  return beginCli(argv, options).done;
}
