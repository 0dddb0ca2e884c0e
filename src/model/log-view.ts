import {STATE_VALUE, isStateName} from '../proto/state.ts';
import type {JobLog} from '../proto/types.ts';
import type {JobLogEntry} from '../schema/job-log.ts';
import {asWireNs} from './wire-time.ts';

/** What a process has as its exit code that a signal has ended. @see Go, os.ProcessState.ExitCode */
const NO_EXIT_CODE = -1n;

/** A stored log entry as the wire has it. */
export function presentLog(requestId: string, jobId: string, entry: JobLogEntry): JobLog {
  const {name, type, state, started_at, ended_at, exit, exact_exit, error, stdout, stderr} = entry;
  return {
    requestId,
    jobId,
    try: entry.try,
    name,
    type,
    startedAt: asWireNs(started_at),
    finishedAt: asWireNs(ended_at),
    state: isStateName(state) ? STATE_VALUE[state] : STATE_VALUE.UNKNOWN,
    exit: exact_exit !== undefined ? BigInt(exact_exit) : exit === null ? NO_EXIT_CODE : BigInt(exit),
    error,
    stdout,
    stderr,
  };
}
