import {decodeFinishRequest, decodeJobLog, decodeRequestProgress} from '../../proto/decode.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {SMALL_BODY_BYTES} from '../middleware/body.ts';
import {readRequestBody} from './body.ts';
import {chainViewOf} from './chain-of.ts';
import {finishRequest, noteProgress, startRequest, storeLog} from './executor-changes.ts';
import {visibleRequest} from './find-request.ts';
import type {RequestGate} from './gate.ts';
import {answerEmpty} from './route.ts';
import type {RequestRoute} from './route.ts';

/** What whoever drives requests from outside says of them, as Spin Cycle's job runners do. */
export function executorRoutes(deps: RouteDeps, gate: RequestGate): RequestRoute[] {
  return [
    {
      method: 'put',
      path: '/api/v1/requests/:id/start',
      who: 'executor',
      handle: async (call) => {
        await freshForWrite(deps, call.ctx);
        await startRequest(deps, visibleRequest(deps, gate, call).id);
        return answerEmpty(call.ctx);
      },
    },
    {
      method: 'put',
      path: '/api/v1/requests/:id/finish',
      who: 'executor',
      handle: async (call) => {
        const {value} = await readRequestBody(call.ctx, SMALL_BODY_BYTES, decodeFinishRequest);
        await freshForWrite(deps, call.ctx);
        await finishRequest(deps, visibleRequest(deps, gate, call).id, value);
        return answerEmpty(call.ctx);
      },
    },
    {
      method: 'put',
      path: '/api/v1/requests/:id/progress',
      who: 'executor',
      handle: async ({ctx, principal, requestId}) => {
        const {value} = await readRequestBody(ctx, SMALL_BODY_BYTES, decodeRequestProgress);
        await freshForWrite(deps, ctx);
        await noteProgress(deps, requestId, value, gate.seesScans(principal));
        return null;
      },
    },
    {
      method: 'post',
      path: '/api/v1/requests/:id/log',
      who: 'executor',
      handle: async (call) => {
        const {value} = await readRequestBody(call.ctx, SMALL_BODY_BYTES, decodeJobLog);
        await freshForWrite(deps, call.ctx);
        const stored = await storeLog(deps, visibleRequest(deps, gate, call).id, value);
        call.ctx.status = 201;
        return stored;
      },
    },
    // Not Spin Cycle's: what whoever is to go on with a request elsewhere has to be given.
    {
      method: 'get',
      path: '/api/v1/requests/:id/suspended',
      who: 'caller',
      handle: async (call) => {
        await freshForRead(deps, call.ctx);
        return (await chainViewOf(deps, visibleRequest(deps, gate, call))).suspended();
      },
    },
  ];
}
