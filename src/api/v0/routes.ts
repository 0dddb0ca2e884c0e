import type {RouteDeps} from '../deps.ts';
import type {Route} from '../route.ts';
import {v0ManifestRoutes} from './manifest-routes.ts';
import {v0ResultRoutes} from './result-routes.ts';
import {v0ScanRoutes} from './scan-routes.ts';

/** SkyDriver 0: scans have a manifest and a result, each with a life of its own. @see SkyDriver 0.0.73, README */
export function v0Routes(deps: RouteDeps): Route[] {
  return [...v0ScanRoutes(deps), ...v0ManifestRoutes(deps), ...v0ResultRoutes(deps)];
}
