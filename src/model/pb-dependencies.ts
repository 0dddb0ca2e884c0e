import {pbKey, pbStateKey} from '../schema/keys.ts';
import {isPbOver, REALTIME} from '../schema/processing-block.ts';
import type {PbState, ProcessingBlock} from '../schema/processing-block.ts';
import {revisionOf} from './block-record.ts';
import type {PbRecord} from './block-record.ts';
import {MAX_AT_ONCE} from './block-write.ts';
import type {Expected} from './block-write.ts';
import type {Entry} from './scan-record.ts';

/** Where a block's dependencies stand; with what a write that rests on it compares. */
export type DependencyVerdict =
  | {readonly kind: 'finished'; readonly compares: readonly Expected[]}
  | {readonly kind: 'open'}
  | {readonly kind: 'missing'; readonly reason: string; readonly compares: readonly Expected[]}
  | {readonly kind: 'failed'; readonly reason: string; readonly compares: readonly Expected[]};

/** The blocks that there are. */
export interface PbLookup {
  pb(id: string): PbRecord | undefined;
}

/** A reason that was handed down a long chain must not grow with each block. */
const MAX_REASON = 200;

/** Whether the block exists. A value that does not parse is a block, too. */
export function pbExists(record: PbRecord | undefined): record is PbRecord {
  return record !== undefined && (record.spec !== undefined || record.bad?.has('spec') === true);
}

/** The create revision of the block's own key; 0: it does not exist. */
export function bornAt(record: PbRecord): number {
  return (record.spec ?? record.bad?.get('spec'))?.createRevision ?? 0;
}

/** The state that counts: one that is older than its block was another's, which was deleted. */
export function stateOf(record: PbRecord | undefined): Entry<PbState> | undefined {
  return record?.state !== undefined && record.state.createRevision >= bornAt(record) ? record.state : undefined;
}

/** Ids of the blocks that one waits for. Realtime blocks wait for nothing. */
export function dependenciesOf(spec: ProcessingBlock): readonly string[] {
  return spec.script.kind === REALTIME ? [] : spec.dependencies.map(({pb_id}) => pb_id);
}

/** Whether a script has yet to be told that it may begin: only so long its dependencies count. */
export function waitsToBegin({status, resources_available}: PbState): boolean {
  return (status === 'STARTING' || status === 'WAITING') && resources_available !== true;
}

/** Ids of the blocks that one waits for as it is now: none once it has begun, or is over. */
export function awaitedBy(record: PbRecord | undefined): readonly string[] {
  const state = stateOf(record)?.value;
  return record?.spec === undefined || (state !== undefined && !waitsToBegin(state)) ? [] : dependenciesOf(record.spec.value);
}

/** Failures count before what is missing, and that before what is open: the block is told the worst. */
export function verdictOn(spec: ProcessingBlock, look: PbLookup): DependencyVerdict {
  const compares: Expected[] = [];
  let missing: string | undefined;
  let isOpen = false;
  for (const id of dependenciesOf(spec)) {
    const record = look.pb(id);
    const state = stateOf(record)?.value;
    if (!pbExists(record)) missing ??= id;
    else if (state === undefined || !isPbOver(state.status)) isOpen = true;
    else {
      const compare = {key: pbStateKey(id), modRevision: revisionOf(record, 'state')};
      if (state.status !== 'FINISHED') return {kind: 'failed', reason: reasonOfFailure(id, state), compares: [compare]};
      // What is FINISHED stays so: where there are too many for one transaction, the rest need not be compared.
      if (compares.length < MAX_AT_ONCE) compares.push(compare);
    }
  }
  if (missing !== undefined)
    return {kind: 'missing', reason: `dependency ${missing} does not exist`, compares: [{key: pbKey(missing), modRevision: 0}]};
  return isOpen ? {kind: 'open'} : {kind: 'finished', compares};
}

function reasonOfFailure(id: string, {status, reason}: PbState): string {
  const text = status === 'FAILED' ? `dependency ${id} failed` : `dependency ${id} was cancelled`;
  return reason === undefined ? text : `${text}: ${reason.length > MAX_REASON ? `${reason.slice(0, MAX_REASON)}…` : reason}`;
}
