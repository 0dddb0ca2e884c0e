import type {Job, JobExit} from '../schema/job.ts';
import {SERVER_JOB} from './chain.ts';
import {isKilledReason} from './exit-reasons.ts';
import {timestampOf} from './manifest.ts';
import type {Scan} from './manifest.ts';

/** Times in milliseconds. @see SkyDriver 2.1, scan pod watchdog */
export interface WatchdogPolicy {
  /** A scan that started longer ago is left as it is. */
  readonly startedWithinMs: number;
  /** A scan that started a moment ago gets its time. */
  readonly startedAgoMs: number;
  /** No more scans of one family than `familyLimit` may have been created within this time. */
  readonly familyWindowMs: number;
  readonly familyLimit: number;
}

export const WATCHDOG_POLICY: WatchdogPolicy = {startedWithinMs: 3_600_000, startedAgoMs: 59_000, familyWindowMs: 36_000_000, familyLimit: 3};

/** A scan that may have to be replaced. `family`: the original and all its rescans, oldest first; asked for only when it counts. */
export interface Suspect {
  readonly scan: Scan;
  readonly family: () => readonly Scan[];
}

/** One reason for which a scan is left alone. `holds` is asked only of those that passed all conditions before. */
export interface WatchdogCondition {
  readonly name: string;
  holds(suspect: Suspect, nowMs: number, policy: WatchdogPolicy): boolean;
}

/** What has to hold, in order, for a scan to be replaced by a rescan. Pure: they know the stored records and the time. */
export const WATCHDOG_CONDITIONS: readonly WatchdogCondition[] = [
  {
    name: 'it started within the last hour, and not just now',
    holds: ({scan}, nowMs, {startedWithinMs, startedAgoMs}) => {
      const startedMs = Date.parse(scan.state?.value.started_at ?? '');
      return nowMs - startedWithinMs <= startedMs && startedMs < nowMs - startedAgoMs;
    },
  },
  {name: 'nobody ended it on purpose', holds: ({scan}) => !isUnwanted(scan)},
  {name: 'it has no final result', holds: ({scan}) => scan.result?.value.is_final !== true},
  {
    name: 'it has not been rescanned',
    holds: ({scan, family}) => {
      const newest = family().findLast(({spec}) => spec.value.lineage !== undefined);
      return newest === undefined || newest.id === scan.id;
    },
  },
  {
    name: 'its family has not been tried too often',
    holds: ({family}, nowMs, {familyWindowMs, familyLimit}) =>
      family().filter((member) => timestampOf(member) * 1000 >= nowMs - familyWindowMs).length <= familyLimit,
  },
  {name: 'its server was killed by what may not happen again', holds: ({scan}) => wasKilled(scan)},
];

/** Which of these scans are to be replaced. */
export function toBeReplaced(suspects: readonly Suspect[], nowMs: number, policy: WatchdogPolicy): Suspect[] {
  let left = [...suspects];
  for (const condition of WATCHDOG_CONDITIONS) left = left.filter((suspect) => condition.holds(suspect, nowMs, policy));
  return left;
}

/** A user deleted it, or an operator stopped it: what they ended stays ended. A damaged control key may say so, too. */
function isUnwanted(scan: Scan): boolean {
  const control = scan.control?.value;
  return scan.bad?.has('control') === true || control?.is_deleted === true || (control !== undefined && control.desired !== 'run');
}

/** As a shell reports SIGKILL and SIGTERM. */
const KILLED_CODES: ReadonlySet<number> = new Set([137, 143]);
const KILLED_SIGNALS: ReadonlySet<string> = new Set(['SIGKILL', 'SIGTERM']);

/** Whether the scan failed because its server was killed from outside, in every try that it had. */
function wasKilled(scan: Scan): boolean {
  const server = scan.jobs?.get(SERVER_JOB)?.value;
  if (scan.state?.value.name !== 'FAIL' || server?.state !== 'FAIL') return false;
  const exit = lastExit(server);
  return exit !== undefined && isTransient(exit);
}

function lastExit(job: Job): JobExit | undefined {
  return job.tries.findLast((each) => each.exit !== undefined)?.exit;
}

function isTransient({code, signal, reason}: JobExit): boolean {
  if (isKilledReason(reason)) return true;
  return (code !== null && KILLED_CODES.has(code)) || (signal !== undefined && KILLED_SIGNALS.has(signal));
}
