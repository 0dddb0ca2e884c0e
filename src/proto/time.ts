import {ProtoError} from './error.ts';

/** RFC 3339, with an offset or `Z`. */
const TIME = /^(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)(\.\d{1,9})?(Z|[+-]\d\d:\d\d)$/i;

/**
 * A time in UTC as the wire has it: zeros at the end of the fraction are left out. All digits are kept, to nanoseconds.
 *
 * @throws ProtoError when it is no RFC 3339 time
 */
export function formatTime(text: string): string {
  const match = TIME.exec(text);
  const [, date, clock, fraction = '', zone] = match ?? [];
  const ms = match === null ? Number.NaN : Date.parse(`${date}T${clock}${zone?.toUpperCase()}`);
  if (Number.isNaN(ms)) throw new ProtoError(`${JSON.stringify(text.slice(0, 60))} is no RFC 3339 time`, {httpStatus: 400});
  const digits = fraction.slice(1).replace(/0+$/, '');
  return `${new Date(ms).toISOString().slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}

/** A time in milliseconds since 1970, the rest of the fraction dropped. @throws ProtoError when it is no RFC 3339 time */
export function timeMs(text: string): number {
  return Date.parse(formatTime(text));
}

/** Milliseconds since 1970 as the wire has times. */
export function timeText(ms: number): string {
  return formatTime(new Date(ms).toISOString());
}
