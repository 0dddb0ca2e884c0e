import type {JobObservation, JobSaid} from '../engines/engine.ts';
import {wasStopped} from '../model/job-try.ts';
import type {Observed} from '../model/try-learning.ts';
import type {JobExit} from '../schema/job.ts';
import type {Report} from '../schema/report.ts';

/**
 * What is known of a try: what the engine says, and what the job says of itself, in its files or (newer, so it counts more) over REST.
 *
 * How it says that it ended counts only if it ended by itself or as it was asked to: not when it was killed, timed out or was lost.
 */
export function withWords(seen: JobObservation, said: JobSaid, report: Report | undefined): Observed {
  if (seen.kind !== 'running' && seen.kind !== 'exited') return seen;
  const status = report?.status ?? said.status;
  const words = status === undefined ? {} : {status};
  if (seen.kind === 'running') return {...seen, ...words};
  const data = said.data === undefined && report?.data === undefined ? undefined : {...said.data, ...report?.data};
  return {...seen, exit: exitWith(seen.exit, said), ...words, ...(data === undefined ? {} : {data})};
}

function exitWith(exit: JobExit, {outcome, problem}: JobSaid): JobExit {
  const isItsOwn = exit.code !== null && (exit.reason === undefined || wasStopped(exit));
  if (!isItsOwn) return exit;
  const reason = problem ?? (outcome?.error === '' ? undefined : outcome?.error);
  // Whether it was asked to end shows in the reason, so that one stays.
  const why = exit.reason ?? reason;
  const rest = {...exit, ...(why === undefined ? {} : {reason: why}), ...(reason === undefined ? {} : {error: reason})};
  if (problem !== undefined) return {...rest, state: 'FAIL'};
  if (outcome === undefined) return exit;
  const code = Number(outcome.exit);
  return {...rest, code, state: outcome.state, ...(Number.isSafeInteger(code) ? {} : {exact_code: outcome.exit})};
}
