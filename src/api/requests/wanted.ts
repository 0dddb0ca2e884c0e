import {unreachable} from '../../lib/assert.ts';
import {requestStateOf} from '../../model/request-view.ts';
import type {RequestRecord} from '../../model/request-view.ts';
import {isChained} from '../../model/scan-record.ts';
import {DEFAULT_CONTROL} from '../../schema/control.ts';
import type {Control} from '../../schema/control.ts';
import {controlKey, scanKey, stateKey} from '../../schema/keys.ts';
import {putJson} from '../../schema/put-json.ts';
import {changeRecord, childRevision} from '../compare-and-set.ts';
import type {RouteDeps} from '../deps.ts';
import {invalidState} from './errors.ts';
import {findRequest} from './find-request.ts';

/** What a user wants of a request that is there. `cancel` is a stop that also takes back what has not begun. */
export type Wish = 'stop' | 'cancel' | 'suspend' | 'resume' | 'retry';

/**
 * Writes down what a user wants; whoever leads the request does it. Safe to repeat: what is wanted already is no change.
 *
 * @throws ApiError `not_found`; `wrong_state`: it cannot be done in the request's state, or is wanted otherwise already
 */
export function wantOf(deps: Pick<RouteDeps, 'cache' | 'clock' | 'groupCommit'>, id: string, wish: Wish): Promise<void> {
  return changeRecord(deps, id, findRequest, (record) => {
    const control = record.control?.value ?? DEFAULT_CONTROL;
    const wanted = decide(record, control, wish);
    if (wanted === undefined) return {commit: undefined, answer: () => {}};
    const next: Control = {...control, ...wanted, generation: control.generation + 1, updated_at: deps.clock.now() / 1000};
    return {
      commit: {
        // What was decided on is the state too: a request that ends meanwhile is looked at again.
        compares: [
          {key: scanKey(id), exists: true},
          {key: controlKey(id), modRevision: childRevision(record, 'control')},
          {key: stateKey(id), modRevision: childRevision(record, 'state')},
        ],
        ops: [putJson(controlKey(id), next)],
      },
      answer: () => {},
    };
  });
}

/** What to change in the control key; `undefined`: nothing, it is so already. @throws ApiError `wrong_state` */
function decide(record: RequestRecord, control: Control, wish: Wish): Partial<Control> | undefined {
  const state = requestStateOf(record);
  const refuse = (why = `it is ${state}`): Error => invalidState(`cannot ${wish} request ${record.id}: ${why}`);
  const {desired} = control;
  switch (wish) {
    case 'stop':
    case 'cancel':
      if (state === 'COMPLETE') return undefined;
      if (state === 'FAIL' || state === 'STOPPED') throw refuse();
      if (desired === 'stop') return undefined;
      if (state === 'PENDING' && wish === 'stop') throw refuse('it is PENDING; to take it back before it has begun, say ?pending=true');
      return {desired: 'stop'};
    case 'suspend':
      if (control.is_deleted || desired === 'stop') throw refuse('it is being stopped');
      if (desired === 'suspend' && (state === 'RUNNING' || state === 'SUSPENDED')) return undefined;
      if (state !== 'RUNNING') throw refuse();
      return {desired: 'suspend'};
    case 'resume':
      if (control.is_deleted || desired === 'stop') throw refuse('it is being stopped');
      if (state === 'SUSPENDED') return desired === 'run' ? undefined : {desired: 'run'};
      if (desired === 'suspend' && (state === 'RUNNING' || state === 'PENDING')) return {desired: 'run'};
      throw refuse();
    case 'retry': {
      if (!isChained(record)) throw refuse('a sky scan is asked for again with a rescan');
      if (control.is_deleted) throw refuse('it is deleted');
      const stored = record.state?.value;
      if (state === 'PENDING' && stored !== undefined && stored.name !== 'PENDING') return undefined; // It was asked for before.
      if (stored === undefined || (state !== 'FAIL' && state !== 'STOPPED')) throw refuse();
      return {desired: 'run', attempt: Math.max(control.attempt ?? 1, stored.attempt + 1)};
    }
    default:
      return unreachable(wish);
  }
}
