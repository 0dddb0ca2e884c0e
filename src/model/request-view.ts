import {STATE_VALUE} from '../proto/state.ts';
import type {StateName} from '../proto/state.ts';
import type {Request, RequestArg} from '../proto/types.ts';
import {isStoredChain} from '../schema/chain.ts';
import {timeOfScanId} from '../schema/ids.ts';
import {isTerminal} from '../schema/state.ts';
import type {ScanState} from '../schema/state.ts';
import type {ChainView} from './chain-view.ts';
import {isScan} from './manifest.ts';
import {scanJobs} from './scan-chain-view.ts';
import {isOver} from './scan-record.ts';
import type {Entry, ScanRecord} from './scan-record.ts';
import type {ScanSpec} from '../schema/scan.ts';
import {asMs, asWireTime, msAsWireTime} from './wire-time.ts';

/** A request whose spec is there: a sky scan, or any other. */
export type RequestRecord = Omit<ScanRecord, 'spec'> & {readonly spec: Entry<ScanSpec>};

/** Whether a request exists for Spin Cycle's users: its spec is stored and parses. */
export function isRequest(record: ScanRecord | undefined): record is RequestRecord & ScanRecord {
  return record?.spec !== undefined;
}

/** Whom Spin Cycle's API names where nobody said who calls. */
export const UNKNOWN_USER = '?';

/** The state that a request shows. One that is to run again waits until it does. */
export function requestStateOf(record: ScanRecord): ScanState['name'] {
  const state = record.state?.value.name ?? 'PENDING';
  return isTerminal(state) && !isOver(record) ? 'PENDING' : state;
}

/**
 * When a request was made, in milliseconds since 1970. Of one put by hand, which does not say: since when it is known to be there, by its place in the
 * backlog, its start or its end; 0 before.
 */
export function createdMsOf({backlog, id, spec, state}: RequestRecord): number {
  const seconds = spec.value.created_at;
  if (seconds !== undefined) return seconds * 1000;
  const queuedMs = backlog === undefined ? undefined : backlog.value.timestamp * 1000;
  return timeOfScanId(id) ?? queuedMs ?? asMs(state?.value.started_at) ?? asMs(state?.value.ended_at) ?? 0;
}

/** Jobs of a request, and how many of them are complete. */
interface Counts {
  readonly totalJobs: number;
  readonly finishedJobs: number;
}

/**
 * A request as lists show it: without arguments and chain. What it counts is what its owner wrote last.
 *
 * @param jrURL address of whoever runs it, where that is known
 */
export function presentSummary(record: RequestRecord, jrURL?: string, run?: Counts): Request {
  const {id, spec} = record;
  const state = requestStateOf(record);
  const stored = record.state?.value;
  return {
    id,
    type: spec.value.type,
    state: STATE_VALUE[state],
    user: spec.value.user ?? UNKNOWN_USER,
    createdAt: msAsWireTime(createdMsOf(record)),
    startedAt: asWireTime(stored?.started_at),
    finishedAt: isTerminal(state) ? asWireTime(stored?.ended_at) : null,
    ...countsOf(record, run),
    ...(jrURL === undefined ? {} : {jrURL}),
  };
}

/** A request as it is asked for by its id, but for its chain: with its arguments. */
export function presentRequest(record: RequestRecord, view: ChainView, args: readonly RequestArg[], jrURL?: string): Request {
  const run = {totalJobs: view.jobsTotal, finishedJobs: view.head.finishedJobs};
  return withArgs(presentSummary(record, jrURL, run), args);
}

/** A request as it is shown when it has been made. */
export function withArgs({id, type, state, user, ...rest}: Request, args: readonly RequestArg[]): Request {
  return {id, type, state, user, ...(args.length === 0 ? {} : {args}), ...rest};
}

function countsOf(record: RequestRecord, run: Counts | undefined): Counts {
  if (isScan(record)) {
    const jobs = [...scanJobs(record).values()];
    return {totalJobs: jobs.length, finishedJobs: jobs.filter(({state}) => state === 'COMPLETE').length};
  }
  const {jobs_total, jobs_finished} = record.state?.value ?? {};
  const chain = record.chain?.value;
  const planned = chain === undefined ? undefined : isStoredChain(chain) ? chain.jobs_total : Object.keys(chain.jobs).length;
  return {totalJobs: planned ?? run?.totalJobs ?? jobs_total ?? 0, finishedJobs: jobs_finished ?? run?.finishedJobs ?? 0};
}

/** The state that a job shows: one that has been tried and waits, in a request that does not go on, was stopped. */
export function shownState(state: StateName, wasTried: boolean, request: ScanState['name']): StateName {
  const rests = request === 'STOPPED' || request === 'SUSPENDED' || request === 'FAIL';
  return state === 'PENDING' && wasTried && rests ? 'STOPPED' : state;
}
