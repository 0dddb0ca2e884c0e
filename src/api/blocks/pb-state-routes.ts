import type {Context} from 'koa';
import {revisionOf} from '../../model/block-record.ts';
import type {PbRecord} from '../../model/block-record.ts';
import {withReceiver} from '../../model/eb-change.ts';
import {changePbState} from '../../model/pb-state-change.ts';
import {parseExecutionBlock} from '../../schema/execution-block.ts';
import {ebKey, pbKey, pbOwnerKey, pbStateKey} from '../../schema/keys.ts';
import {parsePbState, pbStateSchema} from '../../schema/processing-block.ts';
import type {PbState} from '../../schema/processing-block.ts';
import type {Compare, Op, Revision} from '../../store/store.ts';
import {ApiError, badRequest, conflict, notFound} from '../api-error.ts';
import {changeRecord} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForRead, freshForWrite} from '../freshness.ts';
import type {DescribedRoute, Parameter} from '../openapi/described-route.ts';
import type {Call} from '../route.ts';
import {OWNER_REVISION, claimGone, namedClaim, requireOwnBlock} from './access.ts';
import {readBlockBody} from './body.ts';
import {storable} from './create.ts';
import {PB, findBlock, requireSound} from './kinds.ts';
import type {Present} from './kinds.ts';
import {checkPatchPbState, checkPutPbState} from './schema.ts';
import type {PbStateBody} from './schema.ts';

const IF_MATCH: Parameter = {
  name: 'If-Match',
  description: 'The ETag of the state that this rests on; refused with 409 when it has changed since.',
  schema: {type: 'string'},
};
const ETAG: Parameter = {name: 'ETag', description: 'Names this state: for If-Match.', schema: {type: 'string'}};
const PATH = '/pb/:pb/state';
const REFUSED = {409: {description: 'The claim is gone, the state is final or has changed, or is not the caller’s to write; the reason says which.'}};

/**
 * The state of a processing block. Its script writes it under its claim; an operator may cancel. Members that nobody here knows are kept.
 */
export function pbStateRoutes(deps: RouteDeps): DescribedRoute[] {
  return [
    {
      method: 'get',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary: 'The state of a processing block; 404 while nobody has picked it up.',
      answer: pbStateSchema,
      answerHeaders: [ETAG],
      handle: async ({ctx, params}) => {
        await freshForRead(deps, ctx);
        const {id, state, ...record} = findBlock(PB, deps.cache, params['pb'] ?? '');
        requireSound({id, ...record}, 'state');
        if (state === undefined) throw notFound(`processing block ${id} has no state yet`);
        ctx.set('ETag', tagOf(state.modRevision));
        return state.value;
      },
    },
    {
      method: 'put',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary: 'Replaces the state, all but `resources_available`: under a claim.',
      headers: [OWNER_REVISION, IF_MATCH],
      body: checkPutPbState,
      answer: pbStateSchema,
      answerHeaders: [ETAG],
      otherAnswers: REFUSED,
      handle: async (call) => changeState(deps, call, (await readBlockBody(call.ctx, checkPutPbState)).body, true),
    },
    {
      method: 'patch',
      path: PATH,
      roles: ['user'],
      deployments: true,
      summary:
        'Changes members of the state under a claim; `null` takes one out. Without a claim users may set `status` to CANCELLED, with a `reason`.',
      headers: [OWNER_REVISION, IF_MATCH],
      body: checkPatchPbState,
      answer: pbStateSchema,
      answerHeaders: [ETAG],
      otherAnswers: REFUSED,
      handle: async (call) => changeState(deps, call, (await readBlockBody(call.ctx, checkPatchPbState)).body, false),
    },
  ];
}

const tagOf = (revision: Revision): string => `"${revision}"`;

/** @throws ApiError `invalid` */
function expectedRevision(ctx: Context): Revision | undefined {
  const text = ctx.get('if-match');
  if (text === '' || text === '*') return undefined;
  const digits = /^"(\d{1,15})"$/.exec(text)?.[1];
  if (digits === undefined) throw badRequest('If-Match must be one ETag of the state');
  return Number(digits);
}

/**
 * Writes the state in one transaction with what else follows from it, comparing the claim, the block and the state that it rests on.
 *
 * @throws ApiError `not_found`; `forbidden`; 409
 */
async function changeState(deps: RouteDeps, {ctx, principal, params}: Call, members: PbStateBody, replace: boolean): Promise<PbState> {
  const claim = namedClaim(ctx);
  const expected = expectedRevision(ctx);
  await freshForWrite(deps, ctx);
  const {state, revision} = await changeRecord(
    deps,
    params['pb'] ?? '',
    (_, id) => findBlock(PB, deps.cache, id),
    (record) => {
      const {id, spec, owner} = record;
      requireOwnBlock(deps.cache, principal, id);
      requireSound(record, 'state');
      const before = stateOfThis(record);
      // A claim older than the block is one of a block of the same name that was removed.
      if (claim !== undefined && (claim !== owner?.createRevision || claim < spec.createRevision)) throw claimGone(id);
      if (claim === undefined && principal.deployment !== undefined) throw conflict('a script names its claim: Owner-Revision is missing');
      if (expected !== undefined && expected !== before?.modRevision) throw conflict('the state has changed since: read it again');
      const by = claim === undefined ? 'operator' : 'owner';
      const nowMs = deps.clock.now();
      const outcome = changePbState(before?.value, {replace, members, by}, nowMs);
      if (outcome.kind === 'refused') throw outcome.why === 'forbidden' ? new ApiError('forbidden', outcome.reason) : conflict(outcome.reason);
      if (outcome.kind === 'same') {
        return {commit: undefined, answer: () => ({state: before?.value as PbState, revision: before?.modRevision ?? 0})};
      }
      const {value, text} = storable(deps, pbStateKey(id), outcome.state, parsePbState);
      const receiver = receiverOf(deps, record, value, nowMs);
      const compares: Compare[] = [
        {key: pbKey(id), createRevision: spec.createRevision},
        {key: pbStateKey(id), modRevision: before?.modRevision ?? 0},
        ...(claim === undefined ? [] : [{key: pbOwnerKey(id), createRevision: claim}]),
        ...receiver.compares,
      ];
      return {
        commit: {compares, ops: [{put: pbStateKey(id), value: text}, ...receiver.ops]},
        answer: (at: Revision) => ({state: value, revision: at}),
      };
    },
  );
  ctx.set('ETag', tagOf(revision));
  return state;
}

/** The state, unless it is that of a block of the same name before this one. @throws ApiError 409 */
function stateOfThis({id, spec, state}: Present<PbRecord>): PbRecord['state'] {
  if (state !== undefined && state.createRevision < spec.createRevision) {
    throw conflict(`what is stored is the state of a processing block ${id} that was removed; the processing controller will take it away`);
  }
  return state;
}

/** Makes a block that publishes receive addresses, or takes them back, known in its execution block. @throws ApiError 409: that is damaged */
function receiverOf(deps: RouteDeps, {id, spec}: Present<PbRecord>, state: PbState, nowMs: number): {compares: Compare[]; ops: Op[]} {
  const nothing = {compares: [], ops: []};
  const ebId = spec.value.eb_id;
  const record = ebId === null ? undefined : deps.cache.ebs.get(ebId);
  if (ebId === null || record === undefined) return nothing;
  if (state.receive_addresses !== undefined) requireSound(record, 'spec');
  if (record.spec === undefined) return nothing;
  const after = withReceiver(record.spec.value, id, state.receive_addresses, nowMs);
  if (after === record.spec.value) return nothing;
  const key = ebKey(ebId);
  return {
    compares: [{key, modRevision: revisionOf(record, 'spec')}],
    ops: [{put: key, value: storable(deps, key, after, parseExecutionBlock).text}] satisfies Op[],
  };
}
