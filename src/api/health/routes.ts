import type {RouteDeps} from '../deps.ts';
import type {Route} from '../route.ts';

/** Bad keys that one answer names; the count tells how many there are. */
const MAX_BAD_KEYS = 100;

/** Whether this process lives and is of use, and its figures. Nobody is asked who they are. */
export function healthRoutes(deps: RouteDeps): Route[] {
  const {cache, store, metrics} = deps;
  return [
    {method: 'get', path: '/livez', roles: [], handle: async () => ({status: 'ok'})},
    {
      method: 'get',
      path: '/readyz',
      roles: [],
      handle: async ({ctx}) => {
        const checks = {cache: deps.isCacheReady(), etcd: store.isReachable()};
        const isReady = checks.cache && checks.etcd;
        ctx.status = isReady ? 200 : 503;
        return {
          status: isReady ? 'ok' : 'unavailable',
          checks,
          revision: cache.revision,
          cache_age_seconds: checks.cache ? cache.ageMs() / 1000 : null,
          scans: cache.scans.size,
          bad_keys_total: cache.bad.size,
          bad_keys: [...cache.bad.values()].slice(0, MAX_BAD_KEYS).map(({key, reason}) => ({key, reason})),
        };
      },
    },
    {
      method: 'get',
      path: '/metrics',
      roles: [],
      handle: async ({ctx}) => {
        ctx.set('Content-Type', metrics.registry.contentType);
        ctx.body = await metrics.registry.metrics();
        return undefined;
      },
    },
  ];
}
