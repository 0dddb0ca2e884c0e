import {once} from 'node:events';
import {request as httpRequest} from 'node:http';
import type {IncomingMessage} from 'node:http';
import {request as httpsRequest} from 'node:https';
import {pipeline} from 'node:stream';
import type {Readable} from 'node:stream';
import {createBrotliDecompress, createGunzip, createInflate} from 'node:zlib';
import type {HttpRequest} from './http-request.ts';

/** The answer to a call, its body as it was before it was compressed for the way. */
export interface HttpAnswer {
  readonly status: number;
  /** Empty when there is none. */
  readonly contentType: string;
  readonly body: Readable;
}

const MAX_REDIRECTS = 20;
const REDIRECTS: readonly number[] = [301, 302, 303, 307, 308];
/** What says nothing about who calls: all that another host is sent. */
const HARMLESS: readonly string[] = ['accept', 'content-type'];
const DECODERS = {gzip: createGunzip, 'x-gzip': createGunzip, deflate: createInflate, br: createBrotliDecompress} as const;

/**
 * Sends a request and waits for the head of its answer. It may take as long as `signal` lets it: fetch would give up after five minutes of silence, and
 * refuses some ports.
 *
 * @param follow whether to go where a redirect leads: there as fetch does, but to another origin without the headers of the job, which may hold secrets
 * @throws the error of Node's client, or of `signal`; Error for a redirect that cannot be followed
 */
export async function sendHttp(
  request: HttpRequest,
  {follow, signal}: {readonly follow: boolean; readonly signal: AbortSignal},
): Promise<HttpAnswer> {
  let next = request;
  for (let redirects = 0; ; redirects++) {
    const answer = await sendOnce(next, signal);
    const {location} = answer.headers;
    const status = answer.statusCode ?? 0;
    if (!follow || location === undefined || !REDIRECTS.includes(status)) return answerOf(answer, status);
    answer.destroy();
    if (redirects === MAX_REDIRECTS) throw new HttpSendError('too many redirects');
    next = redirected(next, status, location);
  }
}

/** An error whose message repeats nothing of what was sent. */
export class HttpSendError extends Error {}

async function sendOnce({method, url, headers, body}: HttpRequest, signal: AbortSignal): Promise<IncomingMessage> {
  const all = {accept: '*/*', 'accept-encoding': 'gzip, deflate, br', ...Object.fromEntries(headers)};
  const outgoing = (url.protocol === 'https:' ? httpsRequest : httpRequest)(url, {method, headers: all, agent: false, signal});
  const answered = once(outgoing, 'response', {signal});
  outgoing.on('error', () => {}); // Beside the rejection of `answered`: one may come after the answer has begun.
  outgoing.end(body);
  const [answer] = (await answered) as [IncomingMessage];
  return answer;
}

function answerOf(answer: IncomingMessage, status: number): HttpAnswer {
  const coding = answer.headers['content-encoding']?.trim().toLowerCase() ?? '';
  const decoder = Object.hasOwn(DECODERS, coding) ? DECODERS[coding as keyof typeof DECODERS]() : undefined;
  // Whoever reads the body hears of its errors.
  const body = decoder === undefined ? answer : pipeline(answer, decoder, () => {});
  return {status, contentType: answer.headers['content-type'] ?? '', body};
}

/** @see https://fetch.spec.whatwg.org/#http-redirect-fetch */
function redirected({method, url, headers, body}: HttpRequest, status: number, location: string): HttpRequest {
  const to = URL.parse(location, url.href);
  if (to === null || (to.protocol !== 'http:' && to.protocol !== 'https:') || to.username !== '' || to.password !== '')
    throw new HttpSendError('it was redirected to an address that cannot be followed');
  const isRead = status === 303 ? method !== 'HEAD' : status < 303 && method === 'POST';
  const kept = new Headers([...headers].filter(([name]) => to.origin === url.origin || HARMLESS.includes(name)));
  if (isRead) {
    kept.delete('content-type');
    return {method: 'GET', url: to, headers: kept};
  }
  return {method, url: to, headers: kept, ...(body === undefined ? {} : {body})};
}
