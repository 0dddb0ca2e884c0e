import {pbKey, pbOwnerKey, pbStateKey} from '../schema/keys.ts';
import {revisionOf} from './block-record.ts';
import type {DeployRecord, EbRecord, PbRecord, ScriptRecord} from './block-record.ts';
import type {Expected} from './block-write.ts';
import type {PbLookup} from './pb-dependencies.ts';

/** What is stored beside the block that a decision is about. */
export interface BlockLookups extends PbLookup {
  eb(id: string): EbRecord | undefined;
  script(id: string): ScriptRecord | undefined;
  deployment(id: string): DeployRecord | undefined;
  /** Deployments that may belong to a block. */
  deploymentsOf(pbId: string): Iterable<string>;
  cluster(name: string): 'there' | 'absent' | 'damaged';
  /** The circle of dependencies that a block is on, from it to it. */
  circleOf(id: string): readonly string[] | undefined;
}

/** A block whose own key is there and parses. */
export type Pb = PbRecord & Required<Pick<PbRecord, 'spec'>>;
export type OpenPb = Pb & Required<Pick<PbRecord, 'state'>>;

/** A block and its state, as they were decided on. */
export function own(pb: Pb): Expected[] {
  return [
    {key: pbKey(pb.id), modRevision: revisionOf(pb, 'spec')},
    {key: pbStateKey(pb.id), modRevision: revisionOf(pb, 'state')},
  ];
}

/** Whether some process runs its script. */
export function isClaimed(pb: Pb): boolean {
  return pb.owner !== undefined || pb.bad?.has('owner') === true;
}

export const unclaimed = (pb: Pb): Expected => ({key: pbOwnerKey(pb.id), modRevision: 0});
