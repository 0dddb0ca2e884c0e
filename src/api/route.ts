import {Readable} from 'node:stream';
import type Router from '@koa/router';
import type {Context} from 'koa';
import {looseJson} from '../lib/non-finite.ts';
import type {RouteDeps} from './deps.ts';
import {LargeAnswer} from './json/raw-json.ts';
import {authenticate} from './auth/authenticate.ts';
import type {Principal} from './auth/authenticate.ts';
import type {Role} from './auth/roles.ts';
import {notFound} from './api-error.ts';
import {redirected} from './redirect.ts';

/** One request, past authentication. */
export interface Call {
  readonly ctx: Context;
  readonly principal: Principal;
  /** The scan in the path; `''` where there is none. */
  readonly scanId: string;
  /** What stands in the path for its parameters, decoded. */
  readonly params: Readonly<Record<string, string>>;
}

/** One row of the route table. What `handle` returns is the answer: JSON bytes, or a value to be written as JSON. */
export interface Route {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  /** Whether a user who asks for a scan that was replaced is sent on to the one that took its place. */
  readonly redirect?: true;
  /** Who may call. The first is the role of a caller who need not say who it is. Empty: anybody, unasked. */
  readonly roles: readonly Role[];
  /** Whether the token of a deployment may call, too: what it may do there the handler finds out. */
  readonly deployments?: true;
  handle(call: Call): Promise<unknown>;
}

/** SkyDriver's ids match `\w+`; two words are not ids, since older clients use them as path segments of their own. */
const SCAN_ID = /^\w{1,128}$/;
const RESERVED = new Set(['manifest', 'result']);

/** Adds a route to the router: id, caller, redirect, answer. The first scan id of a path is its only one. `base` goes before its path in figures. */
export function addRoute(router: Router, route: Route, deps: RouteDeps, base = ''): void {
  router.register(route.path, [route.method], async (ctx: Context) => {
    ctx.state['route'] = base + route.path;
    const params = ctx['params'] as Readonly<Record<string, string>>;
    const scanId = params['id'];
    if (scanId !== undefined && (!SCAN_ID.test(scanId) || RESERVED.has(scanId))) throw notFound();
    const principal = route.roles.length === 0 ? NOBODY : await authenticate(deps, ctx, route.roles, scanId, route.deployments);
    const call: Call = {ctx, principal, scanId: scanId ?? '', params};
    if (route.redirect === true && principal.role === 'user' && (await redirected(deps, call))) return;
    const answer = await route.handle(call);
    if (answer === undefined) return; // The handler has answered.
    ctx.set('Content-Type', 'application/json; charset=UTF-8');
    if (answer instanceof LargeAnswer) {
      ctx.body = Readable.from(answer.pieces(), {objectMode: false});
      ctx.length = answer.size;
    } else ctx.body = Buffer.isBuffer(answer) ? answer : looseJson(answer);
  });
}

const NOBODY: Principal = {role: 'user'};
