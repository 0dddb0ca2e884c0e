import {unreachable} from '../lib/assert.ts';
import {canonicalJson} from '../lib/canonical-json.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import type {PlannedJob} from '../schema/chain.ts';
import type {Job, JobExit, JobTry} from '../schema/job.ts';
import {PODS_KEPT} from '../schema/pod-seen.ts';
import type {PodSeen} from '../schema/pod-seen.ts';
import type {StateName} from '../schema/state.ts';
import {isLost, isTransientReason, lostExit} from './exit-reasons.ts';
import {openTry} from './job-table.ts';
import {isPastDeadline, replaceTry, wasKilled, wasStopped} from './job-try.ts';
import {isChained} from './scan-record.ts';
import type {PlanInput} from './scan-plan.ts';
import type {ScanRecord} from './scan-record.ts';

/** What the engine says of the newest try of a job. The same shape as the engines' JobObservation, which this layer must not import, and what the job said itself. */
export type Observed =
  | {readonly kind: 'absent' | 'foreign' | 'closed'}
  /** It was asked for and could not begin yet: `why`. It is asked for again. */
  | {readonly kind: 'waiting'; readonly why: string}
  | {readonly kind: 'running'; readonly handle: string; readonly startedAt: string; readonly status?: string; readonly pods?: readonly PodSeen[]}
  | {
      readonly kind: 'exited';
      readonly handle: string;
      readonly exit: JobExit;
      readonly data?: Readonly<Record<string, unknown>>;
      readonly status?: string;
      readonly pods?: readonly PodSeen[];
    };

/** Jobs as they should be stored next, by name; only those that change. */
export type JobChanges = ReadonlyMap<string, Job>;

/** Bytes of JSON that a job may hand on: its record is one value. */
export const DATA_BYTES = 256 * 1024;

/** Jobs that change in one look: each is written with the log entry of its try, and a transaction has room for so many. What is left over is met again at the next look. */
export const LEARNT_AT_ONCE = 24;

/** How the status of a job begins, and the reason of a state, that waits for an engine. */
export const WAITS = 'waits: ';

/** Nothing is news: so it is with most looks at most scans. */
export const NO_CHANGES: JobChanges = new Map();

/** One job whose newest try has not ended, as far as we knew. */
interface OpenJob {
  readonly name: string;
  readonly job: Job;
  readonly current: JobTry;
}

/** Takes over into the jobs what the engine said: handles of what runs, exits of what has ended. */
export function learn(input: PlanInput): JobChanges {
  const {record, run} = input;
  let changes: Map<string, Job> | undefined;
  let completed = run?.nextCompletion ?? 0;
  for (const [name, observed] of endsFirst(input.observed)) {
    if (changes !== undefined && changes.size >= LEARNT_AT_ONCE) break;
    const job = record.jobs?.get(name)?.value;
    const current = job === undefined ? undefined : openTry(job);
    if (job === undefined || current === undefined) continue;
    const next = learnTry({name, job, current}, observed, input);
    if (next === job) continue;
    changes ??= new Map();
    changes.set(name, run !== undefined && next.state === 'COMPLETE' ? {...next, completed: completed++} : next);
  }
  return changes ?? NO_CHANGES;
}

/** Ends before all else, in the order in which they came: who completes last has the last word on what is handed on. */
function endsFirst(observed: PlanInput['observed']): Iterable<readonly [string, Observed]> {
  let ends = 0;
  for (const each of observed.values()) if (each.kind === 'exited') ends++;
  if (ends === 0) return observed;
  const endOf = (each: Observed): number => (each.kind === 'exited' ? Date.parse(each.exit.ended_at) || 0 : Number.MAX_SAFE_INTEGER);
  return [...observed].sort(([, a], [, b]) => endOf(a) - endOf(b));
}

function learnTry({name, job, current}: OpenJob, observed: Observed, input: PlanInput): Job {
  switch (observed.kind) {
    case 'absent':
      return job;
    case 'waiting': {
      const status = `${WAITS}${observed.why}`;
      return status === job.status ? job : {...job, status};
    }
    case 'foreign':
      // Another host's run directory. Its supervisor ends the job by itself when no owner has renewed it for `orphanAfterMs`; nobody but us may have, since we lead.
      if (foreignLeftMs(input) > 0) return job;
      return close({name, job, current}, lostExit('foreign', input.nowMs), observed, input);
    case 'closed':
      return close({name, job, current}, lostExit('closed', input.nowMs), observed, input);
    case 'running': {
      const isNews = observed.status !== undefined && observed.status !== job.status;
      const pods = newPods(current, observed.pods);
      if (current.handle !== undefined && !isNews && pods === undefined) return job;
      const status = isNews && observed.status !== undefined ? {status: observed.status} : {};
      return replaceTry(
        withoutWait(job),
        {...current, handle: observed.handle, started_at: observed.startedAt, ...pods},
        {state: 'RUNNING', ...status},
      );
    }
    case 'exited': {
      const handled = current.handle === undefined ? {...current, handle: observed.handle} : current;
      const seen = {...handled, ...newPods(current, observed.pods)};
      return close({name, job: withoutWait(job), current: seen}, observed.exit, observed, input);
    }
    default:
      return unreachable(observed);
  }
}

/** What takes a try that has ended to the record of its job. */
function close({name, job, current}: OpenJob, exit: JobExit, observed: Observed, {record, run}: PlanInput): Job {
  if (!isChained(record)) return closeTry(job, current, exit, countsAsFailure(job, exit, record));
  return closeChainTry(job, current, exit, observed, run?.planned(name) ?? {}, isUnwanted(record));
}

/** What is to be kept of its pods; `undefined`: nothing new. What has gone is kept as it was. */
function newPods({pods: before = []}: JobTry, pods: readonly PodSeen[] = []): Pick<JobTry, 'pods'> | undefined {
  if (pods.length === 0) return undefined;
  const gone = before.filter(({name}) => pods.every((each) => each.name !== name));
  const next = [...gone, ...pods].slice(-PODS_KEPT);
  return canonicalJson(next) === canonicalJson(before) ? undefined : {pods: next};
}

/** What it waited for is over. */
function withoutWait(job: Job): Job {
  if (job.status?.startsWith(WAITS) !== true) return job;
  const {status: _status, ...rest} = job;
  return rest;
}

/** How long another host's job may still run: until its supervisor has noticed that nobody renews it, and has ended it; with something to spare. */
export function foreignLeftMs({
  policy,
  ownedForMs,
}: {
  readonly policy: Pick<PlanInput['policy'], 'orphanAfterMs' | 'stopGraceMs'>;
  readonly ownedForMs: number;
}): number {
  return policy.orphanAfterMs * 1.5 + policy.stopGraceMs + 1000 - ownedForMs;
}

/** Whether somebody wants that nothing of it runs. */
function isUnwanted(record: ScanRecord): boolean {
  const control = record.control?.value ?? DEFAULT_CONTROL;
  return control.desired !== 'run' || control.is_deleted || record.admission === undefined;
}

// A sky scan

/** A server that ends before the final result is in has failed, whatever its exit code. What we stopped ourselves, or what never began, has not. */
function countsAsFailure(job: Job, exit: JobExit, record: ScanRecord): boolean {
  if (isUnwanted(record) || wasStopped(exit) || record.result?.value.is_final === true || isLost(exit) || isTransientReason(exit.reason))
    return false;
  return job.type === 'scanner-server' || exit.code !== 0;
}

function closeTry(job: Job, current: JobTry, exit: JobExit, isFailure: boolean): Job {
  const failures = job.failures + (isFailure ? 1 : 0);
  const done = !isFailure && exit.code === 0;
  return replaceTry(job, {...current, exit}, {state: done ? 'COMPLETE' : failures > job.retry ? 'FAIL' : 'PENDING', failures});
}

// A chain

/**
 * The record of a chain's job after a try. COMPLETE counts however it came to be, also after it was asked to stop. What was asked to end and did is PENDING,
 * and goes on when its request does; what had to be killed has failed for good. A job that says STOPPED without having been asked is not tried again.
 */
function closeChainTry(
  job: Job,
  current: JobTry,
  exit: JobExit,
  observed: Observed,
  planned: Pick<PlannedJob, 'retry_deadline'>,
  isUnwantedNow: boolean,
): Job {
  // What the engine ended for a reason of its own (its time was up, nobody renewed it) is not complete, however it took it.
  const said: StateName = exit.state ?? (exit.code === 0 && (exit.reason === undefined || wasStopped(exit)) ? 'COMPLETE' : 'FAIL');
  const {data, tooLarge} = grownData(job, observed);
  const more = {...(data === undefined ? {} : {data}), ...('status' in observed && observed.status !== undefined ? {status: observed.status} : {})};
  const ended = {...current, exit: tooLarge === undefined ? exit : {...exit, reason: tooLarge}};
  const become = (state: StateName, failures = job.failures): Job => replaceTry(job, ended, {...more, state, failures});
  if (isLost(exit)) return become('PENDING');
  if (said === 'COMPLETE' && tooLarge === undefined) return become('COMPLETE');
  if (wasKilled(exit)) return become('FAIL', job.failures + 1);
  if (wasStopped(exit) || isTransientReason(exit.reason) || isUnwantedNow) return become('PENDING');
  if (said === 'STOPPED') return become('STOPPED');
  const failures = job.failures + 1;
  const isLate = isPastDeadline(planned.retry_deadline, Date.parse(job.since ?? current.intent_at), Date.parse(exit.ended_at));
  return failures <= job.retry && !isLate ? become('PENDING', failures) : become(said === 'UNKNOWN' ? 'UNKNOWN' : 'FAIL', failures);
}

/** What a job's tries have set so far, this one included. */
function grownData(job: Job, observed: Observed): {readonly data?: Readonly<Record<string, unknown>>; readonly tooLarge?: string} {
  if (observed.kind !== 'exited' || observed.data === undefined) return job.data === undefined ? {} : {data: job.data};
  const data = {...job.data, ...observed.data};
  if (Buffer.byteLength(JSON.stringify(data)) <= DATA_BYTES) return {data};
  return {...(job.data === undefined ? {} : {data: job.data}), tooLarge: `its data is larger than ${DATA_BYTES} bytes`};
}
