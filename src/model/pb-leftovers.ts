import {deployKey, ebKey, ebStateKey, pbAdmissionKey, pbKey, pbOwnerKey, pbStateKey} from '../schema/keys.ts';
import {revisionOf} from './block-record.ts';
import type {DeployRecord, EbRecord, PbRecord} from './block-record.ts';
import {deleteOp, MAX_AT_ONCE} from './block-write.ts';
import type {BlockWrite, Expected} from './block-write.ts';
import {bornAt} from './pb-dependencies.ts';
import type {BlockLookups, Pb} from './pb-facts.ts';
import type {Entry} from './scan-record.ts';
import {belongsTo, isOurs} from './script-deployment.ts';

const PARTS = [
  ['state', pbStateKey],
  ['admission', pbAdmissionKey],
  ['owner', pbOwnerKey],
] as const;

function createdAt(record: PbRecord, part: 'state' | 'admission' | 'owner'): number {
  return (record[part] ?? record.bad?.get(part))?.createRevision ?? 0;
}

/** Children of a block that does not exist. Its places in the backlog are the scheduler's. */
export function removalOfLeftovers(record: PbRecord): BlockWrite | undefined {
  const ops = PARTS.filter(([part]) => createdAt(record, part) > 0).map(([, keyOf]) => deleteOp(keyOf(record.id)));
  if (ops.length === 0) return undefined;
  return {what: 'removed what was left of a block that does not exist', compares: [{key: pbKey(record.id), modRevision: 0}], ops};
}

/** What is older than its block is of one that was deleted: the block begins anew. Deployments go with the state that they were made for. */
export function removalOfFormer(pb: Pb, look: BlockLookups): BlockWrite | undefined {
  const {id} = pb;
  const born = bornAt(pb);
  const stale = PARTS.filter(([part]) => createdAt(pb, part) > 0 && createdAt(pb, part) < born);
  const hasOwnState = pb.state !== undefined && pb.state.createRevision >= born;
  const deployments = hasOwnState ? [] : deploymentsOf(id, look, ({spec}) => spec.createRevision < born);
  if (stale.length + deployments.length === 0) return undefined;
  return {
    what: 'removed what was left of a former block of this name',
    compares: [
      {key: pbKey(id), modRevision: revisionOf(pb, 'spec')},
      {key: pbStateKey(id), modRevision: revisionOf(pb, 'state')},
      ...stale.map(([part, keyOf]) => ({key: keyOf(id), modRevision: revisionOf(pb, part)})).filter(({key}) => key !== pbStateKey(id)),
      ...deployments.map(compareSpec),
    ],
    ops: [...stale.map(([, keyOf]) => deleteOp(keyOf(id))), ...deployments.map((each) => deleteOp(deployKey(each.id)))],
  };
}

export type OwnDeployment = DeployRecord & Required<Pick<DeployRecord, 'spec'>>;

/** Deployments of the block alone that are ours to remove and that are `wanted`, as many as one transaction takes. */
export function deploymentsOf(id: string, look: BlockLookups, wanted: (record: OwnDeployment) => boolean): OwnDeployment[] {
  const found: OwnDeployment[] = [];
  for (const name of look.deploymentsOf(id)) {
    const each = look.deployment(name);
    if (isOurs(each) && belongsTo(id, each, look) && wanted(each)) found.push(each);
    if (found.length >= MAX_AT_ONCE) break;
  }
  return found;
}

export const compareSpec = (record: DeployRecord): Expected => ({key: deployKey(record.id), modRevision: revisionOf(record, 'spec')});

/** The state of an execution block that does not exist, or that is older than the block. `undefined`: there is none. */
export function removalOfEbState(record: EbRecord): BlockWrite | undefined {
  if (record.bad?.has('spec') === true) return undefined;
  const state: Pick<Entry<unknown>, 'createRevision'> | undefined = record.state ?? record.bad?.get('state');
  if (state === undefined || (record.spec !== undefined && state.createRevision >= record.spec.createRevision)) return undefined;
  return {
    what: 'removed the state of an execution block that does not exist any more',
    compares: [
      {key: ebKey(record.id), modRevision: revisionOf(record, 'spec')},
      {key: ebStateKey(record.id), modRevision: revisionOf(record, 'state')},
    ],
    ops: [deleteOp(ebStateKey(record.id))],
  };
}
