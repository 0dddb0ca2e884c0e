import {randomBytes, randomInt, randomUUID} from 'node:crypto';

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

/** A request's id, as Spin Cycle's requests have them: 20 digits of base 32 (`0-9a-v`), 12 bytes in all. @see https://github.com/rs/xid */
export const REQUEST_ID = /^[0-9a-v]{19}[0g]$/;

/** Five bytes of chance stand where an xid has machine and process id: processes in containers often share the latter, and a host. */
const PROCESS_PART = randomBytes(5);
/** Seconds and counter of the request id before. */
let latestRequest = {seconds: 0, counter: 0};

/**
 * A new request id at `nowMs`: seconds since 1970 (4 bytes, good until 2106), what is this process's own (5), a counter (3).
 *
 * Sorts by time, and within one process by the order of creation, whatever the clock does.
 */
export function newRequestId(nowMs: number): string {
  let seconds = Math.max(Math.floor(nowMs / 1000), latestRequest.seconds);
  let counter = latestRequest.counter + 1;
  if (counter > 0xffffff) seconds++;
  // Each second begins in the lower half, so that there is room above.
  if (seconds > latestRequest.seconds) counter = randomInt(0x800000);
  latestRequest = {seconds, counter};
  const bytes = Buffer.alloc(12);
  bytes.writeUInt32BE(seconds % 2 ** 32, 0);
  PROCESS_PART.copy(bytes, 4);
  bytes.writeUIntBE(counter, 9, 3);
  // 96 bits and 4 of padding.
  return (BigInt(`0x${bytes.toString('hex')}`) << 4n).toString(32).padStart(20, '0');
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
