import type {JobRef} from '../engines/engine.ts';
import {wasKilled, wasStopped} from '../model/job-try.ts';
import type {Job, JobExit, JobTry} from '../schema/job.ts';
import type {JobLogEntry} from '../schema/job-log.ts';
import type {StateName} from '../schema/state.ts';

/** Bytes of output kept in a log entry, per stream. The engine keeps more for as long as it keeps the job. */
const OUTPUT_BYTES = 16_384;
/** Processes of one job whose output goes into its log entry. */
const PROCESSES = 4;

/** The exit code that the job says it has, else that of its process; `null` where there is none, or none that a number can hold. */
function exitOf(exit: JobExit | undefined): number | null {
  const said = exit?.exit === undefined ? undefined : Number(exit.exit);
  return said === undefined ? (exit?.code ?? null) : Number.isSafeInteger(said) ? said : null;
}

/** How a try ended. A job that is to be tried again is PENDING itself. */
function endState(job: Pick<Job, 'state'>, exit: JobExit): StateName {
  if (job.state === 'COMPLETE' || job.state === 'UNKNOWN' || job.state === 'STOPPED') return job.state;
  if (exit.state !== undefined && exit.state !== 'COMPLETE') return exit.state;
  if (wasStopped(exit) && !wasKilled(exit)) return 'STOPPED';
  return exit.code === 0 && exit.reason === undefined ? 'COMPLETE' : 'FAIL';
}

/** The log entry of an ended try, with the end of its output. */
export async function logEntry(
  ref: JobRef,
  job: Pick<Job, 'name' | 'type' | 'count' | 'state'>,
  ended: JobTry,
  output: (index: number, stream: 'stdout' | 'stderr') => Promise<string>,
): Promise<JobLogEntry> {
  const exit = ended.exit;
  const began = ended.handle !== undefined && ended.handle !== '';
  const count = began ? Math.min(job.count, PROCESSES) : 0;
  const read = async (stream: 'stdout' | 'stderr'): Promise<string> => {
    const parts = await Promise.all(Array.from({length: count}, (_, index) => output(index, stream)));
    const budget = Math.floor(OUTPUT_BYTES / Math.max(1, count));
    return parts.map((part) => (part.length > budget ? `…${part.slice(-budget)}` : part)).join(count > 1 ? '\n' : '');
  };
  return {
    name: job.name ?? ref.job,
    type: job.type,
    try: ref.try,
    state: exit === undefined ? job.state : endState(job, exit),
    started_at: ended.started_at ?? ended.intent_at,
    ended_at: exit?.ended_at ?? '',
    exit: exitOf(exit),
    ...(exit?.exit === undefined || Number.isSafeInteger(Number(exit.exit)) ? {} : {exact_exit: exit.exit}),
    error: exit?.error ?? exit?.reason ?? exit?.signal ?? '',
    stdout: await read('stdout'),
    stderr: await read('stderr'),
  };
}
