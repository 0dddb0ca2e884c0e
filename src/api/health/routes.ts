import {formatPlace} from '../../specs/finding.ts';
import type {Finding} from '../../specs/spec.ts';
import type {RouteDeps} from '../deps.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {livezAnswer, readyzAnswer} from './schema.ts';

/** Bad keys, and bad specs, that one answer names; the count tells how many there are. */
const MAX_BAD = 100;

/** Whether this process lives and is of use, and its figures. Nobody is asked who they are. */
export function healthRoutes(deps: RouteDeps): DescribedRoute[] {
  const {cache, store, metrics} = deps;
  const badSpecs = (deps.requests?.builder?.specs.findings ?? []).filter(({severity}) => severity === 'error').map(presentFinding);
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
      summary: 'Whether the process is of use, and what is wrong: with the database, with keys that do not parse, and with request specs.',
      answer: readyzAnswer,
      otherAnswers: {503: {description: 'Not of use yet, or not any more.', schema: readyzAnswer}},
      handle: async ({ctx}) => {
        const checks = {cache: deps.isCacheReady(), etcd: store.isReachable(), serving: deps.stopping?.aborted !== true};
        const isReady = Object.values(checks).every(Boolean);
        ctx.status = isReady ? 200 : 503;
        return {
          status: isReady ? 'ok' : 'unavailable',
          checks,
          revision: cache.revision,
          cache_age_seconds: checks.cache ? cache.ageMs() / 1000 : null,
          scans: cache.scans.size,
          bad_keys_total: cache.bad.size,
          bad_keys: [...cache.bad.values()].slice(0, MAX_BAD).map(({key, reason}) => ({key, reason})),
          bad_specs_total: badSpecs.length,
          bad_specs: badSpecs.slice(0, MAX_BAD),
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

function presentFinding({place, sequence, node, field, message}: Finding): Readonly<Record<string, string>> {
  return {
    place: formatPlace(place),
    ...(sequence === undefined ? {} : {sequence}),
    ...(node === undefined ? {} : {node}),
    reason: field === undefined ? message : `${field}: ${message}`,
  };
}
