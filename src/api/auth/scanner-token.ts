import {SERVER_JOB} from '../../model/chain.ts';
import {scanOfJobToken} from '../../schema/job-token.ts';
import type {Cache} from '../../store/cache.ts';
import type {Bearer} from './authenticator.ts';

/**
 * What a token is to a scan.
 *
 * - `newest`: it was given to the newest try of the scan's server.
 * - `older`: to one before, whose process has been replaced.
 * - `foreign`: to a scanner, but not to one of this scan.
 * - `unknown`: to no scanner that we know of.
 */
export type Standing = 'newest' | 'older' | 'foreign' | 'unknown';

/** What a token is to the scan `scanId`, or to a route without a scan. */
export function standingOf(cache: Cache, token: Bearer, scanId: string | undefined): Standing {
  const named = scanOfJobToken(token.text) ?? scanId;
  if (named === undefined) return 'unknown';
  const rank = rankOf(cache, named, token.digest);
  return rank !== 'unknown' && named !== scanId ? 'foreign' : rank;
}

function rankOf(cache: Cache, scanId: string, digest: string): 'newest' | 'older' | 'unknown' {
  const server = cache.scans.get(scanId)?.jobs?.get(SERVER_JOB)?.value;
  if (server?.type !== 'scanner-server') return 'unknown';
  if (server.tries.at(-1)?.token_digest === digest) return 'newest';
  return server.tries.some((each) => each.token_digest === digest) ? 'older' : 'unknown';
}
