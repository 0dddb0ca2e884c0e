import {ARG_TYPE_OPTIONAL, ARG_TYPE_REQUIRED, STATE_COMPLETE, STATE_PENDING, STATE_RUNNING, STATE_SUSPENDED} from '../../proto/state.ts';
import type {ArgType, State} from '../../proto/state.ts';
import {timeMs} from '../../proto/time.ts';
import type {JobLog, Request, RequestArg} from '../../proto/types.ts';
import {elapsed} from './times.ts';
import {oneLine, quote} from '../text.ts';

/** How much of a request is done, in whole percent. 100 means all of it: what is nearly done shows 99. */
export function percentOf({state, totalJobs, finishedJobs}: Pick<Request, 'state' | 'totalJobs' | 'finishedJobs'>): string {
  if (totalJobs === 0) return state === STATE_COMPLETE ? '100%' : '0%';
  const rounded = Math.round((100 * finishedJobs) / totalJobs);
  return `${finishedJobs < totalJobs ? Math.min(rounded, 99) : 100}%`;
}

/** How long a request ran, or has been running at `nowMs`. */
export function runtimeOf({startedAt, finishedAt}: Pick<Request, 'startedAt' | 'finishedAt'>, nowMs: number): string {
  const startedMs = millisecondsOf(startedAt);
  return startedMs === undefined ? 'not started' : elapsed(startedMs, millisecondsOf(finishedAt) ?? nowMs);
}

/** A request's time in milliseconds since 1970; `undefined` for none. */
export function millisecondsOf(time: string | null): number | undefined {
  return time === null || time === '' ? undefined : timeMs(time);
}

/** The required arguments of a request as they would be typed. */
export function requiredArgs(request: Request): string {
  return argsText(request, [ARG_TYPE_REQUIRED]);
}

/** Required and optional ones. */
export function callerArgs(request: Request): string {
  return argsText(request, [ARG_TYPE_REQUIRED, ARG_TYPE_OPTIONAL]);
}

function argsText({args = []}: Request, types: readonly ArgType[]): string {
  return args
    .filter(({Type}) => types.includes(Type))
    .map(argText)
    .join(' ');
}

function argText({Name, Value}: RequestArg): string {
  return `${oneLine(Name)}=${quote(valueText(Value))}`;
}

/** A value of an argument for people. */
export function valueText(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** States from which a request goes on. */
const UNFINISHED: readonly State[] = [STATE_PENDING, STATE_RUNNING, STATE_SUSPENDED];

export function isUnfinished({state}: Pick<Request, 'state'>): boolean {
  return UNFINISHED.includes(state);
}

/** By finish, then by start; what has not finished comes last. */
export function byFinish(a: JobLog, b: JobLog): number {
  if (a.finishedAt !== b.finishedAt) {
    if (a.finishedAt === 0n || b.finishedAt === 0n) return a.finishedAt === 0n ? 1 : -1;
    return a.finishedAt < b.finishedAt ? -1 : 1;
  }
  return a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : 0;
}
