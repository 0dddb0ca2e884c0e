import type {DeployRecord} from '../../model/block-record.ts';
import {scanOfJobToken} from '../../schema/job-token.ts';
import type {Cache} from '../../store/cache.ts';
import type {Bearer} from './authenticator.ts';

/** Tokens of deployments are named as their jobs are; no scan id has a dot. */
const PREFIX = 'deploy.';

/** The deployment that a token says it was made for; whether that is true only its digest tells. `undefined`: it is none of a deployment. */
export function deploymentOfToken({text}: Bearer): string | undefined {
  const named = scanOfJobToken(text);
  return named?.startsWith(PREFIX) === true ? named.slice(PREFIX.length) : undefined;
}

/**
 * What a token is to the deployment `id`.
 *
 * - `newest`: it was given to the newest try.
 * - `older`: to one before, whose process has been replaced; or its deployment is gone.
 * - `unknown`: to none that we know of.
 */
export function deploymentStanding(cache: Cache, {digest}: Bearer, id: string): 'newest' | 'older' | 'unknown' {
  const record = cache.deployments.get(id);
  const tries = record?.state?.value.tries ?? [];
  if (!tries.some((each) => each.token_digest === digest)) return 'unknown';
  return tries.at(-1)?.token_digest === digest && isOfThis(record) ? 'newest' : 'older';
}

/** Whether the state speaks of the deployment that is there, and not of one before it of the same name. */
function isOfThis(record: DeployRecord | undefined): boolean {
  const {spec, state} = record ?? {};
  if (spec === undefined) return false;
  return state?.value.of === undefined || state.value.of === spec.createRevision;
}
