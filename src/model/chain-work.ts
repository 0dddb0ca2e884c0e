import {rfc3339} from '../lib/clock.ts';
import {parseGoDuration} from '../lib/go-duration.ts';
import type {Admission} from '../schema/admission.ts';
import type {Chain, JobFacts} from '../schema/chain.ts';
import type {Job, JobTry} from '../schema/job.ts';
import type {ScanState} from '../schema/state.ts';
import type {ChainRun} from './chain-run.ts';
import {addTry, describeExit} from './job-try.ts';

/** What a chain's owner is to do next. */
export interface ChainNext {
  readonly launch: ReadonlyMap<string, JobFacts>;
  /** Records of first jobs with which their sequences begin anew. */
  readonly rolledBack: ReadonlyMap<string, Job>;
  readonly isOver: boolean;
  readonly waitMs?: number;
}

/** Decides what is to be launched and rolled back now. A cluster that does not exist is no reason to wait: the launch is tried, and its failure says why. */
export function chainNext(run: ChainRun, {slots}: Admission, nowMs: number, isCluster: (name: string) => boolean): ChainNext {
  const slotsOf = (cluster: string): number | undefined => (isCluster(cluster) ? (slots[cluster] ?? 0) : undefined);
  let work = run.work(nowMs, slotsOf);
  const rolledBack = rollBack(run, work.rollBack, nowMs);
  if (rolledBack.size > 0) work = run.work(nowMs, slotsOf);
  const launch = new Map<string, JobFacts>();
  for (const id of work.launch) {
    const planned = run.planned(id);
    if (planned !== undefined) launch.set(id, factsOf(planned));
  }
  return {launch, rolledBack, isOver: work.isOver, ...(work.waitMs === undefined ? {} : {waitMs: work.waitMs})};
}

/** How a chain of which nothing runs any more ends, when it is to end as `target`. What is complete is complete; what failed for good was no stop. */
export function chainEnd(
  run: ChainRun,
  target: ScanState,
  nowMs: number,
): {readonly state: ScanState; readonly rolledBack: ReadonlyMap<string, Job>} {
  const {rollBack: due} = run.work(nowMs, () => 0);
  const rolledBack = rollBack(run, due, nowMs);
  const counts = {jobs_total: run.jobsTotal, jobs_finished: run.jobsFinished};
  const end = {ended_at: target.ended_at ?? rfc3339(nowMs), ...counts};
  if (run.isComplete) return {state: {...target, ...end, name: 'COMPLETE', reason: 'all jobs are complete'}, rolledBack};
  const [failed] = run.failedForGood();
  const isDecided = target.name === 'FAIL' && target.reason !== '';
  if (!isDecided && (failed !== undefined || target.name === 'FAIL'))
    return {state: {...target, ...end, name: 'FAIL', reason: whyFailed(run, failed)}, rolledBack};
  return {state: target.name === 'SUSPENDED' ? {...target, ...counts} : {...target, ...end}, rolledBack};
}

/** Milliseconds that a chain may still run; `undefined`: without end. */
export function chainTimeLeftMs(chain: Chain, startedAt: string, nowMs: number): number | undefined {
  const limit = chain.timeout === undefined ? undefined : parseGoDuration(chain.timeout);
  if (limit === undefined) return undefined;
  const elapsed = nowMs - Date.parse(startedAt);
  return Number.isNaN(elapsed) ? limit : limit - elapsed;
}

/** A job with a new try: what is written as the launch intent. Its budget is a new one if its record is of an earlier try of its sequence or of the request. */
export function withChainTry(run: ChainRun, id: string, attempt: number, intent: Omit<JobTry, 'try'>): Job {
  const previous = run.record(id);
  const planned = run.planned(id);
  const isCurrent = run.isCurrent(id);
  const number = (previous?.tries_total ?? 0) + 1;
  const sequenceTry = run.sequenceTryOf(id);
  const data = carried(run, id, isCurrent);
  const since = planned?.retry_deadline === undefined ? undefined : ((isCurrent ? previous?.since : undefined) ?? intent.intent_at);
  return {
    ...(planned === undefined ? {type: '', cluster: '', count: 1, retry: 0} : factsOf(planned)),
    state: 'RUNNING',
    tries_total: number,
    failures: isCurrent ? (previous?.failures ?? 0) : 0,
    tries: addTry(previous, {try: number, ...intent}),
    ...(sequenceTry === 1 ? {} : {sequence_try: sequenceTry}),
    ...(attempt === 1 ? {} : {attempt}),
    ...(since === undefined ? {} : {since}),
    ...(data === undefined ? {} : {data}),
    ...(previous?.sequence === undefined ? {} : {sequence: previous.sequence}),
  };
}

/** What earlier tries have set, for the next one. In a new try of the sequence, what the parents hand on anew goes before it. */
function carried(run: ChainRun, id: string, isCurrent: boolean): Readonly<Record<string, unknown>> | undefined {
  const data = run.record(id)?.data;
  if (data === undefined || isCurrent) return data;
  const given = run.dataFor(id);
  return Object.fromEntries(Object.entries(data).filter(([key, value]) => given[key] === value));
}

function rollBack(run: ChainRun, firsts: readonly string[], nowMs: number): Map<string, Job> {
  // None of them lies in another.
  const records = new Map(firsts.map((first) => [first, run.rolledBack(first, nowMs)]));
  run.updateAll(records);
  return records;
}

function whyFailed(run: ChainRun, failed: string | undefined): string {
  if (failed === undefined) {
    for (const id of run.ids()) if (run.stateOf(id) === 'STOPPED') return `job ${nameOf(run, id)} stopped by itself`;
    return 'not all jobs are complete';
  }
  const record = run.record(failed);
  return `job ${nameOf(run, failed)} failed${record === undefined ? '' : `: ${describeExit(record)}`}`;
}

function nameOf(run: ChainRun, id: string): string {
  const name = run.planned(id)?.name;
  return name === undefined || name === id ? id : `${name} (${id})`;
}

function factsOf({name, type, cluster, count, retry}: JobFacts): JobFacts {
  return {...(name === undefined ? {} : {name}), type, cluster, count, retry};
}
