import {STATE_NAME, STATE_VALUE, isStateName} from '../proto/state.ts';
import type {JobLog} from '../proto/types.ts';
import type {JobLogEntry} from '../schema/job-log.ts';
import {asWireNs} from './wire-time.ts';

const NS_PER_MS = 1_000_000n;
/** The years 0 to 9999, beyond which a time has no RFC 3339 text. */
const TEXT_MS = {from: -62_167_219_200_000, to: 253_402_300_799_999};

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
    startedAt: entry.started_ns === undefined ? asWireNs(started_at) : BigInt(entry.started_ns),
    finishedAt: entry.ended_ns === undefined ? asWireNs(ended_at) : BigInt(entry.ended_ns),
    state: isStateName(state) ? STATE_VALUE[state] : STATE_VALUE.UNKNOWN,
    exit: exact_exit !== undefined ? BigInt(exact_exit) : exit === null ? NO_EXIT_CODE : BigInt(exit),
    error,
    stdout,
    stderr,
  };
}

/** A log entry from outside as it is stored. Nothing of it is lost. */
export function storedLog(log: JobLog): JobLogEntry {
  const [started, ended] = [storedTime(log.startedAt), storedTime(log.finishedAt)];
  const isPlainExit = Number.isSafeInteger(Number(log.exit));
  return {
    name: log.name,
    type: log.type,
    try: log.try,
    state: STATE_NAME[log.state],
    started_at: started.text,
    ended_at: ended.text,
    ...(started.ns === undefined ? {} : {started_ns: started.ns}),
    ...(ended.ns === undefined ? {} : {ended_ns: ended.ns}),
    exit: isPlainExit ? Number(log.exit) : null,
    ...(isPlainExit ? {} : {exact_exit: String(log.exit)}),
    error: log.error,
    stdout: log.stdout,
    stderr: log.stderr,
  };
}

/** A time as text, to the millisecond, and its nanoseconds where that does not say all. 0 means: none. */
function storedTime(ns: bigint): {readonly text: string; readonly ns?: string} {
  if (ns === 0n) return {text: ''};
  const ms = Number(ns / NS_PER_MS);
  const isWritable = ms >= TEXT_MS.from && ms <= TEXT_MS.to;
  const text = isWritable ? new Date(ms).toISOString() : '';
  return isWritable && ns % NS_PER_MS === 0n ? {text} : {text, ns: String(ns)};
}
