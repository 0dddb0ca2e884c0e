import Router from '@koa/router';
import Koa from 'koa';
import type {Context, Middleware, Next} from 'koa';
import {ControlPlaneError} from '../../lib/errors.ts';
import {ProtoError} from '../../proto/error.ts';
import {ApiError} from '../api-error.ts';
import {FrameworkError, answerMessage, answerRequestThrown} from '../requests/errors.ts';
import type {RequestGate} from '../requests/gate.ts';
import {SPINCYCLE_VERSION, VERSION_HEADER, addRequestRoute} from '../requests/route.ts';
import {runnerRoutes} from './routes.ts';
import type {RunnerDeps} from './routes.ts';

/** What is answered without asking who calls. */
type OpenAnswer = (ctx: Context, deps: RunnerDeps) => void | Promise<void>;

const OPEN: Readonly<Record<string, OpenAnswer>> = {
  '/version': answerVersion,
  '/api/v1/version': answerVersion,
  '/livez': (ctx) => {
    ctx.body = {status: 'ok'};
  },
  '/readyz': (ctx, deps) => {
    const checks = {cache: deps.isCacheReady(), etcd: deps.store.isReachable(), taking_chains: !deps.isStopping()};
    const isReady = Object.values(checks).every(Boolean);
    ctx.status = isReady ? 200 : 503;
    ctx.body = {status: isReady ? 'ok' : 'unavailable', checks};
  },
  '/metrics': async (ctx, {metrics}) => {
    ctx.set('Content-Type', metrics.contentType);
    ctx.body = await metrics.metrics();
  },
};

/** The API of Spin Cycle's job runners, without a listening socket: what a process that runs controllers answers. All its errors have a message and nothing else. */
export function createRunnerApp(deps: RunnerDeps, gate: RequestGate): Koa {
  const {log} = deps;
  const router = new Router({strict: true, sensitive: true});
  for (const route of runnerRoutes(deps, gate)) addRequestRoute(router, route, deps, gate);

  async function observe(ctx: Context, next: Next): Promise<void> {
    ctx.set(VERSION_HEADER, SPINCYCLE_VERSION);
    try {
      await next();
    } catch (err) {
      answerRequestThrown(ctx, withMessageAlone(err), log);
    }
  }

  async function dispatch(ctx: Context, next: Next): Promise<void> {
    const open = Object.hasOwn(OPEN, ctx.path) ? OPEN[ctx.path] : undefined;
    if (open !== undefined) {
      if (ctx.method === 'GET') return open(ctx, deps);
      ctx.set('Allow', 'GET');
      return answerMessage(ctx, 405, 'Method Not Allowed');
    }
    const matched = router.match(ctx.path, ctx.method);
    const [layer] = matched.pathAndMethod;
    if (layer === undefined || ctx.method === 'HEAD') {
      const methods = matched.path.flatMap((each) => each.methods.filter((method) => method !== 'HEAD'));
      if (methods.length === 0) return answerMessage(ctx, 404, 'Not Found');
      ctx.set('Allow', [...new Set(methods)].join(', '));
      return answerMessage(ctx, 405, 'Method Not Allowed');
    }
    ctx['params'] = layer.params(ctx.path, layer.captures(ctx.path));
    await (layer.stack[0] as Middleware)(ctx, next);
  }

  const app = new Koa();
  app.on('error', (err: Error) => log.info({err}, 'an answer of the job runner did not reach its client'));
  app.use(observe);
  app.use(dispatch);
  return app;
}

function answerVersion(ctx: Context): void {
  ctx.set('Content-Type', 'text/plain; charset=UTF-8');
  ctx.body = SPINCYCLE_VERSION;
}

/** As what has the shape of a job runner's error. */
function withMessageAlone(thrown: unknown): unknown {
  if (thrown instanceof ProtoError) return new FrameworkError('invalid', thrown.message);
  const error = ControlPlaneError.from(thrown);
  return error instanceof ApiError ? new FrameworkError(error.code, error.detail, {cause: thrown}) : thrown;
}
