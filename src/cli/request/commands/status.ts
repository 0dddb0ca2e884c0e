import {STATE_NAME} from '../../../proto/state.ts';
import type {Request} from '../../../proto/types.ts';
import {onlyId, resultCommand} from '../command.ts';
import type {View} from '../command.ts';
import {percentOf, requiredArgs, runtimeOf} from '../present.ts';
import {labelled, oneLine} from '../../text.ts';

/** A request in six lines. */
export function showStatus(request: Request, {nowMs}: View): string {
  return labelled([
    ['state', STATE_NAME[request.state]],
    ['progress', percentOf(request)],
    ['runtime', runtimeOf(request, nowMs)],
    ['request', oneLine(request.type)],
    ['caller', oneLine(request.user)],
    ['args', requiredArgs(request)],
  ]);
}

const facts = {name: 'status', usage: '<id>', summary: 'show state and progress of a request'};

export const status = resultCommand<Request>({
  ...facts,
  query: ({api, line}) => api.getRequest(onlyId(facts, line.args)),
  show: showStatus,
});
