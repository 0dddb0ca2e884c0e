import {TRANSIENT_REASONS, isTransientReason} from '../../model/exit-reasons.ts';
import {rfc3339} from '../../lib/clock.ts';
import type {JobExit} from '../../schema/job.ts';
import type {JobRecord} from './job-record.ts';
import type {PodFacts} from './pod-facts.ts';
import {podOutcome} from './pod-outcome.ts';
import type {PodExit, PodOutcome} from './pod-outcome.ts';

/** What is to be done about a launched try. */
export type JobOutcome =
  /** Nothing; `text` says what it waits for, if it does not run yet. */
  | {readonly kind: 'running'; readonly text?: string}
  /** Have its pods ended, for this reason; empty: it has done what it is about. */
  | {readonly kind: 'end'; readonly reason: string}
  | {readonly kind: 'exited'; readonly exit: JobExit};

/** How long after we asked for the end a Job without any pod may still get one from a Job controller that looks at an older state of it. */
export const SETTLE_MS = 5000;
/** How long after its deadline a Job is ended by us. Job controllers miss one now and then, and would for ever; our clock and the server's may be apart. */
export const DEADLINE_MISSED_MS = 60_000;
/** How long containers beside the main one may go on after it. */
export const HELPERS_MS = 30_000;

/**
 * Judges a launched try by its Job and all its pods, as they are at `nowMs`.
 *
 * Of several processes each failure is made up for by another pod; when `count` of them have failed, all has failed, as if none had been replaced.
 */
export function jobOutcome(job: JobRecord, pods: readonly PodFacts[], nowMs: number, patienceMs: number): JobOutcome {
  const outcomes = pods.map((pod) => podOutcome(pod, nowMs, patienceMs));
  const exits = outcomes.flatMap((each, n) => (each.kind === 'ended' ? [{...each.exit, wasDeleted: wasDeleted(pods[n], each.exit)}] : []));
  exits.sort((a, b) => a.endedMs - b.endedMs);
  const isOver = exits.length === pods.length;
  if (job.end !== undefined) {
    if (!isOver || (pods.length === 0 && nowMs - job.end.atMs < SETTLE_MS)) return {kind: 'running', text: 'it is being ended'};
    return {kind: 'exited', exit: jobExit(exits, job, job.end.reason, nowMs)};
  }
  if (job.finished !== undefined) {
    if (!isOver) return {kind: 'running'};
    return {kind: 'exited', exit: jobExit(exits, job, finishedReason(job), nowMs)};
  }
  if (job.isDeleting) return {kind: 'end', reason: TRANSIENT_REASONS.jobDeleted};
  if (exits.filter(({code}) => code === 0).length >= job.count && isOver) return {kind: 'exited', exit: jobExit(exits, job, '', nowMs)};
  if (exits.filter(({code, wasDeleted: isGone}) => code !== 0 && !isGone).length >= job.count) {
    return isOver ? {kind: 'exited', exit: jobExit(exits, job, '', nowMs)} : {kind: 'end', reason: ''};
  }
  return liveOutcome(job, pods, outcomes, nowMs);
}

interface DatedExit extends PodExit {
  /** Somebody told the pod to go before it ended. */
  readonly wasDeleted: boolean;
}

function wasDeleted(pod: PodFacts | undefined, {code, endedMs}: PodExit): boolean {
  return pod?.deletionAskedMs !== undefined && pod.deletionAskedMs <= endedMs && code !== 0;
}

function liveOutcome(job: JobRecord, pods: readonly PodFacts[], outcomes: readonly PodOutcome[], nowMs: number): JobOutcome {
  const {timeoutMs, startedMs} = job;
  if (timeoutMs !== undefined && startedMs > 0 && nowMs > startedMs + timeoutMs + DEADLINE_MISSED_MS)
    return {kind: 'end', reason: timedOut(timeoutMs)};
  // Its only process was told to go, and the Job controller starts it again, if it has not yet: that would be a second launch of the same try.
  const isGoing = (pod: PodFacts, outcome: PodOutcome | undefined): boolean =>
    pod.deletesMs !== undefined && (outcome?.kind !== 'ended' || wasDeleted(pod, outcome.exit));
  const going = job.count === 1 ? pods.find((pod, n) => isGoing(pod, outcomes[n])) : undefined;
  if (going !== undefined) return {kind: 'end', reason: isPastDeadline(job, going) ? timedOut(job.timeoutMs ?? 0) : TRANSIENT_REASONS.podDeleted};
  const live = outcomes.filter(({kind}) => kind !== 'ended');
  const [first] = live;
  if (live.length > 0 && live.every((each) => each.kind === 'leaving' && nowMs - each.exit.endedMs > HELPERS_MS)) return {kind: 'end', reason: ''};
  if (first?.kind === 'waiting' && first.hopeless !== undefined && live.every((each) => each.kind === 'waiting' && each.hopeless !== undefined)) {
    return {kind: 'end', reason: first.hopeless};
  }
  const waiting = live.find((each) => each.kind === 'waiting');
  if (live.some(({kind}) => kind !== 'waiting')) return {kind: 'running'};
  return {kind: 'running', text: waiting?.text ?? 'waits for its pod'};
}

/** Whether it is the Job controller that told the pod to go, because of the deadline. It says so in the Job a moment later. All times are the server's. */
function isPastDeadline({timeoutMs, startedMs}: JobRecord, {deletionAskedMs = 0}: PodFacts): boolean {
  return timeoutMs !== undefined && startedMs > 0 && deletionAskedMs >= startedMs + Math.floor(timeoutMs / 1000) * 1000;
}

function finishedReason({finished, timeoutMs}: JobRecord): string {
  if (finished?.type !== 'Failed' || finished.reason === 'BackoffLimitExceeded') return '';
  if (finished.reason === 'DeadlineExceeded') return timeoutMs === undefined ? 'DeadlineExceeded' : timedOut(timeoutMs);
  return finished.message === '' ? finished.reason : `${finished.reason}: ${finished.message}`;
}

function timedOut(ms: number): string {
  return `timed out after ${ms / 1000} s`;
}

/** One exit of all processes; `reason` says why we ended them, if we did. */
function jobExit(exits: readonly DatedExit[], job: JobRecord, reason: string, nowMs: number): JobExit {
  const failures = exits.filter(({code}) => code !== 0);
  // What ended by itself says more than what was told to go.
  const failed = failures.find((each) => !each.wasDeleted) ?? failures[0];
  const isDone = job.finished?.type === 'Complete' || exits.length - failures.length >= job.count;
  const endedMs = Math.max(0, ...exits.map((each) => each.endedMs)) || job.finished?.atMs || nowMs;
  const ended_at = rfc3339(endedMs);
  const told = reason === '' ? {} : {reason};
  if (isDone || (failed === undefined && exits.length > 0)) return {code: 0, ...told, ended_at};
  // Nobody is to take for the job's own word what it said when its node went down.
  if (isTransientReason(reason)) return {code: null, reason, ended_at};
  if (failed === undefined) return {code: null, reason: reason === '' ? (job.finished?.message ?? 'it left no trace') : reason, ended_at};
  if (reason === '' && failed.wasDeleted) return {code: null, reason: failed.reason ?? TRANSIENT_REASONS.podDeleted, ended_at};
  const {code, signal} = failed;
  const why = reason === '' ? failed.reason : reason;
  return {code, ...(signal === undefined ? {} : {signal}), ...(why === undefined ? {} : {reason: why}), ended_at};
}
