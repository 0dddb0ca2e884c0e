import {STATE_NAME} from '../../../proto/state.ts';
import type {Request} from '../../../proto/types.ts';
import {onlyId, resultCommand} from '../command.ts';
import type {View} from '../command.ts';
import {callerArgs, millisecondsOf} from '../present.ts';
import {labelled, oneLine} from '../../text.ts';
import {formatWithAge} from '../times.ts';

/** Everything that a request's record says. */
export function showInfo(request: Request, {nowMs, timeZone}: View): string {
  const time = (text: string | null): string => {
    const ms = millisecondsOf(text);
    return ms === undefined ? '' : formatWithAge(ms, nowMs, timeZone);
  };
  return labelled([
    ['id', oneLine(request.id)],
    ['request', oneLine(request.type)],
    ['caller', oneLine(request.user)],
    ['created', time(request.createdAt)],
    ['started', time(request.startedAt)],
    ['finished', time(request.finishedAt)],
    ['state', STATE_NAME[request.state]],
    ['host', oneLine(request.jrURL ?? '')],
    ['jobs', `${request.totalJobs} (${request.finishedJobs} complete)`],
    ['args', callerArgs(request)],
  ]);
}

const facts = {name: 'info', usage: '<id>', summary: 'show everything about a request'};

export const info = resultCommand<Request>({
  ...facts,
  query: ({api, line}) => api.getRequest(onlyId(facts, line.args)),
  show: showInfo,
});
