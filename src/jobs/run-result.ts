import {DATA_BYTES, outcomeOf} from '../schema/job-outcome.ts';
import type {JobOutcome} from '../schema/job-outcome.ts';
import {plainProblem} from '../lib/plain-json.ts';

/** What a job in the host came to. */
export interface RunResult {
  readonly outcome: JobOutcome;
  /** The keys that it has set or changed. */
  readonly data?: Readonly<Record<string, unknown>>;
  readonly stdout?: string;
  readonly stderr?: string;
}

/** What the host gives to a job that it runs. */
export interface RunControl {
  /** Aborts when the job is to end. */
  readonly stop: AbortSignal;
  /** Begins to ask for the job's status, and to write it down. */
  watchStatus(ask: () => unknown): void;
}

export function failed(error: string): RunResult {
  return {outcome: outcomeOf('FAIL', 1, error)};
}

export const STOPPED: RunResult = {outcome: {state: 'STOPPED', exit: '1', error: ''}};

/** Why data cannot be handed on; `undefined` when they can. */
export function dataProblem(data: Readonly<Record<string, unknown>>): string | undefined {
  const problem = plainProblem(data);
  if (problem !== undefined) return `its data cannot be kept: ${problem}`;
  return Buffer.byteLength(JSON.stringify(data)) > DATA_BYTES ? `its data cannot be kept: it is larger than ${DATA_BYTES} bytes` : undefined;
}
