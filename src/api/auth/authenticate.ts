import type {Context} from 'koa';
import {scanOfJobToken, tokenDigest} from '../../schema/job-token.ts';
import type {Cache} from '../../store/cache.ts';
import {authenticationFailed, authorizationFailed} from '../api-error.ts';
import {generationOf} from '../generation.ts';
import type {Authenticator, Bearer} from './authenticator.ts';
import type {Role} from './roles.ts';
import {deploymentOfToken, deploymentStanding} from './deployment-token.ts';
import {standingOf} from './scanner-token.ts';

/** Who calls, and as what. */
export interface Principal {
  readonly role: Role;
  /** A person's or service's name, where the authentication tells one. */
  readonly name?: string;
  /** Which of several authenticators knows that name. */
  readonly by?: number;
  /** The deployment whose process calls. It may read blocks, and write what belongs to its own. */
  readonly deployment?: string;
}

export interface AuthenticateDeps {
  readonly cache: Cache;
  /** Without one, callers need not say who they are. */
  readonly authenticator?: Authenticator | undefined;
}

/**
 * Finds out who calls.
 *
 * - The token of the newest try of the scan's server makes its bearer `system` on that scan alone. One of an older try is refused everywhere, since its
 *   process has been replaced; so is the token of another scan.
 * - The token of the newest try of a deployment opens the routes that say so, as what it is; no others.
 * - Any other token is the authenticator's: its bearer acts with the first of the sorted roles that the route allows.
 * - Without an authenticator, who brings no token, or one we never gave, gets the first role that the route lists, as with SkyDriver's CI mode; but a
 *   token we never gave never makes anybody `system`. The page of another site, which a browser opened on this machine, may change nothing.
 *
 * @param roles those that the route allows; at least one
 * @param deployments whether it allows deployments
 * @throws ApiError `forbidden`; `unavailable`: nobody can tell now
 */
export async function authenticate(
  deps: AuthenticateDeps,
  ctx: Context,
  roles: readonly Role[],
  scanId: string | undefined,
  deployments = false,
): Promise<Principal> {
  const {cache, authenticator} = deps;
  const {authorization} = ctx.req.headers;
  const first = roles[0] as Role;
  if (authenticator === undefined && isForeignPage(ctx)) throw authorizationFailed();
  if (authenticator === undefined && (authorization === undefined || authorization === '')) return {role: first};
  const token = bearerOf(authorization);
  if (token === undefined) return withoutToken(authenticator, first);

  const deployment = deploymentOfToken(token);
  if (deployment !== undefined) {
    const isNewest = await isNewestTry(cache, token, deployment);
    if (isNewest === undefined) return withoutToken(authenticator, first);
    if (!isNewest || !deployments) throw authorizationFailed();
    return {role: first, name: `deploy.${deployment}`, deployment};
  }
  let standing = standingOf(cache, token, scanId);
  if (standing === 'unknown') {
    const identity = await authenticator?.identify(token);
    if (identity !== undefined) {
      const role = identity.roles[generationOf(ctx.path)].find((each) => roles.includes(each));
      if (role === undefined) throw authorizationFailed();
      return {role, name: identity.name, ...(identity.by === undefined ? {} : {by: identity.by})};
    }
    if (scanId !== undefined && roles.includes('system')) standing = await standingNow(cache, token, scanId);
  }
  if (standing === 'unknown') return withoutToken(authenticator, first);
  if (standing !== 'newest' || !roles.includes('system')) throw authorizationFailed();
  return {role: 'system'};
}

/** Whether a token is that of a deployment's newest try, which may be newer than what we have seen. `undefined`: it was never given. */
async function isNewestTry(cache: Cache, token: Bearer, deployment: string): Promise<boolean | undefined> {
  let standing = deploymentStanding(cache, token, deployment);
  if (standing === 'unknown') {
    await cache.catchUp();
    standing = deploymentStanding(cache, token, deployment);
  }
  return standing === 'unknown' ? undefined : standing === 'newest';
}

/** As {@link standingOf}; the try that the token belongs to may be newer than what we have seen. */
async function standingNow(cache: Cache, token: Bearer, scanId: string): Promise<ReturnType<typeof standingOf>> {
  try {
    await cache.catchUp();
  } catch (err) {
    // A scanner ends when it is refused, and waits when it is told that nobody can tell.
    if (scanOfJobToken(token.text) === scanId) throw err;
  }
  return standingOf(cache, token, scanId);
}

/** @throws ApiError `forbidden` */
function withoutToken(authenticator: Authenticator | undefined, first: Role): Principal {
  if (authenticator !== undefined || first === 'system') throw authenticationFailed();
  return {role: first};
}

/** Whether a browser says that a page of another site wants something changed. */
export function isForeignPage({method, headers, host}: Context): boolean {
  const {origin} = headers;
  return origin !== undefined && method !== 'GET' && URL.parse(origin)?.host !== host;
}

/** The token that a request brings. */
export function bearerOf(authorization: string | undefined): Bearer | undefined {
  const text = authorization === undefined ? undefined : /^bearer +(\S+)$/i.exec(authorization.trim())?.[1];
  return text === undefined ? undefined : {text, digest: tokenDigest(text)};
}
