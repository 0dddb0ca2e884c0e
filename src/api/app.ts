import Router from '@koa/router';
import type {Layer} from '@koa/router';
import Koa from 'koa';
import type {Context, Middleware, Next} from 'koa';
import type {ApiDeps, RouteDeps} from './deps.ts';
import {ewmsRoutes} from './ewms/routes.ts';
import {healthRoutes} from './health/routes.ts';
import {Idempotency} from './idempotency/idempotency.ts';
import {manifestRoutes} from './manifest/routes.ts';
import {createMetrics} from './metrics.ts';
import {answerError, answerThrown} from './middleware/errors.ts';
import {resultRoutes} from './result/routes.ts';
import {addRoute} from './route.ts';
import type {Route} from './route.ts';
import {scanActionRoutes} from './scans/actions.ts';
import {scanRoutes} from './scans/routes.ts';

/** Every route of version 2, and our own. */
export function routeTable(deps: RouteDeps): Route[] {
  return [...healthRoutes(deps), ...scanRoutes(deps), ...scanActionRoutes(deps), ...manifestRoutes(deps), ...resultRoutes(deps), ...ewmsRoutes(deps)];
}

/**
 * The REST API, without a listening socket: SkyDriver's version 2 at `/` and at `/v2` alike, and our own health and metrics.
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
  const routeDeps: RouteDeps = {...deps, metrics, idempotency, isCacheReady: () => isCacheReady};

  const router = new Router({strict: true, sensitive: true});
  for (const route of routeTable(routeDeps)) addRoute(router, route, routeDeps);

  /** Outermost: every request is answered, counted and logged here, once. */
  async function observe(ctx: Context, next: Next): Promise<void> {
    const startedAt = clock.monotonicMs();
    try {
      await next();
    } catch (err) {
      answerThrown(ctx, err, log);
    }
    const durationMs = clock.monotonicMs() - startedAt;
    metrics.observeRequest((ctx.state['route'] as string | undefined) ?? 'none', ctx.method, ctx.status, durationMs / 1000);
    if (log.isLevelEnabled('debug')) log.debug({method: ctx.method, path: ctx.path, status: ctx.status, durationMs}, 'request answered');
  }

  /** Finds the route and runs it. The router's own middleware would compose a chain anew for each request, which takes twice as long. */
  async function dispatch(ctx: Context, next: Next): Promise<void> {
    // The base URL picks the generation. There is one so far, so its prefix just goes away.
    if (ctx.path === '/v2') ctx.path = '/';
    else if (ctx.path.startsWith('/v2/')) ctx.path = ctx.path.slice(3);
    const {path, method} = ctx;
    const matched = router.match(path, method);
    const [layer] = matched.pathAndMethod;
    // The router would answer HEAD wherever there is a GET; SkyDriver answers 405.
    if (layer === undefined || method === 'HEAD') return answerUnmatched(ctx, matched.path);
    ctx['params'] = layer.params(path, layer.captures(path));
    await (layer.stack[0] as Middleware)(ctx, next);
  }

  function answerUnmatched(ctx: Context, layers: readonly Layer[]): void {
    const methods = layers.flatMap((layer) => layer.methods.filter((method) => method !== 'HEAD'));
    if (methods.length === 0) return answerError(ctx, 404, 'Not Found');
    ctx.set('Allow', [...new Set(methods)].join(', '));
    answerError(ctx, 405, 'Method Not Allowed');
  }

  const app = new Koa({proxy: deps.config.trustProxy ?? false});
  app.on('error', (err: unknown) => log.error({err}, 'answer failed')); // After the answer has begun: the connection broke, mostly.
  app.use(observe);
  app.use(dispatch);
  return app;
}
