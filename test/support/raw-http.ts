import {once} from 'node:events';
import {request} from 'node:http';
import type {Agent, IncomingMessage} from 'node:http';

export interface RawAnswer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly bytes: Buffer;
}

export interface RawOptions {
  readonly body?: Buffer | string;
  readonly token?: string;
  readonly agent?: Agent;
  /** From the request to the end of its answer. */
  readonly timeoutMs?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

/** One HTTP request, its answer as bytes: for answers of many megabytes, and for those that are JSON to Python only. */
export async function rawRequest(method: string, url: string, {body, token, agent, timeoutMs, headers = {}}: RawOptions = {}): Promise<RawAnswer> {
  const outgoing = request(url, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(body === undefined || headers['transfer-encoding'] !== undefined ? {} : {'content-length': Buffer.byteLength(body)}),
      ...(token === undefined ? {} : {authorization: `Bearer ${token}`}),
      ...headers,
    },
    ...(agent === undefined ? {} : {agent}),
    ...(timeoutMs === undefined ? {} : {signal: AbortSignal.timeout(timeoutMs)}),
  });
  const answered = once(outgoing, 'response');
  outgoing.on('error', () => {}); // One that comes after the answer has begun shows in the answer.
  outgoing.end(body);
  const [incoming] = (await answered) as [IncomingMessage];
  const chunks: Buffer[] = [];
  for await (const chunk of incoming as AsyncIterable<Buffer>) chunks.push(chunk);
  return {status: incoming.statusCode ?? 0, headers: incoming.headers, bytes: Buffer.concat(chunks)};
}
