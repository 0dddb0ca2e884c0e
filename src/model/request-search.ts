import {timeNs} from '../proto/time.ts';
import type {RequestFilter} from '../proto/filter.ts';
import {STATE_NAME} from '../proto/state.ts';
import {isTerminal} from '../schema/state.ts';
import {DEFAULT_CONTROL} from '../schema/control.ts';
import {isScan} from './manifest.ts';
import {UNKNOWN_USER, createdMsOf, requestStateOf} from './request-view.ts';
import type {RequestRecord} from './request-view.ts';
import {asMs} from './wire-time.ts';

/** Milliseconds since 1970, with a fraction: the wire's times have nanoseconds. */
const msOf = (time: string): number => Number(timeNs(time)) / 1e6;

/**
 * Whether a request is one of those that are looked for. What is marked as deleted is none.
 *
 * `since`: finished after it, or not finished; `until`: made before it. Arguments are those that the caller gave, texts alone, letter by letter.
 *
 * @see Spin Cycle, request manager: Find
 */
export function matcherOf(filter: RequestFilter): (record: RequestRecord) => boolean {
  const {type, user} = filter;
  const states = filter.states === undefined ? undefined : new Set<string>(filter.states.map((state) => STATE_NAME[state]));
  const args = Object.entries(filter.args ?? {});
  const sinceMs = filter.since === undefined ? undefined : msOf(filter.since);
  const untilMs = filter.until === undefined ? undefined : msOf(filter.until);
  return (record) => {
    const spec = record.spec.value;
    if (type !== undefined && spec.type !== type) return false;
    if (user !== undefined && (spec.user ?? UNKNOWN_USER) !== user) return false;
    if ((record.control?.value ?? DEFAULT_CONTROL).is_deleted) return false;
    if (states !== undefined && !states.has(requestStateOf(record))) return false;
    if (untilMs !== undefined && createdMsOf(record) >= untilMs) return false;
    if (sinceMs !== undefined && (finishedMsOf(record) ?? Number.POSITIVE_INFINITY) <= sinceMs) return false;
    if (args.length === 0) return true;
    const given = givenArgs(record);
    return args.every(([name, value]) => Object.hasOwn(given, name) && given[name] === value);
  };
}

/** The order of lists: those made last first, of the same time by id. */
export function compareRequests(a: RequestRecord, b: RequestRecord): number {
  return createdMsOf(b) - createdMsOf(a) || (a.id < b.id ? -1 : 1);
}

/** `undefined` while it is not finished; 0 where nobody can read when. */
function finishedMsOf(record: RequestRecord): number | undefined {
  if (!isTerminal(requestStateOf(record))) return undefined;
  return asMs(record.state?.value.ended_at) ?? 0;
}

function givenArgs(record: RequestRecord): Readonly<Record<string, unknown>> {
  if (isScan(record)) return record.spec.value.request as unknown as Readonly<Record<string, unknown>>;
  const {args} = record.spec.value as {readonly args?: Readonly<Record<string, unknown>>};
  return args ?? {};
}
