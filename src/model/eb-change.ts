import {isDeepStrictEqual} from 'node:util';
import {blockTime} from '../schema/block-ids.ts';
import {currentEb, isEbOver} from '../schema/execution-block.ts';
import type {EbState, EbStatus, ExecutionBlock, ScanType} from '../schema/execution-block.ts';

/** What is to change in an execution block. What is absent stays. */
export interface EbChange {
  /** Appended to those that are there. */
  readonly scan_types?: readonly ScanType[];
  readonly current_scan_type?: string | null;
  readonly scan_id?: number | null;
  readonly status?: EbStatus;
}

/**
 * - `write`: the block, and its state where that is kept apart.
 * - `same`: it is so already.
 * - `refused`: `isConflict` where it is what is stored that stands against it, rather than that nothing could be meant by it.
 */
export type EbOutcome =
  | {readonly kind: 'write'; readonly block: ExecutionBlock; readonly state: EbState | undefined}
  | {readonly kind: 'same'}
  | {readonly kind: 'refused'; readonly reason: string; readonly isConflict: boolean};

/**
 * Changes an execution block as a subarray's commands do: scan types are appended and never redefined, the current one must be among them, and an end is
 * final: with it the current scan and the subarray go.
 *
 * @param state `/eb/[id]/state`, where newer programs keep dynamic members: then they are written there
 */
export function changeEb(block: ExecutionBlock, state: EbState | undefined, change: EbChange, nowMs: number): EbOutcome {
  const now = currentEb(block, state);
  const wanted = change.status ?? now.status;
  const isEnd = isEbOver(wanted);
  const dynamics = {
    status: wanted,
    current_scan_type: isEnd ? null : change.current_scan_type === undefined ? now.current_scan_type : change.current_scan_type,
    scan_id: isEnd ? null : change.scan_id === undefined ? now.scan_id : change.scan_id,
  };
  if (isEnd) {
    for (const member of ['current_scan_type', 'scan_id'] as const) {
      if ((change[member] ?? null) !== null) return invalid(`${member} cannot be set while the status is ${wanted}`);
    }
  }
  const added = change.scan_types ?? [];
  if (isEbOver(now.status)) {
    if (added.length === 0 && wanted === now.status) return {kind: 'same'};
    return conflict(`execution block ${block.eb_id} is ${now.status}, which is final`);
  }
  const known = new Set(block.scan_types.map(({scan_type_id}) => scan_type_id));
  for (const [i, {scan_type_id}] of added.entries()) {
    if (known.has(scan_type_id)) return conflict(`scan_types.${i}: scan type ${scan_type_id} is defined already`);
    known.add(scan_type_id);
  }
  const current = change.current_scan_type ?? null;
  if (current !== null && !known.has(current)) return invalid(`current_scan_type: there is no scan type ${current}`);

  const subarray_id = isEnd ? null : block.subarray_id;
  const last_updated = blockTime(nowMs);
  const fixed = {scan_types: [...block.scan_types, ...added], subarray_id};
  const isFixedSame = added.length === 0 && subarray_id === block.subarray_id;
  const {status, current_scan_type, scan_id} = now;
  if (isFixedSame && isDeepStrictEqual(dynamics, {status, current_scan_type, scan_id})) return {kind: 'same'};
  if (state === undefined) return {kind: 'write', block: {...block, ...fixed, ...dynamics, last_updated}, state: undefined};
  const {current_scan_type: scan_type, ...others} = dynamics;
  return {
    kind: 'write',
    block: isFixedSame ? block : {...block, ...fixed, last_updated},
    state: {...state, ...others, scan_type, last_updated},
  };
}

const invalid = (reason: string): EbOutcome => ({kind: 'refused', reason, isConflict: false});
const conflict = (reason: string): EbOutcome => ({kind: 'refused', reason, isConflict: true});

/**
 * The block with `pbId` as the one whose receive addresses count, or without it when it has none any more. The same object: nothing changes.
 *
 * @param addresses what the processing block's state says now
 */
export function withReceiver(block: ExecutionBlock, pbId: string, addresses: unknown, nowMs: number): ExecutionBlock {
  const hasSome = typeof addresses === 'object' && addresses !== null && Object.keys(addresses).length > 0;
  const before = block.pb_receive_addresses;
  const after = hasSome ? pbId : before === pbId ? null : before;
  return after === before ? block : {...block, pb_receive_addresses: after, last_updated: blockTime(nowMs)};
}
