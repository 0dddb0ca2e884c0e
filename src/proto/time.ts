import {FieldError} from './error.ts';

/** Go's zero time: how its programs write a time that nobody has set. */
export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** RFC 3339, with an offset or `Z`. No leap second, as in Go. */
const TIME = /^(\d{4}-\d\d-\d\d)T((?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d)(?:\.(\d+))?(Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/;

const NS_PER_SECOND = 1_000_000_000n;

/**
 * A time in UTC as the wire has it: zeros at the end of the fraction are left out. Nanoseconds are kept, as they come from Go; further digits are dropped.
 * So times are texts, for a Date has milliseconds only. Fractions of different lengths do not sort as texts: compare {@link timeNs}.
 *
 * @param field what to call it in an error
 * @throws FieldError when it is no RFC 3339 time, or one outside the years 0 to 9999 of UTC
 */
export function formatTime(text: string, field = ''): string {
  const {seconds, ns} = partsOf(text, field);
  return compose(seconds, ns);
}

/** A time in nanoseconds since 1970. @throws FieldError when it is no RFC 3339 time */
export function timeNs(text: string, field = ''): bigint {
  const {seconds, ns} = partsOf(text, field);
  return BigInt(seconds) * NS_PER_SECOND + BigInt(ns);
}

/** Nanoseconds since 1970 as the wire has times. @throws FieldError outside the years 0 to 9999 */
export function nsText(ns: bigint, field = ''): string {
  const fraction = ((ns % NS_PER_SECOND) + NS_PER_SECOND) % NS_PER_SECOND;
  const seconds = Number((ns - fraction) / NS_PER_SECOND);
  if (!isWritable(seconds)) throw new FieldError(field, 'a time outside the years 0 to 9999');
  return compose(seconds, Number(fraction));
}

/** A time in milliseconds since 1970, the rest of the fraction dropped. @throws FieldError when it is no RFC 3339 time */
export function timeMs(text: string): number {
  const {seconds, ns} = partsOf(text, '');
  return seconds * 1000 + Math.floor(ns / 1_000_000);
}

/** Milliseconds since 1970 as the wire has times. */
export function timeText(ms: number): string {
  return formatTime(new Date(ms).toISOString());
}

/** Whole seconds since 1970, and the nanoseconds after them. */
function partsOf(text: string, field: string): {readonly seconds: number; readonly ns: number} {
  const [, date = '', clock = '', fraction = '', zone = ''] = TIME.exec(text) ?? [];
  // A day that its month does not have would count on into the next month.
  const seconds = isDay(date) ? Date.parse(`${date}T${clock}${zone}`) / 1000 : Number.NaN;
  if (!isWritable(seconds)) throw new FieldError(field, `${JSON.stringify(text.slice(0, 60))} is no RFC 3339 time`);
  return {seconds, ns: Number(fraction.slice(0, 9).padEnd(9, '0'))};
}

function isDay(date: string): boolean {
  const ms = Date.parse(`${date}T00:00:00Z`);
  return !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(date);
}

/** Whether the year has four digits; NaN has none. */
function isWritable(seconds: number): boolean {
  return seconds >= -62_167_219_200 && seconds <= 253_402_300_799;
}

function compose(seconds: number, ns: number): string {
  const digits = String(ns).padStart(9, '0').replace(/0+$/, '');
  return `${new Date(seconds * 1000).toISOString().slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}
