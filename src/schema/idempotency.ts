import {parserFor} from './validate.ts';

/** `~idempotency/[digest]`: the id of the scan (or block, script, deployment) that a request made, and the SHA-256 (hex) of that request's body. Leased: it goes away by itself. */
export interface IdempotencyRecord {
  readonly scan_id: string;
  readonly body_digest: string;
}

export const idempotencySchema = {
  type: 'object',
  required: ['scan_id', 'body_digest'],
  properties: {scan_id: {type: 'string', minLength: 1}, body_digest: {type: 'string', pattern: '^[0-9a-f]{64}$'}},
} as const;

export const parseIdempotencyRecord = parserFor<IdempotencyRecord>('idempotency record', idempotencySchema);
