import {ControlPlaneError} from '../../../lib/errors.ts';
import type {RequestFilter} from '../../../proto/filter.ts';
import {STATE_NAME, STATE_VALUE, isStateName} from '../../../proto/state.ts';
import type {State} from '../../../proto/state.ts';
import type {Request} from '../../../proto/types.ts';
import {resultCommand} from '../command.ts';
import type {View} from '../command.ts';
import {parsePairs} from '../pairs.ts';
import {millisecondsOf} from '../present.ts';
import {table} from '../../text.ts';
import type {Column} from '../../text.ts';
import {formatTime, parseGivenTime} from '../times.ts';

const DEFAULT_LIMIT = 10;

/** What `find` was asked for. */
export interface FindQuery {
  readonly filter: RequestFilter;
  readonly isLocal: boolean;
}

/** Reads the parameters of `find`. @throws ControlPlaneError `invalid`, naming the parameter. */
export function parseFind(words: readonly string[]): FindQuery {
  const given = parsePairs(words);
  const text = (name: string): string | undefined => {
    const value = given.get(name);
    given.delete(name);
    return value === '' ? undefined : value;
  };
  const [type, user, states, args, since, until] = ['type', 'user', 'states', 'args', 'since', 'until'].map(text);
  const [limit, offset, timezone] = ['limit', 'offset', 'timezone'].map(text);
  if (given.size > 0) throw new ControlPlaneError('invalid', `Unknown parameter: ${[...given.keys()].join(', ')}`);
  if (timezone !== undefined && timezone !== 'utc' && timezone !== 'local')
    throw new ControlPlaneError('invalid', `timezone=${timezone}: it is utc or local`);
  const rows = limit === undefined ? DEFAULT_LIMIT : count('limit', limit);
  const skipped = offset === undefined ? 0 : count('offset', offset);
  if (rows === 0 && skipped > 0) throw new ControlPlaneError('invalid', 'offset needs a limit');
  return {
    filter: {
      ...(type === undefined ? {} : {type}),
      ...(user === undefined ? {} : {user}),
      ...(states === undefined ? {} : {states: states.split(',').map(stateOf)}),
      ...(args === undefined ? {} : {args: Object.fromEntries(parsePairs(args.split(','), 'args'))}),
      ...(since === undefined ? {} : {since: parseGivenTime('since', since)}),
      ...(until === undefined ? {} : {until: parseGivenTime('until', until)}),
      limit: rows,
      offset: skipped,
    },
    isLocal: timezone === 'local',
  };
}

function stateOf(text: string): State {
  const name = text.trim().toUpperCase();
  if (!isStateName(name)) throw new ControlPlaneError('invalid', `states: there is no state ${JSON.stringify(text)}`);
  return STATE_VALUE[name];
}

function count(name: string, text: string): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number)) throw new ControlPlaneError('invalid', `${name}=${text}: it has to be a whole number`);
  return number;
}

const COLUMNS: readonly Column[] = [
  {title: 'ID', width: 20, isWhole: true},
  {title: 'REQUEST', width: 40},
  {title: 'USER', width: 16},
  {title: 'STATE', width: 9},
  {title: 'CREATED', width: 23},
  {title: 'STARTED', width: 23},
  {title: 'FINISHED', width: 23},
  {title: 'JOBS'},
];

/** One line for each request, in the order of the server: newest first. */
export function showFound(requests: readonly Request[], timeZone: string): string {
  const time = (text: string | null): string => {
    const ms = millisecondsOf(text);
    return ms === undefined ? 'N/A' : formatTime(ms, timeZone);
  };
  return table(
    COLUMNS,
    requests.map((request) => [
      request.id,
      request.type,
      request.user,
      STATE_NAME[request.state],
      time(request.createdAt),
      time(request.startedAt),
      time(request.finishedAt),
      `${request.finishedJobs} / ${request.totalJobs}`,
    ]),
  );
}

interface Found {
  readonly requests: readonly Request[];
  readonly isLocal: boolean;
}

export const find = resultCommand<Found>({
  name: 'find',
  usage: '[parameter=value ...]',
  summary: 'find requests by what they are',
  details: `Parameters:
  type=NAME        requests of this name
  user=NAME        requests of this caller
  states=A,B       in one of these states
  args=a=1,b=2     given all of these arguments
  since=TIME       finished after it, or not finished; as YYYY-MM-DD HH:MM:SS UTC
  until=TIME       created before it
  limit=N          at most so many, 0 for all (default ${DEFAULT_LIMIT})
  offset=N         without the first N
  timezone=ZONE    show times in utc (default) or local
`,
  query: async ({api, line}) => {
    const {filter, isLocal} = parseFind(line.args);
    return {requests: await api.findRequests(filter), isLocal};
  },
  show: ({requests, isLocal}, {timeZone}: View) => showFound(requests, isLocal ? timeZone : 'UTC'),
});
