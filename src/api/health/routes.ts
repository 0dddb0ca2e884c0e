import type {RouteDeps} from '../deps.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {livezAnswer, readyzAnswer} from './schema.ts';

/** Bad keys that one answer names; the count tells how many there are. */
const MAX_BAD_KEYS = 100;

/** Whether this process lives and is of use, and its figures. Nobody is asked who they are. */
export function healthRoutes(deps: RouteDeps): DescribedRoute[] {
  const {cache, store, metrics} = deps;
  return [
    {
      method: 'get',
      path: '/livez',
      roles: [],
      summary: 'Whether the process lives.',
      answer: livezAnswer,
      handle: async () => ({status: 'ok'}),
    },
    {
      method: 'get',
      path: '/readyz',
      roles: [],
      summary: 'Whether the process is of use, and what is wrong: with the database, and with keys that do not parse.',
      answer: readyzAnswer,
      otherAnswers: {503: {description: 'Not of use yet, or not any more.', schema: readyzAnswer}},
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
      summary: 'Figures of the process, for Prometheus.',
      answer: {type: 'string'},
      answerType: 'text/plain',
      handle: async ({ctx}) => {
        ctx.set('Content-Type', metrics.registry.contentType);
        ctx.body = await metrics.registry.metrics();
        return undefined;
      },
    },
  ];
}
