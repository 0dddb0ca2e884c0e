import {ControlPlaneError} from '../lib/errors.ts';
import type {ErrorCode} from '../lib/errors.ts';

/** More than any list of taskforces; a page without end must not fill our memory. */
const LIMIT_BYTES = 32 * 1024 * 1024;

/** How long one call may take, in milliseconds, and what ends it before. */
export interface CallLimits {
  readonly timeoutMs: number;
  readonly stop?: AbortSignal;
}

const CODES: Readonly<Record<number, ErrorCode>> = {400: 'invalid', 401: 'forbidden', 403: 'forbidden', 404: 'not_found', 422: 'wrong_state'};

/**
 * One HTTP call whose answer is a JSON object.
 *
 * Nothing that was sent gets into the error: it may hold secrets. `timeoutMs` covers everything, the body too; `stop` ends the call at once.
 *
 * @throws ControlPlaneError by status, {@link CODES}; `unavailable` for every other status, for no answer in time, and for one that is no JSON object.
 */
export async function askJson(
  what: string,
  url: string,
  init: RequestInit,
  {timeoutMs, stop}: CallLimits,
): Promise<Readonly<Record<string, unknown>>> {
  let status: number;
  let text: string;
  try {
    const late = AbortSignal.timeout(timeoutMs);
    // A redirect would take the token somewhere else.
    const answer = await fetch(url, {...init, redirect: 'error', signal: stop === undefined ? late : AbortSignal.any([stop, late])});
    status = answer.status;
    text = await readText(answer);
  } catch (err) {
    throw new ControlPlaneError('unavailable', `${what}: no answer`, {cause: err});
  }
  if (status < 200 || status > 299) throw new ControlPlaneError(CODES[status] ?? 'unavailable', `${what}: status ${status}`);
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (err) {
    throw new ControlPlaneError('unavailable', `${what}: the answer is not JSON`, {cause: err});
  }
  if (body === null || typeof body !== 'object' || Array.isArray(body))
    throw new ControlPlaneError('unavailable', `${what}: the answer is no JSON object`);
  return body as Readonly<Record<string, unknown>>;
}

async function readText(answer: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of answer.body ?? []) {
    size += chunk.length;
    if (size > LIMIT_BYTES) throw new Error(`the answer is larger than ${LIMIT_BYTES} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}
