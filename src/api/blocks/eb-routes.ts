import {changeEb} from '../../model/eb-change.ts';
import type {EbRecord} from '../../model/block-record.ts';
import {revisionOf} from '../../model/block-record.ts';
import {blockTime} from '../../schema/block-ids.ts';
import {parseEbState, parseExecutionBlock} from '../../schema/execution-block.ts';
import {ebKey, ebStateKey} from '../../schema/keys.ts';
import {REALTIME} from '../../schema/processing-block.ts';
import type {Op} from '../../store/store.ts';
import {badRequest, conflict} from '../api-error.ts';
import {changeRecord} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {freshForWrite} from '../freshness.ts';
import type {DescribedRoute} from '../openapi/described-route.ts';
import {IDEMPOTENCY_KEY} from '../openapi/parameters.ts';
import {Arguments} from '../validation/query.ts';
import {readBlockBody} from './body.ts';
import {FreeIds, GENERATED_BY, answerCreated, createdAnswers, newEntry, storable} from './create.ts';
import type {Creation} from './create.ts';
import {deleteRoute} from './delete.ts';
import {EB, findBlock, plainText, requireSound} from './kinds.ts';
import {planBlocks, taken} from './new-blocks.ts';
import {presentEb} from './present.ts';
import type {PresentedEb} from './present.ts';
import {checkCreateEb, checkPatchEb, ebAnswer} from './schema.ts';
import type {NewExecutionBlock, PatchEbBody} from './schema.ts';

/** Making and changing execution blocks. */
export function ebRoutes(deps: RouteDeps, reserved: Set<string>): DescribedRoute[] {
  return [
    {
      method: 'post',
      path: '/eb',
      roles: ['user'],
      summary: 'Makes an execution block, in one transaction with its processing blocks, where it comes with some.',
      query: [GENERATED_BY],
      headers: [IDEMPOTENCY_KEY],
      body: checkCreateEb,
      answer: ebAnswer,
      otherAnswers: createdAnswers(ebAnswer),
      handle: async ({ctx, principal}) => {
        const {body, bytes} = await readBlockBody(ctx, checkCreateEb);
        const ids = new FreeIds(new Arguments(ctx.querystring), deps.clock.now(), reserved);
        await freshForWrite(deps, ctx);
        return answerCreated(deps, EB, {ctx, principal, bytes}, () => planEb(deps, body, ids), ids);
      },
    },
    {
      method: 'patch',
      path: '/eb/:eb',
      roles: ['user'],
      summary: 'Appends scan types, sets the current one, the scan and the status. FINISHED and CANCELLED are final.',
      body: checkPatchEb,
      answer: ebAnswer,
      otherAnswers: {409: {description: 'What is stored stands against it: the block has ended, or a scan type is defined already.'}},
      handle: async ({ctx, params}) => {
        const {body} = await readBlockBody(ctx, checkPatchEb);
        await freshForWrite(deps, ctx);
        return patchEb(deps, params['eb'] ?? '', body);
      },
    },
    deleteRoute(deps, EB, ebAnswer, 'Removes an execution block and its state. Its processing blocks stay.', ({id}) => [
      {delete: ebKey(id)},
      {delete: ebStateKey(id)},
    ]),
  ];
}

/** @throws ApiError `invalid`; 409: an id is taken */
function planEb(deps: RouteDeps, {processing_blocks = [], ...wanted}: NewExecutionBlock, ids: FreeIds): Creation<EbRecord> {
  const {cache, clock} = deps;
  const nowMs = clock.now();
  requireScanTypes(wanted);
  const id = wanted.eb_id ?? ids.next('eb', (each) => cache.ebs.get(each) !== undefined);
  const present = cache.ebs.get(id);
  if (present?.spec !== undefined || present?.bad?.has('spec') === true) throw taken(EB.noun, id);
  const {blocks, compares, ops} = planBlocks(
    deps,
    processing_blocks.map((block, i) => ({block, place: `processing_blocks.${i}.`})),
    id,
    ids,
  );
  const idsOf = (isRealtime: boolean): string[] => blocks.filter(({script}) => (script.kind === REALTIME) === isRealtime).map(({pb_id}) => pb_id);
  const key = ebKey(id);
  const spec = {...wanted, eb_id: id, pb_realtime: idsOf(true), pb_batch: idsOf(false), last_updated: blockTime(nowMs)};
  const {value, text} = storable(deps, key, spec, parseExecutionBlock);
  // A state that a block before it has left would count before its own.
  const leftover: Op[] = present?.state === undefined && present?.bad === undefined ? [] : [{delete: ebStateKey(id)}];
  return {
    id,
    commit: {
      compares: [{key, createRevision: 0}, {key: ebStateKey(id), modRevision: revisionOf(present ?? {id}, 'state')}, ...compares],
      ops: [{put: key, value: text}, ...ops, ...leftover],
    },
    made: (revision) => ({id, spec: newEntry(value, revision)}),
  };
}

/** @throws ApiError `invalid`, with the place */
function requireScanTypes({scan_types = [], current_scan_type = null}: NewExecutionBlock): void {
  const known = new Set<string>();
  for (const [i, {scan_type_id}] of scan_types.entries()) {
    if (known.has(scan_type_id)) throw badRequest(plainText(`scan_types.${i}.scan_type_id: ${scan_type_id} is defined twice`));
    known.add(scan_type_id);
  }
  if (current_scan_type !== null && !known.has(current_scan_type)) {
    throw badRequest(plainText(`current_scan_type: there is no scan type ${current_scan_type}`));
  }
}

/** @throws ApiError `not_found`; `invalid`; 409 */
function patchEb(deps: RouteDeps, ebId: string, change: PatchEbBody): Promise<PresentedEb> {
  const find = (_: unknown, id: string) => findBlock(EB, deps.cache, id);
  return changeRecord(deps, ebId, find, (record) => {
    requireSound(record, 'state');
    const {spec, state} = record;
    const outcome = changeEb(spec.value, state?.value, change, deps.clock.now());
    if (outcome.kind === 'refused') throw (outcome.isConflict ? conflict : badRequest)(plainText(outcome.reason));
    if (outcome.kind === 'same') return {commit: undefined, answer: () => presentEb(record)};
    const ops: Op[] = [];
    const block = storable(deps, ebKey(ebId), outcome.block, parseExecutionBlock);
    if (outcome.block !== spec.value) ops.push({put: ebKey(ebId), value: block.text});
    const after = outcome.state === undefined ? undefined : storable(deps, ebStateKey(ebId), outcome.state, parseEbState);
    if (after !== undefined) ops.push({put: ebStateKey(ebId), value: after.text});
    return {
      commit: {
        compares: [
          {key: ebKey(ebId), modRevision: spec.modRevision},
          {key: ebStateKey(ebId), modRevision: state?.modRevision ?? 0},
        ],
        ops,
      },
      answer: (revision) =>
        presentEb({
          ...record,
          spec: {...spec, value: block.value, modRevision: revision},
          ...(state === undefined || after === undefined ? {} : {state: {...state, value: after.value, modRevision: revision}}),
        }),
    };
  });
}
