import {canonicalJson} from '../../lib/canonical-json.ts';
import {rfc3339} from '../../lib/clock.ts';
import {storedLog} from '../../model/log-view.ts';
import {isScan} from '../../model/manifest.ts';
import {isRequest} from '../../model/request-view.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import {STATE_NAME} from '../../proto/state.ts';
import type {FinishRequest, JobLog, RequestProgress, SuspendedJobChain} from '../../proto/types.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import type {Desired} from '../../schema/control.ts';
import {controlKey, isKeyId, logKey, scanKey, stateKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {SCAN_STATES, isTerminal} from '../../schema/state.ts';
import type {ScanState, ScanStateName} from '../../schema/state.ts';
import type {Compare} from '../../store/store.ts';
import {ApiError} from '../api-error.ts';
import {changeRecord, childRevision} from '../compare-and-set.ts';
import type {Decision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {requireSmall} from '../value-size.ts';
import {invalidState, refused, requestNotFound} from './errors.ts';
import {findRequest} from './find-request.ts';

/** Tries that a log key has room for. */
const MAX_TRY = 999_999_999;

/**
 * Starts a request that waits for it. One that is about to run anyway stays as it is.
 *
 * @throws ApiError `not_found`; `wrong_state`: it runs, is over, or is wanted suspended or stopped
 */
export function startRequest(deps: RouteDeps, id: string): Promise<void> {
  return changeRecord(deps, id, findRequest, (record) => {
    const state = stateOf(record);
    const control = record.control?.value ?? DEFAULT_CONTROL;
    if (state !== 'PENDING' || control.is_deleted || (control.desired !== 'run' && control.desired !== 'hold'))
      throw invalidState(`cannot start request ${id}: ${sayState(record)}`);
    return control.desired === 'run' ? NOTHING : desire(deps, record, 'run');
  });
}

/**
 * Writes how a request ended, as an operator may: whoever leads it then ends what still runs of it. The same words again change nothing.
 *
 * @throws ApiError `not_found`; `invalid`: no state to end in; `wrong_state`: it does not run
 */
export function finishRequest(deps: RouteDeps, id: string, finish: FinishRequest): Promise<void> {
  if (finish.requestId !== '' && finish.requestId !== id) throw otherRequest(finish.requestId, id);
  const name = SCAN_STATES.find((each) => each === STATE_NAME[finish.state]);
  if (name === undefined || !isTerminal(name)) throw refused(`state: a request does not end as ${STATE_NAME[finish.state]}`);
  return changeRecord(deps, id, findRequest, (record) => {
    if (isFinishedSo(record, name, finish)) return NOTHING; // Said again by whoever did not hear our answer.
    const state = runningState(record, 'finish');
    requirePossible(state, finish.finishedJobs);
    const endedAt = finish.finishedAt === '' ? rfc3339(deps.clock.now()) : finish.finishedAt;
    const {by: _, ...rest} = state;
    const next: ScanState = {...rest, name, ended_at: endedAt, jobs_finished: finish.finishedJobs, reason: `an executor says ${name}`};
    return writeState(record, next);
  });
}

/** Whether a request ended with these very words. */
function isFinishedSo(record: RequestRecord, name: ScanStateName, {finishedAt, finishedJobs}: FinishRequest): boolean {
  const state = record.state?.value;
  return state?.name === name && finishedAt !== '' && state.ended_at === finishedAt && state.jobs_finished === finishedJobs;
}

/**
 * Has a request suspended. What its bearer says of tries is not stored: those that count are our own, which are stored as they happen.
 *
 * @throws ApiError `not_found`; `invalid`: it speaks of another request; `wrong_state`: it does not run
 */
export function suspendRunning(deps: RouteDeps, id: string, suspended: SuspendedJobChain): Promise<void> {
  for (const named of [suspended.requestId, suspended.jobChain.requestId]) if (named !== '' && named !== id) throw otherRequest(named, id);
  return changeRecord(deps, id, findRequest, (record) => {
    runningState(record, 'suspend');
    const {desired} = record.control?.value ?? DEFAULT_CONTROL;
    if (desired === 'stop') throw invalidState(`cannot suspend request ${id}: it is being stopped`);
    return desired === 'suspend' ? NOTHING : desire(deps, record, 'suspend');
  });
}

/**
 * Writes how many jobs have completed; of a request that does not run, or is not there for the caller, nothing.
 *
 * @param seesScans whether sky scans are there for the caller
 * @throws ApiError `invalid`: it speaks of another request, or of more jobs than there are
 */
export async function noteProgress(deps: RouteDeps, id: string, progress: RequestProgress, seesScans: boolean): Promise<void> {
  if (progress.requestId !== id) throw progress.requestId === '' ? refused('requestId: is missing') : otherRequest(progress.requestId, id);
  const found = deps.cache.scans.get(id);
  if (!isRequest(found) || (isScan(found) && !seesScans)) return;
  await changeRecord(deps, id, findRequest, (record) => {
    const state = record.state?.value;
    if (state?.name !== 'RUNNING' || state.jobs_finished === progress.finishedJobs) return NOTHING;
    requirePossible(state, progress.finishedJobs);
    return writeState(record, {...state, jobs_finished: progress.finishedJobs});
  });
}

/**
 * Stores how a try went. Tries are never written twice; the same entry again is no error.
 *
 * @returns the entry with the request's id
 * @throws ApiError `not_found`; `invalid`; `already_exists`: of this try there is another entry; `too_large`
 */
export async function storeLog(deps: RouteDeps, id: string, sent: JobLog): Promise<JobLog> {
  const log: JobLog = {...sent, requestId: id};
  if (!isKeyId(log.jobId)) throw refused('jobId: expected letters, digits, and _ - . between them');
  if (log.try > MAX_TRY) throw refused(`try: more than ${MAX_TRY}`);
  findRequest(deps, id);
  const entry = storedLog(log);
  const value = canonicalJson(entry);
  requireSmall(deps.store.limits, value, entry);
  const key = logKey(id, log.jobId, log.try);
  const compares: Compare[] = [
    {key: scanKey(id), exists: true},
    {key, createRevision: 0},
  ];
  const result = await deps.groupCommit.commit({compares, ops: [{put: key, value}]});
  if (result.ok) return log;
  if (result.found.get(scanKey(id)) === undefined) throw requestNotFound(id);
  if (result.found.get(key)?.value.toString() === value) return log; // Sent again by whoever did not hear our answer.
  throw new ApiError('already_exists', `there is a log entry of request ${id}, job ${log.jobId}, try ${log.try} already`);
}

const NOTHING: Decision<void> = {commit: undefined, answer: () => {}};

/** An absent state key means PENDING. */
function stateOf(record: RequestRecord): ScanStateName {
  return record.state?.value.name ?? 'PENDING';
}

function sayState(record: RequestRecord): string {
  const {desired, is_deleted: isDeleted} = record.control?.value ?? DEFAULT_CONTROL;
  return isDeleted ? 'it is deleted' : `it is ${stateOf(record)}${desired === 'run' ? '' : `, and wanted: ${desired}`}`;
}

/** @throws ApiError `wrong_state`: it does not run */
function runningState(record: RequestRecord, verb: string): ScanState {
  const state = record.state?.value;
  if (state?.name !== 'RUNNING') throw invalidState(`cannot ${verb} request ${record.id}: ${sayState(record)}`);
  return state;
}

function requirePossible({jobs_total: total}: ScanState, finishedJobs: number): void {
  if (total !== undefined && finishedJobs > total) throw refused(`finishedJobs: ${finishedJobs} of ${total} jobs`);
}

function otherRequest(named: string, id: string): ApiError {
  return refused(`requestId: is ${JSON.stringify(named.slice(0, 128))}, and the address names ${id}`);
}

function writeState(record: RequestRecord, next: ScanState): Decision<void> {
  const {id} = record;
  return {
    commit: {
      compares: [
        {key: scanKey(id), exists: true},
        {key: stateKey(id), modRevision: childRevision(record, 'state')},
      ],
      ops: [putJson(stateKey(id), next)],
    },
    answer: () => {},
  };
}

/** What was decided on is the state too: a request that ends meanwhile is not changed. */
function desire({clock}: RouteDeps, record: RequestRecord, desired: Desired): Decision<void> {
  const {id} = record;
  const control = record.control?.value ?? DEFAULT_CONTROL;
  const next = {...control, desired, generation: control.generation + 1, updated_at: clock.now() / 1000};
  return {
    commit: {
      compares: [
        {key: scanKey(id), exists: true},
        {key: controlKey(id), modRevision: childRevision(record, 'control')},
        {key: stateKey(id), modRevision: childRevision(record, 'state')},
      ],
      ops: [putJson(controlKey(id), next)],
    },
    answer: () => {},
  };
}
