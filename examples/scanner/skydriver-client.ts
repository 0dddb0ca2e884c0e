import type {Agent, IncomingMessage} from 'node:http';
import {http} from './builtin.ts';
import {reasonOf} from './note.ts';
import type {Note} from './note.ts';

/** How hard to try: milliseconds for one attempt, and how many follow a first one that failed. */
export interface Patience {
  readonly timeoutMs: number;
  readonly retries: number;
}

/** For what the scan cannot do without: the event, the final result. About an hour in all. */
export const URGENT: Patience = {timeoutMs: 60_000, retries: 24};
/** For what the next report makes good. */
export const NON_URGENT: Patience = {timeoutMs: 10_000, retries: 1};

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);

/** A request that was answered with an error, or not at all (`status` undefined). */
export class RequestError extends Error {
  readonly status: number | undefined;

  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

interface Reply {
  readonly status: number;
  readonly reason: string;
  readonly retryAfter: string | undefined;
  readonly text: string;
}

/**
 * The REST client inside a scanner: JSON bodies, a fixed bearer token, back-off of 0, 0.6, 1.2, 2.4 ... 120 s between attempts or what `Retry-After` says.
 * Retried are connection errors, silence, and 408, 429, 500, 502, 503, 504; other answers above 299 fail at once.
 */
export class SkyDriverClient {
  readonly #base: URL;
  readonly #token: string;
  readonly #note: Note;
  #agent: Agent | undefined;

  /** @param base the address of the API with the path of its generation, if any: `http://host:port/v2` */
  constructor(base: string, token: string, note: Note) {
    this.#base = new URL(base.endsWith('/') ? base : `${base}/`);
    this.#token = token;
    this.#note = note;
  }

  /** @throws RequestError after the last attempt. */
  async get(path: string, patience: Patience): Promise<unknown> {
    const text = await this.#request('GET', path, undefined, patience);
    try {
      return JSON.parse(text);
    } catch (err) {
      throw new RequestError(`GET ${path}: the answer is not JSON`, undefined, {cause: err});
    }
  }

  /** Sends `body` as JSON and ignores what comes back. @throws RequestError as `get` does. */
  async send(method: 'PATCH' | 'PUT', path: string, body: unknown, patience: Patience): Promise<void> {
    await this.#request(method, path, JSON.stringify(body), patience);
  }

  async #request(method: string, path: string, body: string | undefined, patience: Patience): Promise<string> {
    for (let attempt = 0; ; attempt++) {
      let failure: RequestError;
      let waitMs = attempt === 0 ? 0 : Math.min(120_000, 600 * 2 ** (attempt - 1));
      try {
        const reply = await this.#attempt(method, path, body, patience.timeoutMs);
        if (reply.status >= 200 && reply.status < 300) return reply.text;
        failure = new RequestError(`${method} ${path}: ${reply.status} ${reply.reason}`, reply.status);
        if (!RETRIED.has(reply.status)) throw failure;
        waitMs = retryAfterMs(reply.retryAfter) ?? waitMs;
      } catch (err) {
        if (err instanceof RequestError) throw err;
        failure = new RequestError(`${method} ${path}: ${reasonOf(err)}`, undefined, {cause: err});
      }
      if (attempt >= patience.retries) throw failure;
      this.#note('request failed, trying again', {method, path, attempt: attempt + 1, waitMs, reason: failure.message});
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }

  async #attempt(method: string, path: string, body: string | undefined, timeoutMs: number): Promise<Reply> {
    const url = new URL(path.replace(/^\//, ''), this.#base);
    const isTls = url.protocol === 'https:';
    const transport = isTls ? process.getBuiltinModule('node:https') : http;
    this.#agent ??= new transport.Agent({keepAlive: true, maxSockets: 2});
    const signal = AbortSignal.timeout(timeoutMs);
    return new Promise<Reply>((resolve, reject) => {
      const headers = {
        'content-type': 'application/json',
        accept: 'application/json',
        ...(body === undefined ? {} : {'content-length': Buffer.byteLength(body)}),
        ...(this.#token === '' ? {} : {authorization: `Bearer ${this.#token}`}),
      };
      const request = transport.request(url, {method, headers, signal, ...(this.#agent === undefined ? {} : {agent: this.#agent})}, (response) => {
        // Only a GET's answer is of interest; a PUT's echoes the whole result.
        textOf(response, method === 'GET').then((text) => {
          const {statusCode = 0, statusMessage = '', headers: answered} = response;
          resolve({status: statusCode, reason: statusMessage, retryAfter: answered['retry-after'], text});
        }, reject);
      });
      request.on('error', reject);
      request.end(body);
    });
  }
}

async function textOf(response: IncomingMessage, isKept: boolean): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of response as AsyncIterable<Buffer>) if (isKept) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}

/** Seconds or a date; at most ten minutes, whatever it says. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const ms = /^\d+$/.test(header.trim()) ? 1000 * Number(header) : Date.parse(header) - Date.now();
  return Number.isFinite(ms) ? Math.min(Math.max(ms, 0), 600_000) : undefined;
}
