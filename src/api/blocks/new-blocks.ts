import {findCircle} from '../../model/find-circle.ts';
import {awaitedBy} from '../../model/pb-dependencies.ts';
import {pbKey} from '../../schema/keys.ts';
import {scriptDeploymentId} from '../../schema/deployment.ts';
import {REALTIME, parseProcessingBlock} from '../../schema/processing-block.ts';
import type {ProcessingBlock} from '../../schema/processing-block.ts';
import type {Cache} from '../../store/cache.ts';
import type {Compare, Op} from '../../store/store.ts';
import {ApiError, badRequest} from '../api-error.ts';
import type {RouteDeps} from '../deps.ts';
import {storable} from './create.ts';
import type {FreeIds} from './create.ts';
import {plainText} from './kinds.ts';
import type {NewProcessingBlock} from './schema.ts';

/** One processing block that is to be made, and where it stands in the body: `''` where it is the body. */
export interface Wanted {
  readonly block: NewProcessingBlock;
  readonly place: string;
}

/** Processing blocks that are ready to be stored, in the order in which they were asked for. */
export interface NewBlocks {
  readonly blocks: readonly ProcessingBlock[];
  readonly compares: readonly Compare[];
  readonly ops: readonly Op[];
}

/**
 * Checks processing blocks that are to be made together, against each other and against what is there, and names those that have no id.
 *
 * @param ebId the execution block that they belong to
 * @throws ApiError `invalid`, with the place: another block's `eb_id`, a dependency on nothing or in a circle, or of a realtime block; 409: an id is taken
 */
export function planBlocks(deps: Pick<RouteDeps, 'cache' | 'store'>, wanted: readonly Wanted[], ebId: string | null, ids: FreeIds): NewBlocks {
  const {cache} = deps;
  const named = wanted.map(({block, place}) => {
    if (block.eb_id !== undefined && block.eb_id !== null && block.eb_id !== ebId) throw badRequest(`${place}eb_id: is another execution block`);
    const given = block.pb_id;
    if (given !== undefined && isTakenPb(cache, given)) throw taken('processing block', given);
    return {block, place, id: given ?? ''};
  });
  const given = new Set<string>();
  for (const {id, place} of named) {
    if (id !== '' && given.has(id)) throw badRequest(`${place}pb_id: ${id} stands in this request twice`);
    given.add(id);
  }
  const all = named.map((each) => (each.id === '' ? {...each, id: ids.next('pb', (id) => given.has(id) || isUsedPb(cache, id))} : each));

  const made = new Map<string, ProcessingBlock>();
  const compares: Compare[] = [];
  const ops: Op[] = [];
  for (const {block, id} of all) {
    const key = pbKey(id);
    const {value, text} = storable(deps, key, {...block, pb_id: id, eb_id: ebId}, parseProcessingBlock);
    made.set(id, value);
    compares.push({key, createRevision: 0});
    ops.push({put: key, value: text});
  }
  const needed = new Set<string>();
  for (const {id, place} of all) {
    const {script, dependencies} = made.get(id) as ProcessingBlock;
    if (script.kind === REALTIME && dependencies.length > 0) throw badRequest(`${place}dependencies: a realtime block waits for nothing`);
    for (const [i, {pb_id}] of dependencies.entries()) {
      if (made.has(pb_id)) continue;
      if (cache.pbs.get(pb_id)?.spec === undefined) throw badRequest(`${place}dependencies.${i}.pb_id: there is no processing block ${pb_id}`);
      needed.add(pb_id);
    }
  }
  const circle = findCircle(made.keys(), (id) => made.get(id)?.dependencies ?? awaitedBy(cache.pbs.get(id)).map((pb_id) => ({pb_id})));
  if (circle !== undefined) {
    const place = all.find(({id}) => circle.includes(id))?.place ?? '';
    throw badRequest(`${place}dependencies: go in a circle: ${circle.slice(0, 20).join(' -> ')}`);
  }
  // What they depend on must be there still when they are.
  for (const id of needed) compares.push({key: pbKey(id), exists: true});
  const {operations} = deps.store.limits;
  if (compares.length > operations - 4) throw badRequest('the processing blocks depend on too many others to be made in one transaction');
  return {blocks: [...made.values()], compares, ops};
}

/** Whether an object of that id is there, damaged or not. */
function isTakenPb(cache: Cache, id: string): boolean {
  const record = cache.pbs.get(id);
  return record?.spec !== undefined || record?.bad?.has('spec') === true;
}

/** Whether anything of that id is left, so that it is not to be given to another block yet. */
function isUsedPb(cache: Cache, id: string): boolean {
  return cache.pbs.get(id) !== undefined || cache.deployments.get(scriptDeploymentId(id)) !== undefined;
}

/** 409: an id is taken already. */
export const taken = (noun: string, id: string): ApiError => new ApiError('already_exists', plainText(`${noun} ${id} exists already`));
