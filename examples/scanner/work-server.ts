import {randomBytes, timingSafeEqual} from 'node:crypto';
import {once} from 'node:events';
import type {IncomingMessage, Server, ServerResponse} from 'node:http';
import type {AddressInfo, Socket} from 'node:net';
import {http} from './builtin.ts';
import type {LeaseTable} from './lease-table.ts';
import type {ScanModel} from './likelihood.ts';
import type {Note} from './note.ts';
import type {Pixel, Row} from './plan.ts';

/*
 * The protocol between the scanner's server and its workers. Every request carries the bearer token of the startup file; bodies are JSON.
 *
 *   GET  /model     → ModelReply: what to evaluate.
 *   POST /work?n=N  WorkRequest → WorkReply: hands in the answer to the lease before (if any) and asks for up to N pixels. Held open while there are none;
 *                   answered with `wait` after a while, and with `done` when there will be none any more: the worker's work is done.
 *
 * A worker keeps to one connection, and the leases that it got end with that connection.
 */

export interface ModelReply {
  readonly scan_id: string;
  readonly model: ScanModel;
}

/** `seconds` is what the whole batch took. */
export interface WorkAnswer {
  readonly lease: number;
  readonly rows: readonly {readonly nside: number; readonly row: Row}[];
  readonly seconds: number;
}

export interface WorkRequest {
  readonly worker: string;
  readonly answer?: WorkAnswer;
}

export type WorkReply = {readonly lease: number; readonly pixels: readonly Pixel[]} | {readonly wait: true} | {readonly done: true};

export interface WorkServerOptions {
  readonly host: string;
  /** How long a request for work is held open. */
  readonly holdMs: number;
}

/** What the scan behind it does with what workers hand in. */
export interface WorkSink {
  /** A worker is there, for the first time or again. */
  onWorker(): void;
  onAnswer(answer: WorkAnswer, roundTripMs: number | undefined): void;
}

interface Asking {
  readonly response: ServerResponse;
  readonly socket: Socket;
  readonly count: number;
  readonly timer: NodeJS.Timeout;
}

/**
 * Hands pixels to workers over HTTP.
 *
 * Modes: *closed* (workers may connect and wait) until `open`; *open* (pixels go out) until `finish`; *done* (everyone who asks is told so).
 */
export class WorkServer {
  readonly token = randomBytes(24).toString('base64url');
  readonly #table: LeaseTable;
  readonly #reply: ModelReply;
  readonly #sink: WorkSink;
  readonly #options: WorkServerOptions;
  readonly #note: Note;
  readonly #server: Server;
  readonly #asking = new Set<Asking>();
  /** Connections that showed the token. */
  readonly #workers = new Set<Socket>();
  #mode: 'closed' | 'open' | 'done' = 'closed';
  #expiry: NodeJS.Timeout | undefined;

  constructor(table: LeaseTable, reply: ModelReply, sink: WorkSink, options: WorkServerOptions, note: Note) {
    this.#table = table;
    this.#reply = reply;
    this.#sink = sink;
    this.#options = options;
    this.#note = note;
    // A worker is silent on its connection while it computes, however long that takes: no time limit may close it.
    this.#server = http.createServer({keepAliveTimeout: 0, requestTimeout: 0, connectionsCheckingInterval: 1 << 30}, (request, response) => {
      this.#handle(request, response).catch((err: unknown) => {
        this.#note('request of a worker failed', {err: String(err)});
        response.destroy();
      });
    });
  }

  /** Starts listening on a free port; resolves with the base address. */
  async listen(): Promise<string> {
    this.#server.listen(0, this.#options.host);
    await once(this.#server, 'listening');
    const {address, port, family} = this.#server.address() as AddressInfo;
    this.#expiry = setInterval(() => this.#expire(), 500);
    this.#expiry.unref();
    return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
  }

  /** Lets pixels go out. */
  open(): void {
    this.#mode = 'open';
    this.serve();
  }

  /** To be called when pixels have been added to the table. */
  serve(): void {
    if (this.#mode !== 'open') return;
    for (const asking of this.#asking) {
      const lease = this.#table.lease(asking.socket, this.#share(asking.count), performance.now());
      if (lease === undefined) return;
      this.#answer(asking, {lease: lease.id, pixels: lease.pixels});
    }
  }

  /** Tells everyone who asks, now or later, that the work is done. */
  finish(): void {
    this.#mode = 'done';
    for (const asking of this.#asking) this.#answer(asking, {done: true});
  }

  /** How many workers are connected. */
  get workers(): number {
    return this.#workers.size;
  }

  /** Resolves when no worker is connected any more, at the latest after `ms`. */
  async whenDeserted(ms: number): Promise<void> {
    const deadline = performance.now() + ms;
    while (this.#workers.size > 0 && performance.now() < deadline) {
      const socket: Socket = [...this.#workers][0] as Socket;
      await Promise.race([once(socket, 'close'), new Promise((resolve) => setTimeout(resolve, deadline - performance.now()))]);
    }
  }

  close(): void {
    clearInterval(this.#expiry);
    for (const asking of this.#asking) clearTimeout(asking.timer);
    this.#server.close();
    this.#server.closeAllConnections();
  }

  /** Small batches towards the end, so that nobody waits long for the slowest worker. */
  #share(asked: number): number {
    return Math.max(1, Math.min(asked, Math.ceil(this.#table.waiting / (2 * Math.max(1, this.#workers.size)))));
  }

  #expire(): void {
    const count = this.#table.expire(performance.now());
    if (count === 0) return;
    this.#note('took pixels back from a worker that is too slow', {pixels: count});
    this.serve();
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (!this.#isAuthorised(request.headers.authorization)) return send(response, 401, {error: 'not the token of this server'});
    const {socket} = request;
    if (!this.#workers.has(socket)) {
      this.#workers.add(socket);
      socket.once('close', () => this.#left(socket));
      this.#sink.onWorker();
    }
    const url = new URL(request.url ?? '/', 'http://server');
    if (request.method === 'GET' && url.pathname === '/model') return send(response, 200, this.#reply);
    if (request.method !== 'POST' || url.pathname !== '/work') return send(response, 404, {error: 'no such thing'});

    const body = parseWorkRequest(await textOf(request));
    if (body === undefined) return send(response, 400, {error: 'no request for work'});
    if (body.answer !== undefined) this.#take(body.answer);
    const count = Math.min(Math.max(Math.trunc(Number(url.searchParams.get('n'))) || 1, 1), 1024);
    const timer = setTimeout(() => this.#answer(asking, {wait: true}), this.#options.holdMs);
    const asking: Asking = {response, socket, count, timer};
    response.once('close', () => {
      this.#asking.delete(asking);
      clearTimeout(timer);
    });
    this.#asking.add(asking);
    if (this.#mode === 'done') this.#answer(asking, {done: true});
    else this.serve();
  }

  #take(answer: WorkAnswer): void {
    const now = performance.now();
    const before = this.#table.waiting;
    const since = this.#table.startOf(answer.lease);
    this.#sink.onAnswer(answer, since === undefined ? undefined : now - since);
    this.#table.close(answer.lease);
    if (this.#table.waiting > before) this.serve();
  }

  #left(socket: Socket): void {
    this.#workers.delete(socket);
    const count = this.#table.release(socket);
    if (count === 0) return;
    this.#note('took pixels back from a worker that is gone', {pixels: count});
    this.serve();
  }

  #answer(asking: Asking, reply: WorkReply): void {
    this.#asking.delete(asking);
    clearTimeout(asking.timer);
    send(asking.response, 200, reply);
  }

  #isAuthorised(header: string | undefined): boolean {
    const given = Buffer.from(header ?? '');
    const expected = Buffer.from(`Bearer ${this.token}`);
    return given.length === expected.length && timingSafeEqual(given, expected);
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body);
  response.writeHead(status, {'content-type': 'application/json', 'content-length': Buffer.byteLength(text)});
  response.end(text);
}

async function textOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request as AsyncIterable<Buffer>) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** The token was shown, so this only guards against a worker of another version. */
function parseWorkRequest(text: string): WorkRequest | undefined {
  try {
    const body = JSON.parse(text) as Partial<WorkRequest> | null;
    if (typeof body?.worker !== 'string') return undefined;
    const {answer} = body;
    if (answer !== undefined && !(Number.isInteger(answer.lease) && Array.isArray(answer.rows) && answer.rows.every(isRow))) return undefined;
    return body as WorkRequest;
  } catch {
    return undefined;
  }
}

function isRow(entry: WorkAnswer['rows'][number]): boolean {
  return Number.isInteger(entry?.nside) && Array.isArray(entry.row) && Number.isInteger(entry.row[0]) && entry.row.length === 8;
}
