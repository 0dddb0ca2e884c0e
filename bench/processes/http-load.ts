import {once} from 'node:events';
import {connect} from 'node:net';
import type {Socket} from 'node:net';
import {closedLoop} from '../lib/load.ts';
import type {LoadResult} from '../lib/load.ts';
import {nowNs} from '../lib/machine.ts';
import {serve} from '../lib/remote.ts';

/** One HTTP/1.1 connection that is kept open. As small as can be: the load generator shares the processors with what it measures. */
class Connection {
  readonly #socket: Socket;
  #received: Buffer = Buffer.alloc(0);
  #waiting: PromiseWithResolvers<string> | undefined;

  /** Resolves once it stands. */
  readonly open: Promise<unknown>;

  constructor(port: number) {
    this.#socket = connect({port, host: '127.0.0.1', noDelay: true});
    this.open = once(this.#socket, 'connect');
    this.#socket.on('data', (chunk: Buffer) => this.#take(chunk));
    const fail = (): void => this.#waiting?.reject(new Error('the connection was closed'));
    this.#socket.on('error', fail).on('close', fail);
  }

  /** Sends one request and resolves with the answer's body. @throws for any status but 200. */
  request(bytes: Buffer): Promise<string> {
    this.#waiting = Promise.withResolvers<string>();
    this.#socket.write(bytes);
    return this.#waiting.promise;
  }

  close(): void {
    this.#socket.destroy();
  }

  #take(chunk: Buffer): void {
    this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk]);
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = this.#received.toString('latin1', 0, headEnd);
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? Number.NaN);
    if (!(this.#received.length >= headEnd + 4 + length)) return;
    const body = this.#received.toString('utf8', headEnd + 4, headEnd + 4 + length);
    this.#received = this.#received.subarray(headEnd + 4 + length);
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (head.startsWith('HTTP/1.1 200')) waiting?.resolve(body);
    else waiting?.reject(new Error(`${head.split('\r\n')[0]}: ${body.slice(0, 200)}`));
  }
}

export interface Target {
  readonly port: number;
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

function requestBytes({method, path, port, body}: Target): Buffer {
  const head = `${method} ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

/** Requests over `connections` connections, one under way on each, for `seconds`. They stand before the first request, as the raw client's does. */
async function load(target: Target, connections: number, seconds: number): Promise<LoadResult> {
  const bytes = requestBytes(target);
  const open = Array.from({length: connections}, () => new Connection(target.port));
  try {
    await Promise.all(open.map((connection) => connection.open));
    return await closedLoop(connections, seconds, async (lane) => void (await open[lane]?.request(bytes)));
  } finally {
    for (const connection of open) connection.close();
  }
}

export interface PacedRequest {
  readonly sentNs: bigint;
  readonly answeredNs: bigint;
  readonly body: string;
}

/** One request after the other, at most one every `everyMs`: what an idle system does with them. The first does not count. */
async function paced(target: Target, count: number, everyMs: number): Promise<readonly PacedRequest[]> {
  const bytes = requestBytes(target);
  const connection = new Connection(target.port);
  const results: PacedRequest[] = [];
  try {
    await connection.request(bytes);
    for (let n = 0; n < count; n++) {
      await new Promise((resolve) => setTimeout(resolve, everyMs));
      const sentNs = nowNs();
      const body = await connection.request(bytes);
      results.push({sentNs, answeredNs: nowNs(), body});
    }
  } finally {
    connection.close();
  }
  return results;
}

const methods = {load, paced};
export type HttpLoad = typeof methods;
serve(methods);
