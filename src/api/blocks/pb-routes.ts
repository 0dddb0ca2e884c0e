import type {PbRecord} from '../../model/block-record.ts';
import {blockTime} from '../../schema/block-ids.ts';
import {isEbOver, currentEb, parseExecutionBlock} from '../../schema/execution-block.ts';
import {ebKey, ebStateKey, pbChildren, pbKey} from '../../schema/keys.ts';
import {REALTIME} from '../../schema/processing-block.ts';
import type {ProcessingBlock} from '../../schema/processing-block.ts';
import type {Compare, Op} from '../../store/store.ts';
import {badRequest, conflict} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForWrite} from '../freshness.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {IDEMPOTENCY_KEY} from '../openapi/parameters.ts';
import {Arguments} from '../validation/query.ts';
import {readBlockBody} from './body.ts';
import {FreeIds, GENERATED_BY, answerCreated, createdAnswers, newEntry, storable} from './create.ts';
import type {Creation} from './create.ts';
import {deleteRoute} from './delete.ts';
import {PB, requireSound} from './kinds.ts';
import {planBlocks} from './new-blocks.ts';
import {checkCreatePb, pbAnswer} from './schema.ts';
import type {NewProcessingBlock} from './schema.ts';

/** Making and removing processing blocks. They do not change. */
export function pbRoutes(deps: RouteDeps, reserved: Set<string>): DescribedRoute[] {
  return [
    {
      method: 'post',
      path: '/pb',
      roles: ['user'],
      summary: 'Makes a processing block: of its own, or of an execution block that is there, in whose lists it is then, too.',
      query: [GENERATED_BY],
      headers: [IDEMPOTENCY_KEY],
      body: checkCreatePb,
      answer: pbAnswer,
      otherAnswers: createdAnswers(pbAnswer),
      handle: async ({ctx, principal}) => {
        const {body, bytes} = await readBlockBody(ctx, checkCreatePb);
        const ids = new FreeIds(new Arguments(ctx.querystring), deps.clock.now(), reserved);
        await freshForWrite(deps, ctx);
        return answerCreated(deps, PB, {ctx, principal, bytes}, () => planPb(deps, body, ids), ids);
      },
    },
    deleteRoute(
      deps,
      PB,
      pbAnswer,
      'Removes a processing block with its state, its owner and its place in the backlog. What runs for it is stopped.',
      ({id}) => [{delete: pbKey(id)}, {deletePrefix: pbChildren(id)}],
    ),
  ];
}

/** @throws ApiError `invalid`, with the place; 409: its id is taken, or its execution block has ended */
function planPb(deps: RouteDeps, body: NewProcessingBlock, ids: FreeIds): Creation<PbRecord> {
  const nowMs = deps.clock.now();
  const ebId = body.eb_id ?? null;
  const {blocks, compares, ops} = planBlocks(deps, [{block: body, place: ''}], ebId, ids);
  const block = blocks[0] as ProcessingBlock;
  const listing = ebId === null ? {compares: [], ops: []} : listIn(deps, ebId, block, nowMs);
  return {
    id: block.pb_id,
    commit: {compares: [...compares, ...listing.compares], ops: [...ops, ...listing.ops]},
    made: (revision) => ({id: block.pb_id, spec: newEntry(block, revision)}),
  };
}

/** Writes a new block into the lists of its execution block. */
function listIn(deps: RouteDeps, ebId: string, {pb_id, script}: ProcessingBlock, nowMs: number): {compares: Compare[]; ops: Op[]} {
  const record = deps.cache.ebs.get(ebId);
  if (record !== undefined) for (const part of ['spec', 'state']) requireSound(record, part);
  if (record?.spec === undefined) throw badRequest(`eb_id: there is no execution block ${ebId}`);
  const {spec, state} = record;
  const isRealtime = script.kind === REALTIME;
  const {status} = currentEb(spec.value, state?.value);
  if (isRealtime && isEbOver(status)) throw conflict(`eb_id: execution block ${ebId} is ${status}: nothing realtime can be added`);
  const list = isRealtime ? 'pb_realtime' : 'pb_batch';
  const after = {...spec.value, [list]: [...spec.value[list], pb_id], last_updated: blockTime(nowMs)};
  return {
    compares: [
      {key: ebKey(ebId), modRevision: spec.modRevision},
      {key: ebStateKey(ebId), modRevision: state?.modRevision ?? 0},
    ],
    ops: [{put: ebKey(ebId), value: storable(deps, ebKey(ebId), after, parseExecutionBlock).text}],
  };
}
