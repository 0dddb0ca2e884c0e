import type {Context} from 'koa';
import type {RequestRecord} from '../../model/request-view.ts';
import {isRequest, presentRequest, presentSummary, withArgs} from '../../model/request-view.ts';
import {viewChain} from '../../model/chain-view.ts';
import {decodeCreateRequest} from '../../proto/decode.ts';
import {parseRequestQuery, parseStatusQuery} from '../../proto/filter.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite, requireEtcd} from '../freshness.ts';
import {SMALL_BODY_BYTES} from '../middleware/body.ts';
import {readRequestBody} from './body.ts';
import {argsOf, chainOf, chainViewOf} from './chain-of.ts';
import {DockerTags} from '../scans/docker-tag.ts';
import {SKYMAP_SCAN} from '../../schema/scan.ts';
import {createSkyScan} from './create-scan.ts';
import {builderFor, createRequest} from './create.ts';
import {jobNotFound, refused} from './errors.ts';
import {suspendRunning} from './executor-changes.ts';
import {answerFind} from './find.ts';
import {runnerAddress, visibleRequest} from './find-request.ts';
import {LogFollowers} from './follow.ts';
import type {RequestGate} from './gate.ts';
import {answerLogs, latestLog, storedLogs} from './logs.ts';
import {answerChain, answerRequest} from './present-chain.ts';
import {requestList} from './request-list.ts';
import {answerEmpty} from './route.ts';
import type {RequestCall, RequestRoute} from './route.ts';
import {runningStatus} from './status.ts';
import {chainInBody} from './suspended-chain.ts';
import {wantOf} from './wanted.ts';
import type {Wish} from './wanted.ts';

const ONE = '/api/v1/requests/:id';

/** What users do with requests: ask for them, look at them, stop them. */
export function userRoutes(deps: RouteDeps, gate: RequestGate): RequestRoute[] {
  return [...creationRoutes(deps, gate), ...lookRoutes(deps, gate), ...wishRoutes(deps, gate)];
}

function creationRoutes(deps: RouteDeps, gate: RequestGate): RequestRoute[] {
  const tags = new DockerTags(deps.config, deps.clock);
  return [
    {
      method: 'post',
      path: '/api/v1/requests',
      who: 'caller',
      handle: async ({ctx, principal}) => {
        const {bytes, value} = await readRequestBody(ctx, SMALL_BODY_BYTES, decodeCreateRequest);
        const isHeld = !flagOf(ctx, 'start', true);
        const {Type: type, Args: args} = value;
        const make = type === SKYMAP_SCAN && !isHeld ? undefined : builderFor(deps, type);
        await gate.authorise(principal, {op: 'start', type, args});
        requireEtcd(deps);
        const {name: user, by} = principal;
        const sent = Buffer.concat([bytes, Buffer.from(isHeld ? '\0held' : '')]);
        const record = await deps.idempotency.onceOf(isRequest, ctx, {role: 'request', name: user, by}, sent, async (remember) => {
          if (make === undefined) return createSkyScan(deps, tags, bytes, {user, remember});
          const made = await createRequest(deps, make, {type, args, user, isHeld, remember});
          return made.record;
        });
        ctx.status = 201;
        ctx.set('Location', `/api/v1/requests/${record.id}`);
        return withArgs(presentSummary(record, runnerAddress(deps, record)), argsOf(record, await chainOf(deps, record)));
      },
    },
    {
      method: 'get',
      path: '/api/v1/request-list',
      who: 'caller',
      handle: () => Promise.resolve(requestList(deps.requests?.builder?.specs)),
    },
  ];
}

function lookRoutes(deps: RouteDeps, gate: RequestGate): RequestRoute[] {
  const followers = new LogFollowers(deps);
  /** @throws ApiError `not_found` */
  const look = async (call: RequestCall): Promise<RequestRecord> => {
    await freshForRead(deps, call.ctx);
    return visibleRequest(deps, gate, call);
  };
  return [
    {
      method: 'get',
      path: '/api/v1/requests',
      who: 'caller',
      handle: async ({ctx, principal}) => {
        const filter = parseRequestQuery(ctx.querystring);
        await freshForRead(deps, ctx);
        await answerFind(deps, ctx, filter, gate.seesScans(principal));
      },
    },
    {
      method: 'get',
      path: ONE,
      who: 'caller',
      handle: async (call) => {
        const record = await look(call);
        const chain = await chainOf(deps, record);
        const view = viewChain(record, chain, deps.clock.now());
        await answerRequest(call.ctx, deps.clock, presentRequest(record, view, argsOf(record, chain), runnerAddress(deps, record)), view);
      },
    },
    {
      method: 'get',
      path: `${ONE}/job-chain`,
      who: 'caller',
      handle: async (call) => answerChain(call.ctx, deps.clock, await chainViewOf(deps, await look(call))),
    },
    {
      method: 'get',
      path: `${ONE}/log`,
      who: 'caller',
      handle: async (call) => {
        const record = await look(call);
        if (flagOf(call.ctx, 'follow', false)) followers.answer(call.ctx, record.id);
        else await answerLogs(call.ctx, storedLogs(deps.store, record.id, deps.log), await chainViewOf(deps, record));
      },
    },
    {
      method: 'get',
      path: `${ONE}/log/:job`,
      who: 'caller',
      handle: async (call) => {
        const record = await look(call);
        const stored = await latestLog(deps.store, record.id, call.jobId, deps.log);
        if (stored !== undefined) return stored;
        for (const entry of (await chainViewOf(deps, record)).computedLogs()) if (entry.jobId === call.jobId) return entry;
        throw jobNotFound(record.id, call.jobId);
      },
    },
    {
      method: 'get',
      path: '/api/v1/status/running',
      who: 'caller',
      handle: async ({ctx, principal}) => {
        const filter = parseStatusQuery(ctx.querystring);
        await freshForRead(deps, ctx);
        return runningStatus(deps, filter, gate.seesScans(principal));
      },
    },
  ];
}

function wishRoutes(deps: RouteDeps, gate: RequestGate): RequestRoute[] {
  /** @throws as {@link RequestGate.authorise}; ApiError `not_found` */
  const want = async (call: RequestCall, wish: Wish): Promise<undefined> => {
    await freshForWrite(deps, call.ctx);
    const {spec} = visibleRequest(deps, gate, call);
    const args = spec.value.request === undefined ? spec.value.args : {};
    const op = wish === 'resume' || wish === 'retry' ? 'start' : 'stop';
    await gate.authorise(call.principal, {op, type: spec.value.type, args});
    await wantOf(deps, call.requestId, wish);
    return answerEmpty(call.ctx);
  };
  return [
    {
      method: 'put',
      path: `${ONE}/stop`,
      who: 'caller',
      handle: async (call) => want(call, flagOf(call.ctx, 'pending', false) ? 'cancel' : 'stop'),
    },
    {
      method: 'put',
      path: `${ONE}/suspend`,
      who: 'caller',
      handle: async (call) => {
        // With a chain in its body this is what whoever runs the request elsewhere says.
        const {value: suspended} = await readRequestBody(call.ctx, SMALL_BODY_BYTES, chainInBody);
        if (suspended === undefined) return want(call, 'suspend');
        gate.requireExecutor(call.principal);
        await freshForWrite(deps, call.ctx);
        await suspendRunning(deps, visibleRequest(deps, gate, call).id, suspended);
        return answerEmpty(call.ctx);
      },
    },
    {method: 'put', path: `${ONE}/resume`, who: 'caller', handle: (call) => want(call, 'resume')},
    {method: 'put', path: `${ONE}/retry`, who: 'caller', handle: (call) => want(call, 'retry')},
  ];
}

/** A yes or no in the query: `true`, `false`, or nothing for `fallback`. @throws ApiError `invalid` */
function flagOf(ctx: Context, name: string, fallback: boolean): boolean {
  const value = new URLSearchParams(ctx.querystring).get(name);
  if (value === null || value === '') return fallback;
  if (value !== 'true' && value !== 'false')
    throw refused(`invalid parameter ${name}: ${JSON.stringify(value.slice(0, 100))} is neither true nor false`);
  return value === 'true';
}
