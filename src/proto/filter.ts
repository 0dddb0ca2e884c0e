import {FieldError} from './error.ts';
import {STATE_NAME, STATE_VALUE, isStateName} from './state.ts';
import type {State} from './state.ts';
import {formatTime} from './time.ts';

/** Which of the running jobs are asked for. */
export interface StatusFilter {
  readonly requestId?: string;
  readonly orderBy?: string;
}

/** Which requests are looked for: all conditions hold, one of the states does. Times are RFC 3339. `limit` 0 or absent: all. */
export interface RequestFilter {
  readonly type?: string;
  readonly states?: readonly State[];
  readonly user?: string;
  readonly args?: Readonly<Record<string, string>>;
  /** Finished after this, or not finished. */
  readonly since?: string;
  /** Created before this. */
  readonly until?: string;
  readonly limit?: number;
  readonly offset?: number;
}

/** Order of running jobs: by the time of their start, the only one there is. */
export const ORDER_BY_START_TIME = 'starttime';

/** The query string of a filter, with its question mark; empty for an empty one. */
export function statusQuery({requestId = '', orderBy = ''}: StatusFilter): string {
  const parts = [requestId === '' ? '' : `requestId=${encode(requestId)}`, orderBy === '' ? '' : `orderBy=${encode(orderBy.toLowerCase())}`];
  return query(parts.filter((part) => part !== ''));
}

/** The query string of a filter: no question mark, names in order, arguments in the order of their names. @throws FieldError for a time that is none */
export function requestQuery(filter: RequestFilter): string {
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(filter.args ?? {}).sort(([a], [b]) => (a < b ? -1 : 1))) pairs.push(['arg', `${name}=${value}`]);
  if ((filter.limit ?? 0) > 0) pairs.push(['limit', String(filter.limit)]);
  if ((filter.offset ?? 0) > 0) pairs.push(['offset', String(filter.offset)]);
  if (filter.since !== undefined) pairs.push(['since', formatTime(filter.since, 'since')]);
  for (const state of filter.states ?? []) pairs.push(['state', STATE_NAME[state]]);
  if (filter.type !== undefined && filter.type !== '') pairs.push(['type', filter.type]);
  if (filter.until !== undefined) pairs.push(['until', formatTime(filter.until, 'until')]);
  if (filter.user !== undefined && filter.user !== '') pairs.push(['user', filter.user]);
  return pairs.map(([name, value]) => `${name}=${encode(value)}`).join('&');
}

/**
 * A filter from a query string, with or without its question mark.
 *
 * `offset` counts only beside `limit`, and is not looked at without it.
 *
 * @throws FieldError that names the parameter
 */
export function parseRequestQuery(text: string): RequestFilter {
  const given = new URLSearchParams(text);
  const sole = (name: string): string | undefined => given.get(name) || undefined;
  const states = given.getAll('state').map((name) => {
    if (!isStateName(name)) throw refused('state', name, `one of ${Object.keys(STATE_VALUE).join(', ')}`);
    return STATE_VALUE[name];
  });
  const args = given.getAll('arg').map((pair): [string, string] => {
    const at = pair.indexOf('=');
    if (at < 0) throw refused('arg', pair, 'name=value');
    return [pair.slice(0, at), pair.slice(at + 1)];
  });
  const time = (name: string): string | undefined => {
    const value = sole(name);
    return value === undefined ? undefined : formatTime(value, name);
  };
  const count = (name: string): number | undefined => {
    const value = sole(name);
    if (value === undefined) return undefined;
    if (!/^\d{1,15}$/.test(value)) throw refused(name, value, 'a whole number from 0');
    return Number(value);
  };
  const limit = count('limit');
  return defined({
    type: sole('type'),
    states: states.length === 0 ? undefined : states,
    user: sole('user'),
    args: args.length === 0 ? undefined : Object.fromEntries(args),
    since: time('since'),
    until: time('until'),
    limit,
    offset: limit === undefined ? undefined : count('offset'),
  });
}

/** A filter from a query string. @throws FieldError for an order that there is not */
export function parseStatusQuery(text: string): StatusFilter {
  const given = new URLSearchParams(text);
  const orderBy = given.get('orderBy') || undefined;
  if (orderBy !== undefined && orderBy.toLowerCase() !== ORDER_BY_START_TIME) throw refused('orderBy', orderBy, ORDER_BY_START_TIME);
  return defined({requestId: given.get('requestId') || undefined, orderBy: orderBy?.toLowerCase()});
}

function refused(name: string, value: string, expected: string): FieldError {
  return new FieldError(name, `${JSON.stringify(value.slice(0, 100))} is not ${expected}`);
}

/** As Go's url.QueryEscape. */
function encode(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+');
}

function query(parts: readonly string[]): string {
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/** Without the members that are undefined. */
function defined<T extends object>(value: T): {[K in keyof T]: Exclude<T[K], undefined>} {
  return Object.fromEntries(Object.entries(value).filter(([, member]) => member !== undefined)) as {[K in keyof T]: Exclude<T[K], undefined>};
}
