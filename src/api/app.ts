import Router from '@koa/router';
import type {Layer} from '@koa/router';
import Koa from 'koa';
import type {Context, Middleware, Next} from 'koa';
import {unreachable} from '../lib/assert.ts';
import type {ApiDeps, RouteDeps} from './deps.ts';
import {RecentChanges} from './blocks/recent-changes.ts';
import {blockRoutes} from './blocks/routes.ts';
import {ewmsRoutes} from './ewms/routes.ts';
import {generationOf, withoutPrefix} from './generation.ts';
import type {Generation} from './generation.ts';
import {healthRoutes} from './health/routes.ts';
import {Idempotency} from './idempotency/idempotency.ts';
import {k8sJobRoutes} from './k8s-job/routes.ts';
import {manifestRoutes} from './manifest/routes.ts';
import {createMetrics} from './metrics.ts';
import {answerError, answerThrown} from './middleware/errors.ts';
import type {DescribedRoute} from './openapi/described-route.ts';
import {answerMessage, answerRequestThrown} from './requests/errors.ts';
import {gateOf} from './requests/gate.ts';
import {isRequestPath} from './requests/paths.ts';
import {SPINCYCLE_VERSION, VERSION_HEADER} from './requests/route.ts';
import {requestRouter} from './requests/table.ts';
import {openApiRoutes} from './openapi/routes.ts';
import {resultRoutes} from './result/routes.ts';
import {addRoute} from './route.ts';
import {scanActionRoutes} from './scans/actions.ts';
import type {Route} from './route.ts';
import {scanRoutes} from './scans/routes.ts';
import {textsByGeneration} from './texts/index.ts';
import {v0Routes} from './v0/routes.ts';
import {v1Routes} from './v1/routes.ts';

/** How a connection ends that the client has left while its answer was on the way. */
const CLIENT_WENT_AWAY: ReadonlySet<string | undefined> = new Set(['ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE']);

/** The route table of version 2, with our own health, metrics and description. */
export function v2Routes(deps: RouteDeps): DescribedRoute[] {
  const routes = [
    ...healthRoutes(deps),
    ...scanRoutes(deps),
    ...scanActionRoutes(deps),
    ...manifestRoutes(deps),
    ...resultRoutes(deps),
    ...ewmsRoutes(deps),
    ...k8sJobRoutes(deps),
    ...blockRoutes(deps),
  ];
  return [...routes, ...openApiRoutes(deps, routes)];
}

/** Every route of one version; our own stand with version 2. */
export function routeTable(deps: RouteDeps, generation: Generation): readonly Route[] {
  switch (generation) {
    case 'v2':
      return v2Routes(deps);
    case 'v1':
      return v1Routes(deps);
    case 'v0':
      return v0Routes(deps);
    default:
      return unreachable(generation);
  }
}

/**
 * The REST API, without a listening socket: SkyDriver's version 2 at `/` and at `/v2` alike, version 1 at `/v1`, version 0 at `/v0` and, as far as no
 * other version has its paths, at `/`; Spin Cycle's API at `/api/v1`; and our own health and metrics.
 *
 * It reads the cache, writes keys, and never speaks to a controller.
 */
export function createApp(deps: ApiDeps): Koa {
  const {cache, clock, log} = deps;
  const metrics = createMetrics(deps);
  let isCacheReady = false;
  cache.ready().then(
    () => (isCacheReady = true),
    () => {}, // Only an abort ends it, and then nobody asks any more.
  );
  const idempotency = new Idempotency(deps);
  const texts = textsByGeneration(deps.config.texts);
  const recentChanges = new RecentChanges(cache, deps.stopping ?? new AbortController().signal);
  const routeDeps: RouteDeps = {...deps, metrics, idempotency, texts, recentChanges, isCacheReady: () => isCacheReady};

  const tables: Readonly<Record<Generation, Router>> = {
    v2: routerOf('v2', routeDeps),
    v1: routerOf('v1', routeDeps, '/v1'),
    v0: routerOf('v0', routeDeps, '/v0'),
  };

  const requests = requestRouter(routeDeps, gateOf(deps.requests));

  /** Outermost: every request is answered, counted and logged here, once. */
  async function observe(ctx: Context, next: Next): Promise<void> {
    const startedAt = clock.monotonicMs();
    try {
      await next();
    } catch (err) {
      if (isRequestPath(ctx.path)) answerRequestThrown(ctx, err, log);
      else answerThrown(ctx, err, log);
    }
    const durationMs = clock.monotonicMs() - startedAt;
    metrics.observeRequest((ctx.state['route'] as string | undefined) ?? 'none', ctx.method, ctx.status, durationMs / 1000);
    if (log.isLevelEnabled('debug')) log.debug({method: ctx.method, path: ctx.path, status: ctx.status, durationMs}, 'request answered');
  }

  /** Finds the version and the route, and runs it. The router's own middleware would compose a chain anew for each request, which takes twice as long. */
  async function dispatch(ctx: Context, next: Next): Promise<void> {
    if (isRequestPath(ctx.path)) return dispatchRequest(ctx, next);
    const generation = generationOf(ctx.path);
    const path = withoutPrefix(ctx.path);
    ctx.state['texts'] = texts[generation];
    const matched = tables[generation].match(path, ctx.method);
    const [layer] = matched.pathAndMethod;
    // The router would answer HEAD wherever there is a GET; SkyDriver answers 405.
    if (layer === undefined || ctx.method === 'HEAD') return answerUnmatched(ctx, matched.path, answerError);
    ctx['params'] = layer.params(path, layer.captures(path));
    await (layer.stack[0] as Middleware)(ctx, next);
  }

  /** As {@link dispatch}, of Spin Cycle's API. */
  async function dispatchRequest(ctx: Context, next: Next): Promise<void> {
    ctx.set(VERSION_HEADER, SPINCYCLE_VERSION);
    const matched = requests.match(ctx.path, ctx.method);
    const [layer] = matched.pathAndMethod;
    if (layer === undefined || ctx.method === 'HEAD') return answerUnmatched(ctx, matched.path, answerMessage);
    ctx['params'] = layer.params(ctx.path, layer.captures(ctx.path));
    await (layer.stack[0] as Middleware)(ctx, next);
  }

  function answerUnmatched(ctx: Context, layers: readonly Layer[], answer: (ctx: Context, status: number, reason: string) => void): void {
    const methods = layers.flatMap((layer) => layer.methods.filter((method) => method !== 'HEAD'));
    if (methods.length === 0) return answer(ctx, 404, 'Not Found');
    ctx.set('Allow', [...new Set(methods)].join(', '));
    answer(ctx, 405, 'Method Not Allowed');
  }

  const app = new Koa({proxy: deps.config.trustProxy ?? false});
  // After the answer has begun.
  app.on('error', (err: NodeJS.ErrnoException) => {
    if (CLIENT_WENT_AWAY.has(err.code)) log.info('a client went away before its answer ended');
    else log.error({err}, 'answer failed');
  });
  app.use(observe);
  app.use(dispatch);
  return app;
}

function routerOf(generation: Generation, deps: RouteDeps, base = ''): Router {
  const router = new Router({strict: true, sensitive: true});
  for (const route of routeTable(deps, generation)) addRoute(router, route, deps, base);
  return router;
}
