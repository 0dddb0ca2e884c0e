import {ARG_TYPE_OPTIONAL, ARG_TYPE_REQUIRED, STATE_NAMES} from './wire.ts';
import type {JobLog, Request, RequestArg} from './wire.ts';
import {elapsed} from './times.ts';
import {oneLine, quote} from './text.ts';

/** A state's name; the number itself where this program does not know it. */
export function stateName(state: number): string {
  return STATE_NAMES[state] ?? String(state);
}

/** How much of a request is done, in whole percent. 100 means all of it: what is nearly done shows 99. */
export function percentOf({state, totalJobs, finishedJobs}: Pick<Request, 'state' | 'totalJobs' | 'finishedJobs'>): string {
  if (totalJobs === 0) return stateName(state) === 'COMPLETE' ? '100%' : '0%';
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
  const ms = time === null ? Number.NaN : Date.parse(time);
  return Number.isNaN(ms) || ms <= YEAR_1_MS ? undefined : ms;
}

/** What Go sends for a time that was never set. */
const YEAR_1_MS = Date.parse('0001-01-01T00:00:00Z');

/** The required arguments of a request as they would be typed. */
export function requiredArgs(request: Request): string {
  return argsText(request, [ARG_TYPE_REQUIRED]);
}

/** Required and optional ones. */
export function callerArgs(request: Request): string {
  return argsText(request, [ARG_TYPE_REQUIRED, ARG_TYPE_OPTIONAL]);
}

function argsText({args}: Request, types: readonly string[]): string {
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
const UNFINISHED = ['PENDING', 'RUNNING', 'SUSPENDED'];

export function isUnfinished({state}: Pick<Request, 'state'>): boolean {
  return UNFINISHED.includes(stateName(state));
}

/** By finish, then by start; what has not finished comes last. */
export function byFinish(a: JobLog, b: JobLog): number {
  if (a.finishedAt !== b.finishedAt) {
    if (a.finishedAt === 0n || b.finishedAt === 0n) return a.finishedAt === 0n ? 1 : -1;
    return a.finishedAt < b.finishedAt ? -1 : 1;
  }
  return a.startedAt < b.startedAt ? -1 : a.startedAt > b.startedAt ? 1 : 0;
}
