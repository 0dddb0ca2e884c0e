import {STATE_NAME, STATE_VALUE, isStateName} from '../proto/state.ts';
import type {JobLog} from '../proto/types.ts';
import {timeNs} from '../proto/time.ts';
import type {JobLogEntry} from '../schema/job-log.ts';

const NS_PER_MS = 1_000_000n;
/** The years 0 to 9999, beyond which a time has no RFC 3339 text. */
const TEXT_MS = {from: -62_167_219_200_000, to: 253_402_300_799_999};

/** A log entry from outside, as it is stored. Nothing of it is lost. */
export function storedLog(log: JobLog): JobLogEntry {
  const isPlainExit = Number.isSafeInteger(Number(log.exit));
  return {
    name: log.name,
    type: log.type,
    try: log.try,
    state: STATE_NAME[log.state],
    ...timesOf('started', log.startedAt),
    ...timesOf('ended', log.finishedAt),
    exit: isPlainExit ? Number(log.exit) : null,
    ...(isPlainExit ? {} : {exact_exit: String(log.exit)}),
    error: log.error,
    stdout: log.stdout,
    stderr: log.stderr,
  } as JobLogEntry;
}

/** A stored log entry as the wire has it. */
export function wireLog(requestId: string, jobId: string, entry: JobLogEntry): JobLog {
  return {
    requestId,
    jobId,
    try: entry.try,
    name: entry.name,
    type: entry.type,
    startedAt: nsOf(entry.started_ns, entry.started_at),
    finishedAt: nsOf(entry.ended_ns, entry.ended_at),
    state: isStateName(entry.state) ? STATE_VALUE[entry.state] : STATE_VALUE.UNKNOWN,
    // A try that has no exit code of its own was ended by a signal, or lost.
    exit: BigInt(entry.exact_exit ?? entry.exit ?? (entry.state === 'COMPLETE' ? 0 : 1)),
    error: entry.error,
    stdout: entry.stdout,
    stderr: entry.stderr,
  };
}

/** `<name>_at`, and `<name>_ns` where that does not say all. 0 means: none. */
function timesOf(name: 'started' | 'ended', ns: bigint): Readonly<Record<string, string>> {
  const ms = Number(ns / NS_PER_MS);
  const hasText = ns !== 0n && ms >= TEXT_MS.from && ms <= TEXT_MS.to;
  const isExact = ns === 0n || (hasText && ns % NS_PER_MS === 0n);
  return {[`${name}_at`]: hasText ? new Date(ms).toISOString() : '', ...(isExact ? {} : {[`${name}_ns`]: String(ns)})};
}

function nsOf(exact: string | undefined, text: string): bigint {
  if (exact !== undefined) return BigInt(exact);
  try {
    return text === '' ? 0n : timeNs(text);
  } catch {
    return 0n; // Put by hand.
  }
}
