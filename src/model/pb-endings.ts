import {must} from '../lib/assert.ts';
import {blockTime} from '../schema/block-ids.ts';
import {scriptDeploymentId} from '../schema/deployment.ts';
import {currentEb, isEbOver} from '../schema/execution-block.ts';
import {deployKey, deployStateKey, ebKey, ebStateKey, pbStateKey} from '../schema/keys.ts';
import {REALTIME} from '../schema/processing-block.ts';
import type {PbState} from '../schema/processing-block.ts';
import {putJson} from '../schema/put-json.ts';
import {revisionOf} from './block-record.ts';
import type {BlockWrite, Expected} from './block-write.ts';
import {verdictOn} from './pb-dependencies.ts';
import {own} from './pb-facts.ts';
import type {BlockLookups, OpenPb, Pb} from './pb-facts.ts';
import {compareSpec} from './pb-leftovers.ts';
import {blocksOf, hasEnded, isOurs, stateOfDeployment} from './script-deployment.ts';

/** That a block comes to its end, and why. */
export interface Ending {
  readonly status: 'FAILED' | 'CANCELLED';
  readonly reason: string;
  /** What it rests on, besides the block and its state. */
  readonly compares: readonly Expected[];
}

/** The block's last state. What a script said in it stays. */
export function ended(pb: Pb, {status, reason, compares}: Ending, nowMs: number): BlockWrite {
  const state: PbState = {...pb.state?.value, status, reason, last_updated: blockTime(nowMs)};
  return {
    what: status === 'FAILED' ? 'a block failed' : 'a block was cancelled',
    reason,
    compares: [...own(pb), ...compares],
    ops: [putJson(pbStateKey(pb.id), state)],
  };
}

/** A realtime block runs no longer than its execution block. */
export function refusalOf(pb: Pb, look: BlockLookups): Ending | undefined {
  const {eb_id, script} = pb.spec.value;
  if (script.kind !== REALTIME || eb_id === null) return undefined;
  const record = look.eb(eb_id);
  if (record?.spec === undefined || record.bad !== undefined) return undefined;
  const isStale = record.state !== undefined && record.state.createRevision < record.spec.createRevision;
  const {status} = currentEb(record.spec.value, isStale ? undefined : record.state?.value);
  if (!isEbOver(status)) return undefined;
  const compares = [
    {key: ebKey(eb_id), modRevision: revisionOf(record, 'spec')},
    {key: ebStateKey(eb_id), modRevision: revisionOf(record, 'state')},
  ];
  return {status: 'CANCELLED', reason: `execution block ${eb_id} is ${status}`, compares};
}

export function failureOfDependencies(pb: Pb, look: BlockLookups): Ending | undefined {
  const verdict = verdictOn(pb.spec.value, look);
  if (verdict.kind === 'failed') return {status: 'FAILED', ...verdict};
  if (verdict.kind === 'finished') return undefined;
  const circle = look.circleOf(pb.id);
  return circle === undefined ? undefined : {status: 'FAILED', reason: `dependencies form a circle: ${inWords(circle)}`, compares: []};
}

const MAX_NAMED = 10;

function inWords(circle: readonly string[]): string {
  const named = circle.length > MAX_NAMED ? [...circle.slice(0, MAX_NAMED - 1), '…', ...circle.slice(-1)] : circle;
  return named.join(' → ');
}

/** A script that will not go on. Whoever holds the block while its deployment is over goes on with it by other means. */
export function fateOfScript(pb: OpenPb, look: BlockLookups): Ending | undefined {
  const record = look.deployment(scriptDeploymentId(pb.id));
  if (!isOurs(record) || record.bad !== undefined || !hasEnded(record) || !blocksOf(record).includes(pb.id)) return undefined;
  const state = must(stateOfDeployment(record), 'what has ended has a state');
  const compares = [compareSpec(record), {key: deployStateKey(record.id), modRevision: revisionOf(record, 'state')}];
  const reason = state.status === 'FAILED' ? `script failed: ${state.reason ?? 'no reason was given'}` : 'script ended without a final state';
  return {status: pb.state.value.status === 'CANCELLING' ? 'CANCELLED' : 'FAILED', reason, compares};
}

/** A block under way whose script is not deployed any more. */
export function lossOfScript(pb: OpenPb, look: BlockLookups): Ending | undefined {
  const id = scriptDeploymentId(pb.id);
  if (look.deployment(id)?.spec !== undefined || look.deployment(id)?.bad?.has('spec') === true) return undefined;
  return {status: 'FAILED', reason: `deployment ${id} was removed`, compares: [{key: deployKey(id), modRevision: 0}]};
}
