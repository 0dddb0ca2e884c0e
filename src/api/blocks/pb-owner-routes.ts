import {canonicalJson} from '../../lib/canonical-json.ts';
import {rfc3339} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import {revisionOf} from '../../model/block-record.ts';
import type {PbRecord} from '../../model/block-record.ts';
import {randomHex} from '../../schema/ids.ts';
import {pbKey, pbOwnerKey, pbStateKey} from '../../schema/keys.ts';
import type {Owner} from '../../schema/owner.ts';
import {isPbOver} from '../../schema/processing-block.ts';
import type {Revision} from '../../store/store.ts';
import {conflict, notFound} from '../api-error.ts';
import {changeRecord} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import {emptyObject} from '../openapi/common.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import type {Call} from '../route.ts';
import {OWNER_REVISION, claimGone, requireOwnBlock, requiredClaim} from './access.ts';
import {readBlockBody, readOptionalBody} from './body.ts';
import {PB, findAny, findBlock, plainText, requireSound} from './kinds.ts';
import {presentOwner} from './present.ts';
import {blockOwnerSchema, checkClaim, checkEmpty, claimAnswer} from './schema.ts';
import type {ClaimBody} from './schema.ts';

const PATH = '/pb/:pb/owner';
const GONE = {409: {description: 'The claim is gone; the caller must stop acting as owner.'}};
/** How often a claim that something came in the way of is tried again. */
const MAX_ROUNDS = 10;
/** How long the cache may take to show what overtook a claim. */
const CATCH_UP_MS = 2000;

/** What a claimant is told. */
interface Claimed {
  readonly owner_revision: Revision;
  readonly ttl_seconds: number;
}

/**
 * Owning a processing block over REST: claim, renew, release. Nothing of it is in this process: the lease is found through the owner key, so that every
 * call may go to another replica.
 */
export function pbOwnerRoutes(deps: RouteDeps): DescribedRoute[] {
  return [
    {
      method: 'get',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary: 'Which process owns a processing block; 404 when nobody does.',
      answer: blockOwnerSchema,
      handle: async ({ctx, params}) => {
        await freshForRead(deps, ctx);
        const record = findAny(PB, deps.cache, params['pb'] ?? '');
        requireSound(record, 'owner');
        const owner = presentOwner(record.owner);
        if (owner === null) throw notFound(`nobody owns processing block ${record.id}`);
        return owner;
      },
    },
    {
      method: 'post',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary: 'Claims a processing block, until the claim is released or was not renewed for its TTL.',
      body: checkClaim,
      answer: claimAnswer,
      otherAnswers: {
        201: {description: 'Claimed. (200: the same claimant had claimed it.)', schema: claimAnswer},
        409: {description: 'It is owned, and by whom; or it is over.'},
      },
      handle: async (call) => {
        const {body} = await readBlockBody(call.ctx, checkClaim);
        await freshForWrite(deps, call.ctx);
        return claim(deps, call, body);
      },
    },
    {
      method: 'put',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary: 'Renews a claim: it holds for its TTL from now on.',
      headers: [OWNER_REVISION],
      body: checkEmpty,
      mayLackBody: true,
      answer: claimAnswer,
      otherAnswers: GONE,
      handle: async (call) => {
        await readOptionalBody(call.ctx, checkEmpty);
        const owner_revision = requiredClaim(call.ctx);
        await freshForWrite(deps, call.ctx);
        const {id, owner} = claimed(deps, call, owner_revision);
        if (owner.lease === '0') throw conflict(`this claim of processing block ${id} was made without a lease: it never ends by itself`);
        const ttl_seconds = await deps.store.renewLease(owner.lease);
        if (ttl_seconds === 0) throw claimGone(id);
        return {owner_revision, ttl_seconds};
      },
    },
    {
      method: 'delete',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary: 'Releases a claim.',
      headers: [OWNER_REVISION],
      body: checkEmpty,
      mayLackBody: true,
      answer: emptyObject,
      otherAnswers: GONE,
      handle: async (call) => {
        await readOptionalBody(call.ctx, checkEmpty);
        const owner_revision = requiredClaim(call.ctx);
        await freshForWrite(deps, call.ctx);
        return changeRecord(
          deps,
          call.params['pb'] ?? '',
          () => claimed(deps, call, owner_revision),
          ({id}) => ({
            commit: {compares: [{key: pbOwnerKey(id), createRevision: owner_revision}], ops: [{delete: pbOwnerKey(id)}]},
            answer: () => ({}),
          }),
        );
      },
    },
  ];
}

/** The block in the path, owned under this claim. @throws ApiError `not_found`; `forbidden`; 409: the claim is gone */
function claimed(deps: RouteDeps, {principal, params}: Call, claim: Revision): PbRecord & {readonly owner: NonNullable<PbRecord['owner']>} {
  const record = findAny(PB, deps.cache, params['pb'] ?? '');
  requireOwnBlock(deps.cache, principal, record.id);
  const {owner} = record;
  if (owner === undefined || owner.createRevision !== claim) throw claimGone(record.id);
  return {...record, owner};
}

/** @throws ApiError `not_found`; `forbidden`; 409: it is owned, or over */
async function claim(deps: RouteDeps, {ctx, principal, params}: Call, body: ClaimBody): Promise<Claimed> {
  const {cache, clock, groupCommit, store} = deps;
  const {command = [], hostname, pid, ttl_seconds, claimant} = body;
  for (let round = 0; round < MAX_ROUNDS; round++) {
    const record = findBlock(PB, cache, params['pb'] ?? '');
    const {id, spec, state, owner} = record;
    requireOwnBlock(cache, principal, id);
    if (owner !== undefined && claimant !== undefined && owner.value.replica === claimant) {
      // The same claim again: its answer was lost. It begins to count anew.
      const ttl = await store.renewLease(owner.lease);
      if (ttl > 0) return {owner_revision: owner.createRevision, ttl_seconds: ttl};
      throw claimGone(id);
    }
    if (owner !== undefined) throw owned(id, owner.value);
    requireSound(record, 'owner');
    if (state !== undefined && state.createRevision >= spec.createRevision && isPbOver(state.value.status)) {
      throw conflict(`processing block ${id} is ${state.value.status}: there is nothing left to own`);
    }
    // Should the claim come to nothing, the lease ends unused.
    const lease = await store.grantLease(ttl_seconds);
    const value: Owner = {command, hostname, pid, replica: claimant ?? randomHex(16), since: rfc3339(clock.now())};
    const result = await groupCommit.commit({
      compares: [
        {key: pbKey(id), createRevision: spec.createRevision},
        {key: pbOwnerKey(id), createRevision: 0},
        {key: pbStateKey(id), modRevision: revisionOf(record, 'state')},
      ],
      ops: [{put: pbOwnerKey(id), value: canonicalJson(value), lease}],
    });
    if (result.ok) {
      ctx.status = 201;
      return {owner_revision: result.revision, ttl_seconds};
    }
    await cache.waitFor(result.revision, CATCH_UP_MS);
  }
  throw new ControlPlaneError('revision_conflict', 'too many writers at once');
}

const owned = (id: string, {hostname, pid, since}: Owner): ControlPlaneError =>
  conflict(plainText(`processing block ${id} is owned by process ${pid} on ${hostname.slice(0, 255)}${since === '' ? '' : ` since ${since}`}`));
