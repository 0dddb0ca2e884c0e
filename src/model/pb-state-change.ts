import {isDeepStrictEqual} from 'node:util';
import {blockTime} from '../schema/block-ids.ts';
import {isPbOver} from '../schema/processing-block.ts';
import type {PbState} from '../schema/processing-block.ts';

/**
 * What somebody writes of a processing block's state: `replace` all of it, but what is the controller's; or some members, of which `null` takes one out.
 */
export interface PbStateChange {
  readonly replace: boolean;
  readonly members: Readonly<Record<string, unknown>>;
  /** `owner`: the script, under its claim. `operator`: somebody without one. */
  readonly by: 'owner' | 'operator';
}

/** As `EbOutcome`; `forbidden`: that member is not theirs to write. */
export type PbStateOutcome =
  | {readonly kind: 'write'; readonly state: PbState}
  | {readonly kind: 'same'}
  | {readonly kind: 'refused'; readonly reason: string; readonly why: 'conflict' | 'forbidden'};

/** What an operator may write without a claim. */
const OPERATORS = new Set(['status', 'reason']);

/**
 * Changes the state of a processing block as its script does, or an operator who cancels it. Final states stay, `resources_available` and STARTING are the
 * processing controller's, and members that nobody here knows are kept.
 *
 * @param before `undefined`: nobody has picked the block up yet
 */
export function changePbState(before: PbState | undefined, {replace, members, by}: PbStateChange, nowMs: number): PbStateOutcome {
  const {resources_available, status, last_updated: _, ...others} = members;
  if (resources_available !== undefined && resources_available !== before?.resources_available) {
    return refused('forbidden', 'resources_available: the processing controller alone says so');
  }
  if (status === 'STARTING' && before?.status !== 'STARTING') return refused('forbidden', 'status: the processing controller alone says STARTING');
  if (by === 'operator') {
    const name = Object.keys(members).find((member) => !OPERATORS.has(member));
    if (status !== 'CANCELLED' || replace || name !== undefined) {
      return refused(
        'conflict',
        'whoever has not claimed the processing block may only cancel it: {"status": "CANCELLED"}; a script names its claim',
      );
    }
  }
  if (before === undefined && by === 'owner') return refused('conflict', 'the processing controller has not picked the processing block up yet');
  const kept = replace ? pick(before, 'resources_available') : {...before};
  const after: Record<string, unknown> = {...kept, ...others, ...(status === undefined ? {} : {status})};
  for (const [name, value] of Object.entries(members)) if (value === null && !replace) delete after[name];
  const isSame = isDeepStrictEqual(withoutTime(after), withoutTime(before ?? {}));
  if (isSame) return {kind: 'same'};
  if (before !== undefined && isPbOver(before.status)) return refused('conflict', `the processing block is ${before.status}, which is final`);
  return {kind: 'write', state: {...(after as unknown as PbState), last_updated: blockTime(nowMs)}};
}

function refused(why: 'conflict' | 'forbidden', reason: string): PbStateOutcome {
  return {kind: 'refused', why, reason};
}

function pick(state: PbState | undefined, name: 'resources_available'): object {
  return state?.[name] === undefined ? {} : {[name]: state[name]};
}

function withoutTime(state: Readonly<Record<string, unknown>>): object {
  const {last_updated: _, ...others} = state;
  return others;
}
