import type {Context} from 'koa';
import {must} from '../lib/assert.ts';
import {findScan} from './compare-and-set.ts';
import type {RouteDeps} from './deps.ts';
import {freshForRead, freshForWrite} from './freshness.ts';
import {peekBody} from './middleware/body.ts';
import {askedWorkersId} from './idempotency/idempotency.ts';
import type {Call} from './route.ts';

/** An address as it was asked for: prefix of the generation, scan id, and all that follows. */
const SCAN_ADDRESS = /^((?:\/v\d+)?\/scan\/)[^/?]+(.*)$/s;
/** Ids that SkyDriver's addresses can carry. What was put by hand may be anything. */
const SCAN_ID = /^\w{1,128}$/;
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i;

/**
 * Sends a user on who asks for a scan that was replaced: one hop, to the same address with the other id. With `no_redirect`, `true` in any case, in the
 * query or else in a JSON body, the scan itself answers.
 *
 * 302 for GET; 307 for anything else, after which clients keep the method and the body: a DELETE stays a DELETE.
 *
 * @returns whether the request has been answered
 * @throws ApiError `not_found`: there is no such scan
 */
export async function redirected(deps: RouteDeps, {ctx, principal, scanId}: Call): Promise<boolean> {
  if (ctx.method === 'GET') await freshForRead(deps, ctx);
  else await freshForWrite(deps, ctx);
  const control = findScan(deps, scanId).control?.value;
  const next = control?.replaced_by_scan_id;
  // What we write never points to itself; what was put by hand might.
  if (next === undefined || next === scanId || !SCAN_ID.test(next)) return false;
  if (await isDeclined(ctx)) return false;
  // It may be the very request that replaced the scan, come again because its answer was lost: that is for the handler to answer.
  if (await deps.idempotency.isRepeated(ctx, principal)) return false;
  // Or one that gave the scan more workers before it was replaced: on the new one it would do so again.
  const workersId = askedWorkersId(ctx, principal);
  if (workersId !== undefined && control?.extra_workers.some(({id}) => id === workersId) === true) return false;
  const [, before, after] = must(SCAN_ADDRESS.exec(ctx.path + ctx.search) ?? undefined, 'a scan’s address');
  ctx.status = ctx.method === 'GET' ? 302 : 307;
  ctx.set('Location', `${originOf(ctx, deps.config.publicAddress)}${before}${next}${after}`);
  ctx.body = '';
  ctx.remove('Content-Type');
  return true;
}

async function isDeclined(ctx: Context): Promise<boolean> {
  const word = new URLSearchParams(ctx.querystring).getAll('no_redirect').at(-1) ?? (await bodyMember(ctx, 'no_redirect'));
  return String(word).trim().toLowerCase() === 'true';
}

/** A member of a JSON body. A body that is none has no members: the redirect comes before any complaint. */
async function bodyMember(ctx: Context, name: string): Promise<unknown> {
  const bytes = await peekBody(ctx);
  try {
    return (JSON.parse(bytes.toString('utf8')) as Record<string, unknown> | null)?.[name];
  } catch {
    return undefined;
  }
}

/**
 * The address, up to the path, under which the client reached us. What a proxy says of that counts only where `trustProxy` is set, since anybody can
 * send such headers; for the host of the public address, all of that address holds. A `Host` that is none gets the public address.
 */
function originOf(ctx: Context, publicAddress: string): string {
  const {host, protocol} = ctx;
  if (!HOST.test(host) || !/^https?$/.test(protocol)) return publicAddress;
  return URL.parse(publicAddress)?.host === host.toLowerCase() ? publicAddress : `${protocol}://${host}`;
}
