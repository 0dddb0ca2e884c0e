import {BLOCK_ID} from '../schema/block-ids.ts';
import {blocksOfDeployment, scriptDeploymentId} from '../schema/deployment.ts';
import type {Deployment, DeploymentState} from '../schema/deployment.ts';
import {deployKey, pbKey} from '../schema/keys.ts';
import type {ProcessingBlock} from '../schema/processing-block.ts';
import type {Script} from '../schema/script.ts';
import {revisionOf} from './block-record.ts';
import type {DeployRecord} from './block-record.ts';
import {deleteOp} from './block-write.ts';
import type {BlockWrite} from './block-write.ts';
import {pbExists} from './pb-dependencies.ts';
import type {PbLookup} from './pb-dependencies.ts';

/** Whether a script says what is to be run. */
export function isRunnable(script: Script): boolean {
  return script.image !== undefined || script.command !== undefined;
}

/** The deployment that runs a block's script. Addresses and tokens are not in it: they are made for each launch. */
export function scriptDeployment(pb: ProcessingBlock, script: Script, defaultCluster: string): Deployment {
  const {pb_id, eb_id, parameters} = pb;
  const {image, command, env = [], cluster = defaultCluster, slots = 1} = script;
  return {
    id: scriptDeploymentId(pb_id),
    type: 'job',
    pb_id,
    args: {
      ...(command === undefined ? {} : {command}),
      ...(image === undefined ? {} : {image}),
      env: [...env, ['SCANPLANE_PB_ID', pb_id]],
      cluster,
      slots,
      values: {pb_id, eb_id, script: pb.script, parameters, ...(image === undefined ? {} : {image})},
    },
  };
}

/** Ids of the blocks that a deployment may belong to; none: it is no block's. One whose key is damaged says so by its name alone. */
export function blocksOf({id, spec}: DeployRecord): readonly string[] {
  const named = spec?.value.pb_id;
  return (named === undefined ? blocksOfDeployment(id) : [named]).filter((block) => BLOCK_ID.test(block));
}

/** Whether a deployment is ours to remove, and is what it says: charts are installed by others, and what does not parse is left alone. */
export function isOurs(record: DeployRecord | undefined): record is DeployRecord & Required<Pick<DeployRecord, 'spec'>> {
  return record?.spec !== undefined && record.spec.value.type !== 'helm';
}

/** Whether a deployment is of this very block: it says so, or no other block exists that its name may speak of. */
export function belongsTo(pbId: string, record: DeployRecord, look: PbLookup): boolean {
  const blocks = blocksOf(record);
  return blocks.includes(pbId) && blocks.every((block) => block === pbId || !pbExists(look.pb(block)));
}

/** What became of a deployment, as its present incarnation has it. */
export function stateOfDeployment({spec, state}: DeployRecord): DeploymentState | undefined {
  if (state === undefined || (state.value.of !== undefined && state.value.of !== spec?.createRevision)) return undefined;
  return state.value;
}

export function hasEnded(record: DeployRecord): boolean {
  const status = stateOfDeployment(record)?.status;
  return status === 'FINISHED' || status === 'FAILED' || status === 'CANCELLED';
}

/** Removes a deployment of which no block exists that it may belong to. `undefined`: it stays. */
export function removalOfOrphan(record: DeployRecord, look: PbLookup): BlockWrite | undefined {
  const blocks = blocksOf(record);
  if (!isOurs(record) || blocks.length === 0 || blocks.some((block) => pbExists(look.pb(block)))) return undefined;
  const key = deployKey(record.id);
  return {
    what: 'removed a deployment whose block does not exist',
    compares: [{key, modRevision: revisionOf(record, 'spec')}, ...blocks.map((block) => ({key: pbKey(block), modRevision: 0}))],
    ops: [deleteOp(key)],
  };
}
