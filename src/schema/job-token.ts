import {createHash} from 'node:crypto';
import {randomHex} from './ids.ts';

/** `<scan id>.<64 hex digits of chance>`. */
const FORM = /^(.+)\.[0-9a-f]{64}$/;

/**
 * A new token for one try of a job, by which its process is known to the API. It names its scan, so that the API can tell a token of another scan from
 * one that was never given without looking at every scan there is.
 */
export function newJobToken(scanId: string): string {
  return `${scanId}.${randomHex(32)}`;
}

/** The scan that a token says it was made for; whether that is true only its digest tells. `undefined`: it has another form. */
export function scanOfJobToken(token: string): string | undefined {
  return FORM.exec(token)?.[1];
}

/** What is stored of a token: its SHA-256 in hex. */
export function tokenDigest(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
