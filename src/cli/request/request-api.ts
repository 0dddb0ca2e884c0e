import {constants} from 'node:buffer';
import type {Clock} from '../../lib/clock.ts';
import {ProtoError} from '../../proto/error.ts';
import {RequestManagerClient} from '../../proto/request-manager-client.ts';
import type {Options} from './options.ts';

/** What the commands ask of the server. Changes are taken note of and answered at once; the state shows what becomes of them. */
export type RequestApi = Pick<
  RequestManagerClient,
  | 'listRequestSpecs'
  | 'createRequest'
  | 'getRequest'
  | 'findRequests'
  | 'stopRequest'
  | 'suspendRequest'
  | 'resumeRequest'
  | 'retryRequest'
  | 'getJobLogs'
  | 'getRunning'
>;

/** Whether the server could not be asked, or did not give an answer that can be used: it may do so later, and what was sent may have been done. */
export function isOutage(err: unknown): boolean {
  return err instanceof ProtoError && (err.httpStatus < 400 || err.httpStatus >= 500);
}

/**
 * The API at `options.addr`. `interrupt` ends every call. `trace` is told what is asked, and when an answer begins; never the token.
 *
 * @throws ProtoError for an address or a token that cannot be used
 */
export function openRequestApi({addr, timeoutMs, token}: Options, interrupt: AbortSignal, clock: Clock, trace: (text: string) => void): RequestApi {
  const traced: typeof fetch = async (url, init) => {
    trace(`${init?.method} ${url as string}`);
    const beganMs = clock.monotonicMs();
    const answer = await fetch(url, init);
    trace(`${answer.status} after ${Math.round(clock.monotonicMs() - beganMs)} ms`);
    return answer;
  };
  return new RequestManagerClient(addr, {
    fetch: traced,
    timeoutMs,
    signal: interrupt,
    headers: token === undefined ? {} : {authorization: `Bearer ${token}`},
    maxAnswerBytes: constants.MAX_STRING_LENGTH, // The log of a long chain is one answer.
  });
}
