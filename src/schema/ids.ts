import {randomBytes, randomUUID} from 'node:crypto';

/** A scan's id: 11 hex digits of milliseconds since 1970, `x`, 20 hex digits of chance; sorts by time. @see SkyDriver 2.x */
export const SCAN_ID = /^[0-9a-f]{11}x[0-9a-f]{20}$/;

/** A new scan id at `nowMs`. */
export function newScanId(nowMs: number): string {
  const uuid = randomUUID();
  return `${timePart(nowMs)}x${uuid.slice(14, 18)}${uuid.slice(19, 23)}${uuid.slice(24)}`; // The last 20 digits, without the dashes.
}

/** Milliseconds since 1970 of a scan id of ours; `undefined` for an id an operator chose. */
export function timeOfScanId(id: string): number | undefined {
  return SCAN_ID.test(id) ? Number.parseInt(id.slice(0, 11), 16) : undefined;
}

/** An i3 event's id: a uuid4 in 32 hex digits. */
export function newEventId(): string {
  return uuidHex();
}

/** A uuid4 in 32 hex digits. */
export function uuidHex(): string {
  return randomUUID().replaceAll('-', '');
}

/** `bytes` of chance as hex: replica ids, nonces, tokens. */
export function randomHex(bytes: number): string {
  return randomBytes(bytes).toString('hex');
}

/** The time asked for last, and its digits: each millisecond is asked for several times under load. */
let latest = {ms: 0, digits: '00000000000'};

/** A time as 11 hex digits, which sort as text: good until the year 2527. */
export function timePart(ms: number): string {
  const whole = Math.floor(ms);
  if (latest.ms !== whole) latest = {ms: whole, digits: whole.toString(16).padStart(11, '0')};
  return latest.digits;
}
