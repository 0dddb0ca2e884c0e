import {ControlPlaneError} from '../../lib/errors.ts';
import {formatGoSeconds} from '../../lib/go-duration.ts';

/** English as it is written in places that together know most zones by a name of their own: American alone calls Berlin's `GMT+1`. */
const LOCALES = ['en-US', 'en-GB', 'en-AU', 'en-NZ', 'en-ZA', 'en-IN'];

/** `ms` since 1970 as `2021-03-04 05:06:07 UTC`, in the IANA zone `timeZone`. */
export function formatTime(ms: number, timeZone: string): string {
  const date = new Date(ms);
  const parts = partsOf(date, 'en-US', timeZone, {
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
  const part = (type: string): string => parts.get(type) ?? '';
  const day = `${part('year').padStart(4, '0')}-${part('month')}-${part('day')}`;
  return `${day} ${part('hour')}:${part('minute')}:${part('second')} ${zoneName(date, timeZone)}`;
}

/** A zone's short name at `date`: `UTC`, `CET`, `EST`; where English has none, its distance: `+0545`. */
function zoneName(date: Date, timeZone: string): string {
  for (const locale of LOCALES) {
    const name = partsOf(date, locale, timeZone, {timeZoneName: 'short'}).get('timeZoneName') ?? '';
    if (/^[A-Z]+$/.test(name)) return name;
  }
  return (partsOf(date, 'en-US', timeZone, {timeZoneName: 'longOffset'}).get('timeZoneName') ?? '').replace(/^GMT|:/g, '');
}

function partsOf(date: Date, locale: string, timeZone: string, options: Intl.DateTimeFormatOptions): Map<string, string> {
  return new Map(new Intl.DateTimeFormat(locale, {...options, timeZone}).formatToParts(date).map(({type, value}) => [type, value]));
}

/** {@link formatTime} and how long ago that was. */
export function formatWithAge(ms: number, nowMs: number, timeZone: string): string {
  return `${formatTime(ms, timeZone)} (${elapsed(ms, nowMs)} ago)`;
}

/** The time between two instants, as Go shows it, to a second. Clocks that disagree give `0s`, never less. */
export function elapsed(fromMs: number, toMs: number): string {
  return formatGoSeconds(Math.max(0, toMs - fromMs));
}

const GIVEN = /^(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d) (\S+)$/;

/**
 * Reads `2021-03-04 05:06:07 UTC`; no other zone and no other form.
 *
 * @returns the same as RFC 3339
 * @throws ControlPlaneError `invalid`, naming `parameter`
 */
export function parseGivenTime(parameter: string, text: string): string {
  const [, day, time, zone] = GIVEN.exec(text) ?? [];
  const wire = `${day}T${time}Z`;
  const date = new Date(wire);
  // A day that there is not, such as 30 February, would become another one.
  const isReal = !Number.isNaN(date.getTime()) && date.toISOString() === `${day}T${time}.000Z`;
  if (day === undefined || time === undefined || !isReal)
    throw new ControlPlaneError('invalid', `${parameter}=${text}: write a time as YYYY-MM-DD HH:MM:SS UTC`);
  if (zone !== 'UTC') throw new ControlPlaneError('invalid', `${parameter}=${text}: the time zone has to be UTC`);
  return wire;
}
