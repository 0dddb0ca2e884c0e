import type {JobObservation, JobSaid} from '../engines/engine.ts';
import type {JobExit} from '../schema/job.ts';
import type {Report} from '../schema/report.ts';

/** What an engine says of a try, together with what the try says of itself. */
export type TryNews =
  | Exclude<JobObservation, {readonly kind: 'running' | 'exited'}>
  | (Extract<JobObservation, {readonly kind: 'running'}> & Pick<JobSaid, 'status' | 'endpoint'>)
  | (Extract<JobObservation, {readonly kind: 'exited'}> & Pick<JobSaid, 'status' | 'endpoint' | 'data'>);

/**
 * Puts both together. What the engine saw stands, what the job says comes beside it. A job that was ended because it took too long, or had no owner, has
 * failed unless it completed, whatever else it says; one that left garbage has failed.
 */
export function withSaid(observed: JobObservation, said: JobSaid): TryNews {
  if (observed.kind !== 'running' && observed.kind !== 'exited') return observed;
  const {status, endpoint, data} = said;
  const words = {...(status === undefined ? {} : {status}), ...(endpoint === undefined ? {} : {endpoint})};
  if (observed.kind === 'running') return {...observed, ...words};
  return {...observed, ...words, ...(data === undefined ? {} : {data}), exit: exitWith(observed.exit, said)};
}

function exitWith(exit: JobExit, {outcome, problem}: JobSaid): JobExit {
  if (problem !== undefined) return {...exit, state: 'FAIL', error: problem};
  if (outcome === undefined) return exit;
  const wasEndedForCause = exit.reason !== undefined && !exit.reason.startsWith('stopped');
  const state = wasEndedForCause && outcome.state !== 'COMPLETE' ? 'FAIL' : outcome.state;
  return {...exit, state, exit: outcome.exit, ...(outcome.error === '' ? {} : {error: outcome.error})};
}

/** The same with what the job reported over REST, which is newer than its files where it uses both. */
export function withReport(news: TryNews, report: Report | undefined): TryNews {
  if (report === undefined || (news.kind !== 'running' && news.kind !== 'exited')) return news;
  const {status = news.status, endpoint = news.endpoint} = report;
  const words = {...(status === undefined ? {} : {status}), ...(endpoint === undefined ? {} : {endpoint})};
  if (news.kind === 'running' || report.data === undefined) return {...news, ...words};
  return {...news, ...words, data: {...news.data, ...report.data}};
}
