import type {RouteDeps} from '../deps.ts';
import type {Route} from '../route.ts';
import {v1ReportRoutes} from './report-routes.ts';
import {v1ScanRoutes} from './scan-routes.ts';
import {v1StatusRoutes} from './status-routes.ts';

/** SkyDriver 1.3. @see SkyDriver 1.3.2, README */
export function v1Routes(deps: RouteDeps): Route[] {
  return [...v1ScanRoutes(deps), ...v1ReportRoutes(deps), ...v1StatusRoutes(deps)];
}
