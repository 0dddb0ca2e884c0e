import type {Context} from 'koa';
import {stateOf} from '../../model/pb-dependencies.ts';
import {blocksOfDeployment} from '../../schema/deployment.ts';
import type {Deployment} from '../../schema/deployment.ts';
import type {Cache} from '../../store/cache.ts';
import type {Revision} from '../../store/store.ts';
import {ApiError, badRequest, conflict} from '../api-error.ts';
import type {Principal} from '../auth/authenticate.ts';
import type {Parameter} from '../openapi/described-route.ts';

/** The claim under which somebody writes. */
export const OWNER_REVISION: Parameter = {
  name: 'Owner-Revision',
  description: 'The `owner_revision` of the claim under which this is done; refused with 409 once that is gone.',
  schema: {type: 'integer', minimum: 1},
};

/** The claim that a request names. @throws ApiError `invalid` */
export function namedClaim(ctx: Context): Revision | undefined {
  const text = ctx.get('owner-revision');
  if (text === '') return undefined;
  if (!/^[1-9]\d{0,14}$/.test(text)) throw badRequest('Owner-Revision must be the owner_revision of a claim');
  return Number(text);
}

/** @throws ApiError `invalid`: a request that has to name its claim does not */
export function requiredClaim(ctx: Context): Revision {
  const claim = namedClaim(ctx);
  if (claim === undefined) throw badRequest('Owner-Revision is missing: which claim?');
  return claim;
}

/**
 * The processing block that a deployment runs for; `undefined` for callers who are no deployment.
 *
 * @throws ApiError `forbidden`: for none; for one that was removed, though another has its name now
 */
export function ownBlock(cache: Cache, {deployment}: Principal): string | undefined {
  if (deployment === undefined) return undefined;
  const spec = cache.deployments.get(deployment)?.spec;
  const pbId = spec?.value.pb_id;
  if (spec === undefined || pbId === undefined) throw forbidden(`deployment ${deployment} belongs to no processing block`);
  const pb = cache.pbs.get(pbId);
  // As the processing controller has it, which is about to remove the deployment: a claim of its process would keep the block from the new one.
  if (pb?.spec !== undefined && stateOf(pb) === undefined && spec.createRevision < pb.spec.createRevision) {
    throw forbidden(`deployment ${deployment} was made for a processing block ${pbId} that was removed`);
  }
  return pbId;
}

/** @throws ApiError `forbidden`: a deployment may write of its own processing block alone */
export function requireOwnBlock(cache: Cache, principal: Principal, pbId: string): void {
  const own = ownBlock(cache, principal);
  if (own !== undefined && own !== pbId)
    throw forbidden(`deployment ${principal.deployment} may write what belongs to processing block ${own} alone`);
}

/**
 * Whether a deployment may be made, changed or removed by whoever calls: a deployment's process those of its own processing block, by name and by `pb_id`.
 *
 * @throws ApiError `forbidden`
 */
export function requireOwnDeployment(cache: Cache, principal: Principal, {id, pb_id}: Pick<Deployment, 'id' | 'pb_id'>): void {
  const own = ownBlock(cache, principal);
  if (own === undefined) return;
  const named = blocksOfDeployment(id);
  // Names may be read in several ways: of blocks that are there, the longest has the first claim to it.
  const nearest = named.findLast((block) => block === own || cache.pbs.get(block)?.spec !== undefined);
  if (nearest === own && (pb_id ?? own) === own) return;
  throw forbidden(`deployment ${principal.deployment} may make, change and remove deployments proc-${own}-... of processing block ${own} alone`);
}

const forbidden = (reason: string): ApiError => new ApiError('forbidden', reason);

/** The claim that was named holds no longer, or never did. */
export const claimGone = (pbId: string): ApiError => conflict(`this claim of processing block ${pbId} is gone: somebody else owns it, or nobody`);
