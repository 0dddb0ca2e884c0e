import type Router from '@koa/router';
import type {Context} from 'koa';
import {programVersion} from '../../lib/version.ts';
import {encodeJson} from '../../proto/json.ts';
import {ApiError} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {requestNotFound} from './errors.ts';
import type {RequestGate} from './gate.ts';
import {authenticateRequest} from './principal.ts';
import type {RequestPrincipal} from './principal.ts';

/** One call of Spin Cycle's API, past authentication. */
export interface RequestCall {
  readonly ctx: Context;
  readonly principal: RequestPrincipal;
  /** The request in the path; `''` where there is none. */
  readonly requestId: string;
  /** The job in the path; `''` where there is none. */
  readonly jobId: string;
}

/**
 * One row of Spin Cycle's route table. What `handle` returns is the answer: bytes of JSON, or a value to be written as JSON, its bigints with all their
 * digits; `undefined`: it has answered.
 */
export interface RequestRoute {
  readonly method: 'get' | 'post' | 'put';
  readonly path: string;
  /**
   * `caller`: whoever is known; what they may do with which request the handler finds out. `executor`: who has that role, and admins. `job`: a running
   * job, whose token the handler knows.
   */
  readonly who: 'caller' | 'executor' | 'job';
  handle(call: RequestCall): Promise<unknown>;
}

/** The release of Spin Cycle whose API this is, and ours. */
export const SPINCYCLE_VERSION = `2.1.1+scanplane.${programVersion()}`;

export const VERSION_HEADER = 'X-Spincycle-Version';

/** Ids of requests and of sky scans, whoever chose them. */
const REQUEST_ID = /^\w{1,128}$/;
const JOB_ID = /^(?!\.{1,2}$)[\w.-]{1,128}$/;

/** Adds a route to the router: caller, role, ids, answer. */
export function addRequestRoute(router: Router, route: RequestRoute, deps: Pick<RouteDeps, 'authenticator' | 'stopping'>, gate: RequestGate): void {
  router.register(route.path, [route.method], async (ctx: Context) => {
    ctx.state['route'] = route.path;
    const principal = route.who === 'job' ? NOBODY : await authenticateRequest(deps.authenticator, ctx);
    if (route.who === 'executor') gate.requireExecutor(principal);
    if (route.method !== 'get' && deps.stopping?.aborted === true) throw new ApiError('unavailable', 'this process is ending', {isLogged: true});
    const {id: requestId = '', job: jobId = ''} = ctx['params'] as {id?: string; job?: string};
    if (route.path.includes(':id') && !REQUEST_ID.test(requestId)) throw requestNotFound(requestId.slice(0, 128));
    if (route.path.includes(':job') && !JOB_ID.test(jobId)) throw requestNotFound(requestId);
    const answer = await route.handle({ctx, principal, requestId, jobId});
    if (answer === undefined) return;
    ctx.set('Content-Type', 'application/json; charset=UTF-8');
    ctx.body = Buffer.isBuffer(answer) ? answer : encodeJson(answer);
  });
}

const NOBODY: RequestPrincipal = {isUnasked: false, roles: [], scanRoles: []};

/** A 200 without a body, as PUT routes answer. */
export function answerEmpty(ctx: Context): undefined {
  ctx.body = null;
  ctx.status = 200;
  return undefined;
}
