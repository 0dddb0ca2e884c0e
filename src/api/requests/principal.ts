import type {Context} from 'koa';
import {bearerOf, isForeignPage} from '../auth/authenticate.ts';
import type {Authenticator} from '../auth/authenticator.ts';
import type {Role} from '../auth/roles.ts';
import {unauthorized} from './errors.ts';

/** Who calls Spin Cycle's API. */
export interface RequestPrincipal {
  /** Nobody is asked who they are, so everybody may do everything. */
  readonly isUnasked: boolean;
  readonly name?: string;
  /** Which of several authenticators knows that name. */
  readonly by?: number;
  /** Roles of which the access lists of requests speak. */
  readonly roles: readonly string[];
  /** Roles that SkyDriver knows: theirs are the sky scans. */
  readonly scanRoles: readonly Role[];
}

/**
 * Finds out who calls; of whoever is known, the roles say what they may. The token of a scanner is good for SkyDriver's routes alone.
 *
 * @throws FrameworkError `forbidden`; ApiError `unavailable`: nobody can tell now
 */
export async function authenticateRequest(authenticator: Authenticator | undefined, ctx: Context): Promise<RequestPrincipal> {
  if (authenticator === undefined) {
    if (isForeignPage(ctx)) throw unauthorized('authorization failed');
    return {isUnasked: true, roles: [], scanRoles: []};
  }
  const token = bearerOf(ctx.req.headers.authorization);
  const identity = token === undefined ? undefined : await authenticator.identify(token);
  if (identity === undefined) throw unauthorized('authentication failed');
  const {name, by, requestRoles = [], roles} = identity;
  // Whoever has no role at all has no business here, whatever else the provider lets them do.
  if (requestRoles.length === 0 && roles.v2.length === 0) throw unauthorized('authorization failed');
  return {isUnasked: false, name, ...(by === undefined ? {} : {by}), roles: requestRoles, scanRoles: roles.v2};
}
