import type {Registry} from 'prom-client';
import {hasCode} from '../../lib/errors.ts';
import {ownTurn} from '../../lib/turn.ts';
import {runningJobs} from '../../model/chain-view.ts';
import {isScan} from '../../model/manifest.ts';
import {isRequest} from '../../model/request-view.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import {newChain, resumedChain} from '../../model/wire-chain.ts';
import type {TakenChain, WireJobs} from '../../model/wire-chain.ts';
import {decodeJobChain, decodeSuspendedJobChain} from '../../proto/decode.ts';
import {parseStatusQuery} from '../../proto/filter.ts';
import {compareJobStatuses} from '../../proto/sort.ts';
import type {JobChain, JobStatus} from '../../proto/types.ts';
import {isOver} from '../../model/scan-record.ts';
import {ApiError} from '../api-error.ts';
import type {ApiDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {readRequestBody} from '../requests/body.ts';
import {refused, requestNotFound} from '../requests/errors.ts';
import {answerEmpty} from '../requests/route.ts';
import type {RequestCall, RequestRoute} from '../requests/route.ts';
import {visibleRequest} from '../requests/find-request.ts';
import type {RequestGate} from '../requests/gate.ts';
import {wantOf} from '../requests/wanted.ts';
import {digestOf, takeChain} from './take-chain.ts';

/** What the job runner's API works with. */
export interface RunnerDeps extends Pick<ApiDeps, 'store' | 'cache' | 'groupCommit' | 'blobs' | 'clock' | 'log' | 'authenticator'> {
  /** Id of the replica whose jobs it speaks for. */
  readonly replica: string;
  readonly jobs: WireJobs;
  readonly bodyLimitBytes: number;
  /** The process' figures. */
  readonly metrics: Registry;
  /** Where it can be reached, without a slash at the end. */
  address(): string;
  /** Whether the process is about to end: then it takes no more chains. */
  isStopping(): boolean;
  isCacheReady(): boolean;
}

/** Largest body that holds a chain. Whoever reads it also keeps a lease alive: so much takes a second or two. */
const CHAIN_BYTES = 16 * 1024 * 1024;

/** Ids of requests, as the store and the routes take them. */
const REQUEST_ID = /^\w{1,128}$/;

/** Every route of Spin Cycle's job runners but the version. */
export function runnerRoutes(deps: RunnerDeps, gate: RequestGate): RequestRoute[] {
  const limitBytes = Math.min(deps.bodyLimitBytes, CHAIN_BYTES);
  return [
    {
      method: 'post',
      path: '/api/v1/job-chains',
      who: 'executor',
      handle: async (call) => {
        const {value} = await readRequestBody(call.ctx, limitBytes, decodeJobChain);
        return take(deps, call, 'new', value.requestId, value, () => newChain(value, deps.jobs));
      },
    },
    {
      method: 'post',
      path: '/api/v1/job-chains/resume',
      who: 'executor',
      handle: async (call) => {
        const {value} = await readRequestBody(call.ctx, limitBytes, decodeWithChain);
        const {requestId, jobChain} = value;
        if (requestId !== '' && jobChain.requestId !== '' && requestId !== jobChain.requestId) throw refused('jobChain.requestId: is not requestId');
        return take(deps, call, 'resumed', requestId || jobChain.requestId, value, () => resumedChain(value, deps.jobs));
      },
    },
    {
      method: 'put',
      path: '/api/v1/job-chains/:id/stop',
      who: 'executor',
      handle: async (call) => {
        await freshForWrite(deps, call.ctx);
        await stopChain(deps, visibleRequest(deps, gate, call));
        return answerEmpty(call.ctx);
      },
    },
    {
      method: 'get',
      path: '/api/v1/status/running',
      who: 'executor',
      handle: async ({ctx, principal}) => {
        const {requestId} = parseStatusQuery(ctx.querystring);
        await freshForRead(deps, ctx);
        return running(deps, requestId, gate.seesScans(principal));
      },
    },
  ];
}

function decodeWithChain(body: unknown): ReturnType<typeof decodeSuspendedJobChain> {
  const {jobChain} = (body ?? {}) as {readonly jobChain?: unknown};
  if (jobChain === undefined || jobChain === null) throw refused('jobChain: is missing');
  return decodeSuspendedJobChain(body);
}

async function take(
  deps: RunnerDeps,
  {ctx, principal}: RequestCall,
  kind: 'new' | 'resumed',
  requestId: string,
  body: JobChain | ReturnType<typeof decodeSuspendedJobChain>,
  convert: () => TakenChain,
): Promise<undefined> {
  if (deps.isStopping()) throw new ApiError('unavailable', 'shutting down');
  if (!REQUEST_ID.test(requestId)) throw refused('requestId: expected up to 128 letters, digits and _');
  try {
    await ownTurn(); // Large ones take their time; the rest of the process gets its turns in between.
    const taken = convert();
    await freshForWrite(deps, ctx);
    await takeChain(deps, {...taken, requestId, user: principal.name, isResumed: kind === 'resumed', digest: digestOf(kind, body)});
  } catch (err) {
    // A job runner says 400 to an id that it holds already.
    if (hasCode(err, 'invalid', 'already_exists')) throw refused(err.detail);
    if (hasCode(err, 'too_large')) throw new ApiError('too_large', err.detail);
    throw err;
  }
  ctx.set('Location', `${deps.address()}/api/v1/job-chains/${requestId}`);
  return answerEmpty(ctx);
}

/** Wants a request stopped, begun or not; its owner does the rest. One that is over stays as it is. @throws ApiError `not_found` */
async function stopChain(deps: RunnerDeps, record: RequestRecord): Promise<void> {
  if (!isOver(record)) await wantOf(deps, record.id, 'cancel');
}

/** Jobs of the requests that this replica leads, of sky scans if the caller sees those. @throws ApiError `not_found`: it does not lead that one */
function running({cache, replica}: RunnerDeps, requestId: string | undefined, seesScans: boolean): JobStatus[] {
  const ids = requestId === undefined ? [...cache.scans.idsBy('owner', replica)] : [requestId];
  const records = ids
    .map((id) => cache.scans.get(id))
    .filter((record): record is RequestRecord => isRequest(record) && record.owner?.value.replica === replica)
    .filter((record) => seesScans || !isScan(record));
  if (requestId !== undefined && records.length === 0) throw requestNotFound(requestId);
  return records.flatMap((record) => [...runningJobs(record)]).sort(compareJobStatuses);
}
