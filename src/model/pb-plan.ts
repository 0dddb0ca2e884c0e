import {must} from '../lib/assert.ts';
import {blockTime, scriptId} from '../schema/block-ids.ts';
import type {ScriptId} from '../schema/block-ids.ts';
import {clusterKey, deployKey, pbAdmissionKey, pbStateKey, scriptKey} from '../schema/keys.ts';
import {isPbOver, REALTIME} from '../schema/processing-block.ts';
import type {PbState} from '../schema/processing-block.ts';
import {putJson} from '../schema/put-json.ts';
import {revisionOf} from './block-record.ts';
import type {ScriptRecord} from './block-record.ts';
import {deleteOp} from './block-write.ts';
import type {BlockWrite, Expected, WriteOp} from './block-write.ts';
import {verdictOn, waitsToBegin} from './pb-dependencies.ts';
import {ended, failureOfDependencies, fateOfScript, lossOfScript, refusalOf} from './pb-endings.ts';
import type {Ending} from './pb-endings.ts';
import {isClaimed, own, unclaimed} from './pb-facts.ts';
import type {BlockLookups, OpenPb, Pb} from './pb-facts.ts';
import {compareSpec, deploymentsOf, removalOfFormer, removalOfLeftovers} from './pb-leftovers.ts';
import {blocksOf, hasEnded, isRunnable, scriptDeployment} from './script-deployment.ts';

export interface PlanOptions {
  /** Where scripts run that name no cluster. */
  readonly defaultCluster: string;
  readonly nowMs: number;
}

/**
 * What is to be done about a processing block now.
 *
 * - `none`: nothing, until something changes that it depends on.
 * - `write`: this, at once.
 * - `later`: this, should `why` still hold after the grace.
 * - `damaged`: it waits for the repair of a script's or cluster's key.
 */
export type PbStep =
  | {readonly kind: 'none'}
  | {readonly kind: 'write'; readonly write: BlockWrite}
  | {readonly kind: 'later'; readonly why: string; readonly write: BlockWrite}
  | {readonly kind: 'damaged'};

const NONE: PbStep = {kind: 'none'};

/** The next step with one processing block, from everything that is stored. Pure. A block with a damaged spec or state is left alone until it is repaired. */
export function planPb(id: string, look: BlockLookups, options: PlanOptions): PbStep {
  const record = look.pb(id);
  if (record === undefined || record.bad?.has('spec') === true || record.bad?.has('state') === true) return NONE;
  if (record.spec === undefined) return write(removalOfLeftovers(record));
  const pb: Pb = {...record, spec: record.spec};
  const reset = removalOfFormer(pb, look);
  if (reset !== undefined) return write(reset);
  if (pb.state === undefined) return planStart(pb, look, options);
  const open: OpenPb = {...pb, state: pb.state};
  return isPbOver(pb.state.value.status) ? planEnd(open, look) : planOpen(open, look, options);
}

/**
 * Fails a block whose next step cannot be written, whoever tries. `undefined`: it is not there, or over.
 *
 * What its script has said goes: as we write a state, in lines, one that somebody stored in one line may be too large, and so would be every later one.
 */
export function failureOf(id: string, reason: string, look: BlockLookups, nowMs: number): BlockWrite | undefined {
  const record = look.pb(id);
  if (record?.spec === undefined || (record.state !== undefined && isPbOver(record.state.value.status))) return undefined;
  const {spec, state} = record;
  const said = state === undefined ? {} : {state: {...state, value: {status: state.value.status}}};
  return ended({...record, spec, ...said}, {status: 'FAILED', reason, compares: []}, nowMs);
}

function write(what: BlockWrite | undefined): PbStep {
  return what === undefined ? NONE : {kind: 'write', write: what};
}

// A block that nobody has picked up

function planStart(pb: Pb, look: BlockLookups, options: PlanOptions): PbStep {
  const refusal = refusalOf(pb, look) ?? failureOfDependencies(pb, look);
  if (refusal !== undefined) return write(ended(pb, refusal, options.nowMs));
  const {value: spec} = pb.spec;
  const script = findScript(spec.script, look);
  if (script?.record?.bad?.has('spec') === true) return {kind: 'damaged'};
  const found = script?.record?.spec?.value;
  const {kind, name, version} = spec.script;
  const scriptCompares =
    script === undefined ? [] : [{key: scriptKey(script.id), modRevision: script.record ? revisionOf(script.record, 'spec') : 0}];
  const refuse = (reason: string, compares: readonly Expected[]): PbStep => write(ended(pb, {status: 'FAILED', reason, compares}, options.nowMs));
  if (found === undefined || !isRunnable(found)) return refuse(`No image for ${kind} script ${name}, version ${version}`, scriptCompares);

  const deployment = scriptDeployment(spec, found, options.defaultCluster);
  const standing = look.deployment(deployment.id);
  if (standing?.bad?.has('spec') === true) return {kind: 'damaged'};
  const compares: Expected[] = [...own(pb), {key: deployKey(deployment.id), modRevision: standing === undefined ? 0 : revisionOf(standing, 'spec')}];
  const ops: WriteOp[] = [putJson(pbStateKey(pb.id), {status: 'STARTING', resources_available: false, last_updated: blockTime(options.nowMs)})];
  if (standing?.spec !== undefined) {
    // Its state was deleted while its script was deployed: that goes on.
    if (blocksOf(standing).includes(pb.id)) return write({what: 'a block whose script is deployed has a state again', compares, ops});
    return refuse(`deployment ${deployment.id} is there already, and belongs to ${standing.spec.value.pb_id}`, [compareSpec(standing)]);
  }
  const cluster = must(deployment.args.cluster, 'a script’s deployment names its cluster');
  const place = look.cluster(cluster);
  if (place === 'damaged') return {kind: 'damaged'};
  if (place === 'absent') return refuse(`no cluster is called ${cluster}`, [...scriptCompares, {key: clusterKey(cluster), modRevision: 0}]);
  return write({
    what: 'started the script of a block',
    compares: [...compares, ...scriptCompares],
    ops: [...ops, putJson(deployKey(deployment.id), deployment)],
  });
}

/** The registered script; `undefined` for an id that no key could have. */
function findScript(wanted: ScriptId, look: BlockLookups): {readonly id: string; readonly record: ScriptRecord | undefined} | undefined {
  try {
    const id = scriptId(wanted);
    return {id, record: look.script(id)};
  } catch {
    return undefined;
  }
}

// A block that is under way

function planOpen(pb: OpenPb, look: BlockLookups, options: PlanOptions): PbStep {
  const {status} = pb.state.value;
  const over = refusalOf(pb, look);
  const ending = over ?? fateOfScript(pb, look);
  if (ending !== undefined && !isClaimed(pb)) return write(ended(pb, {...ending, compares: [...ending.compares, unclaimed(pb)]}, options.nowMs));
  // A script whose execution block is over ends itself; should it not, it is ended.
  if (over !== undefined) return later(pb, over, options);
  const mayBegin = waitsToBegin(pb.state.value);
  if (mayBegin) {
    const failure = failureOfDependencies(pb, look);
    if (failure !== undefined) return write(ended(pb, failure, options.nowMs));
    const release = status === 'WAITING' ? planRelease(pb, look, options) : undefined;
    if (release !== undefined) return write(release);
  }
  const verdict = mayBegin ? verdictOn(pb.spec.value, look) : undefined;
  if (verdict?.kind === 'missing') return later(pb, {status: 'FAILED', ...verdict}, options);
  const lost = isClaimed(pb) ? undefined : lossOfScript(pb, look);
  return lost === undefined ? NONE : later(pb, {...lost, compares: [...lost.compares, unclaimed(pb)]}, options);
}

function later(pb: OpenPb, ending: Ending, options: PlanOptions): PbStep {
  return {kind: 'later', why: ending.reason, write: ended(pb, ending, options.nowMs)};
}

/** Tells the script that it may begin: a realtime block at once, any other when its dependencies are done and it was granted its slots. */
function planRelease(pb: OpenPb, look: BlockLookups, {nowMs}: PlanOptions): BlockWrite | undefined {
  const {value: spec} = pb.spec;
  const state: PbState = {...pb.state.value, resources_available: true, last_updated: blockTime(nowMs)};
  const ops = [putJson(pbStateKey(pb.id), state)];
  if (spec.script.kind === REALTIME) return {what: 'released a realtime block', compares: own(pb), ops};
  const {admission} = pb;
  if (admission === undefined) return undefined;
  const granted: Expected = {key: pbAdmissionKey(pb.id), modRevision: admission.modRevision};
  if (Object.keys(admission.value.slots).length === 0) {
    return ended(pb, {status: 'FAILED', reason: admission.value.short ?? 'it was admitted without a slot', compares: [granted]}, nowMs);
  }
  const verdict = verdictOn(spec, look);
  if (verdict.kind === 'finished') return {what: 'released a block', compares: [...own(pb), granted, ...verdict.compares], ops};
  // What it depends on has begun anew, and may need the very slots that it holds.
  return {what: 'took back the slots of a block that has to wait again', compares: [...own(pb), granted], ops: [deleteOp(granted.key)]};
}

/** A block that is over gives its slots back; what still runs of it after the grace is ended. */
function planEnd(pb: OpenPb, look: BlockLookups): PbStep {
  const key = pbAdmissionKey(pb.id);
  const admitted = revisionOf(pb, 'admission');
  if (admitted > 0)
    return write({what: 'gave back the slots of a block', compares: [...own(pb), {key, modRevision: admitted}], ops: [deleteOp(key)]});
  const running = deploymentsOf(pb.id, look, (record) => !hasEnded(record));
  if (running.length === 0) return NONE;
  return {
    kind: 'later',
    why: 'over',
    write: {
      what: 'ended what still ran of a block that is over',
      compares: [...own(pb), ...running.map(compareSpec)],
      ops: running.map(({id}) => deleteOp(deployKey(id))),
    },
  };
}
