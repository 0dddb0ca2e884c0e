import Router from '@koa/router';
import type {RouteDeps} from '../deps.ts';
import {executorRoutes} from './executor-routes.ts';
import type {RequestGate} from './gate.ts';
import {jobRoutes} from './job-routes.ts';
import {SPINCYCLE_VERSION, addRequestRoute} from './route.ts';
import type {RequestRoute} from './route.ts';
import {userRoutes} from './user-routes.ts';

/** Every route of Spin Cycle's API. */
export function requestRoutes(deps: RouteDeps, gate: RequestGate): RequestRoute[] {
  return [...versionRoutes(), ...userRoutes(deps, gate), ...executorRoutes(deps, gate), ...jobRoutes(deps)];
}

/** The version is outside of the API's base path, and inside too, for who looks there. */
function versionRoutes(): RequestRoute[] {
  return ['/version', '/api/v1/version'].map((path) => ({
    method: 'get',
    path,
    who: 'caller',
    handle: ({ctx}) => {
      ctx.set('Content-Type', 'text/plain; charset=UTF-8');
      ctx.body = SPINCYCLE_VERSION;
      return Promise.resolve(undefined);
    },
  }));
}

export function requestRouter(deps: RouteDeps, gate: RequestGate): Router {
  const router = new Router({strict: true, sensitive: true});
  for (const route of requestRoutes(deps, gate)) addRequestRoute(router, route, deps, gate);
  return router;
}
