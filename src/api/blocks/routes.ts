import type {RouteDeps} from '../deps.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {deployRoutes} from './deploy-routes.ts';
import {ebRoutes} from './eb-routes.ts';
import {DEPLOYMENT, EB, PB, SCRIPT} from './kinds.ts';
import {pbOwnerRoutes} from './pb-owner-routes.ts';
import {pbRoutes} from './pb-routes.ts';
import {pbStateRoutes} from './pb-state-routes.ts';
import {readRoutes} from './read-routes.ts';
import {deploymentAnswer, ebAnswer, pbAnswer, scriptAnswer} from './schema.ts';
import {scriptRoutes} from './script-routes.ts';
import {Watchers} from './watchers.ts';

/** Execution blocks, processing blocks, scripts and deployments. */
export function blockRoutes(deps: RouteDeps): DescribedRoute[] {
  const watchers = new Watchers(deps);
  const reserved = new Set<string>();
  return [
    ...readRoutes(deps, EB, ebAnswer, watchers),
    ...ebRoutes(deps, reserved),
    ...readRoutes(deps, PB, pbAnswer, watchers),
    ...pbRoutes(deps, reserved),
    ...pbStateRoutes(deps),
    ...pbOwnerRoutes(deps),
    ...readRoutes(deps, SCRIPT, scriptAnswer, watchers),
    ...scriptRoutes(deps),
    ...readRoutes(deps, DEPLOYMENT, deploymentAnswer, watchers),
    ...deployRoutes(deps),
  ];
}
