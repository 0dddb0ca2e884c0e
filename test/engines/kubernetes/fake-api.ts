import {once} from 'node:events';
import {createServer} from 'node:http';
import type {IncomingMessage, Server, ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';
import type {ClientConfig} from '../../../src/engines/kubernetes/client-config.ts';

/** One request as an API server sees it. */
export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly query: URLSearchParams;
  readonly authorization: string | undefined;
  readonly body: string;
}

export type Answer = (asked: Asked, response: ServerResponse) => void;

/** An HTTP server that answers as a test tells it to: for what a real API server says only on bad days. */
export class FakeApi {
  readonly asked: Asked[] = [];
  answer: Answer = (_asked, response) => response.writeHead(404).end('{}');
  readonly #server: Server = createServer((request, response) => void this.#take(request, response));

  async start(): Promise<this> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    return this;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  config(authorization: ClientConfig['authorization'] = () => Promise.resolve(undefined)): ClientConfig {
    return {server: new URL(`http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`), tls: {}, authorization};
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const url = new URL(request.url ?? '/', 'http://x');
    const {method = '', headers} = request;
    const asked = {method, path: url.pathname, query: url.searchParams, authorization: headers.authorization, body: Buffer.concat(chunks).toString()};
    this.asked.push(asked);
    this.answer(asked, response);
  }
}

/** A refusal as the API words it. */
export function refuse(
  response: ServerResponse,
  code: number,
  reason: string,
  message = reason,
  headers: Readonly<Record<string, string>> = {},
): void {
  response.writeHead(code, {'content-type': 'application/json', ...headers});
  response.end(JSON.stringify({kind: 'Status', status: 'Failure', code, reason, message}));
}
