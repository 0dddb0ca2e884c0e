import {createHash} from 'node:crypto';
import type {Cache} from '../../store/cache.ts';
import {authenticationFailed, authorizationFailed} from '../api-error.ts';

export type Role = 'user' | 'system';

/** Who calls. `system` is the scanner of the scan in the path. */
export interface Principal {
  readonly role: Role;
  /** A person's name, where the authentication tells one. */
  readonly name?: string;
}

/**
 * Finds out who calls, without an identity provider: for servers that listen on loopback alone.
 *
 * - A token that was given to the newest try of the scan's server makes the caller `system`.
 * - One of an older try is refused everywhere on that scan: its process has been replaced.
 * - Without a token, or with one we never gave, a caller gets the first role that the route lists, as with SkyDriver's CI mode; but a
 *   token we never gave never makes anybody `system`.
 *
 * @throws ApiError `forbidden`
 */
export async function authenticate(
  cache: Cache,
  authorization: string | undefined,
  roles: readonly Role[],
  scanId: string | undefined,
): Promise<Principal> {
  const first = roles[0] as Role;
  if (authorization === undefined || authorization === '') return {role: first};
  const token = /^bearer +(\S+)$/i.exec(authorization.trim())?.[1];
  const digest = token === undefined ? undefined : createHash('sha256').update(token).digest('hex');
  let rank = digest === undefined || scanId === undefined ? 'unknown' : rankOf(cache, scanId, digest);
  if (rank !== 'newest' && digest !== undefined && scanId !== undefined && (rank === 'older' || roles.includes('system'))) {
    // The try that it belongs to may be newer than what we have seen. With etcd away what we have seen has to do.
    await cache.catchUp().catch(() => {});
    rank = rankOf(cache, scanId, digest);
  }
  if (rank === 'older') throw authorizationFailed();
  if (rank === 'newest') {
    if (!roles.includes('system')) throw authorizationFailed();
    return {role: 'system'};
  }
  if (first === 'system') throw authenticationFailed();
  return {role: first};
}

/** Which try of the scan's server a token belongs to. */
function rankOf(cache: Cache, scanId: string, digest: string): 'newest' | 'older' | 'unknown' {
  let rank: 'older' | 'unknown' = 'unknown';
  for (const {value: job} of cache.scans.get(scanId)?.jobs?.values() ?? []) {
    if (job.type !== 'scanner-server') continue;
    if (job.tries.at(-1)?.token_digest === digest) return 'newest';
    if (job.tries.some((each) => each.token_digest === digest)) rank = 'older';
  }
  return rank;
}
