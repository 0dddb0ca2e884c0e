import {rfc3339} from '../lib/clock.ts';
import type {JobExit} from '../schema/job.ts';

/** Why engines say that a try ended which its job is not to blame for. Texts are stored: old ones stay. What follows a colon varies. */
export const TRANSIENT_REASONS = {
  hostRestarted: 'supervisor lost: the host was restarted',
  newStart: 'ended by a new start',
  jobDeleted: 'its Job was deleted',
  podDeleted: 'its pod was deleted',
  nodeLost: 'its node was lost',
  evicted: 'Evicted',
  preempted: 'Preempted',
  notAdmitted: 'not admitted by its node',
  nodeShutdown: 'its node was shut down',
} as const;

const TRANSIENT: readonly string[] = Object.values(TRANSIENT_REASONS);

/** Whether nothing of its own ended it, nor anybody who meant it: it went down with its host, or had to make room, or there was no controller for a while. It uses up no retry. */
export function isTransientReason(reason: string | undefined): boolean {
  if (reason === undefined) return false;
  return reason.startsWith('orphaned') || TRANSIENT.some((text) => reason === text || reason.startsWith(`${text}: `));
}

const HOST_IS_SILENT = 'its host does not answer for it any more';
const NEVER_BEGAN = 'never began';

/** The end of a try of which nothing can be known any more, or which never began. */
export function lostExit(kind: 'foreign' | 'closed', nowMs: number): JobExit {
  return {code: null, reason: kind === 'foreign' ? HOST_IS_SILENT : NEVER_BEGAN, ended_at: rfc3339(nowMs)};
}

/** How a try ends that was none: it uses up nothing. */
const NO_TRY: ReadonlySet<string | undefined> = new Set([HOST_IS_SILENT, NEVER_BEGAN]);

/** Whether nothing is known of a try, or it never began. */
export function isLost(exit: JobExit): boolean {
  return exit.code === null && NO_TRY.has(exit.reason);
}

/** What engines say of a process that was killed from outside or never got to run, before any colon. @see SkyDriver 2.1, scan pod watchdog */
const KILLED: ReadonlySet<string> = new Set(['OOMKilled', 'Evicted', 'DeadlineExceeded', 'StartError', 'CrashLoopBackOff']);

/** Whether a try was ended by what may not happen again to another one, elsewhere. */
export function isKilledReason(reason: string | undefined): boolean {
  if (reason === undefined) return false;
  return KILLED.has(reason.replace(/:[^]*$/, '')) || isTransientReason(reason) || reason.startsWith('timed out after ');
}
