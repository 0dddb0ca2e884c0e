import {Agent as HttpAgent, request as httpRequest} from 'node:http';
import type {ClientRequest, IncomingMessage} from 'node:http';
import {Agent as HttpsAgent, request as httpsRequest} from 'node:https';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import {sleep} from '../../lib/sleep.ts';
import {isPassing, parseRefusal, refusalError} from './api-error.ts';
import type {ClientConfig} from './client-config.ts';
import {RateLimit} from './rate-limit.ts';
import type {RateLimits} from './rate-limit.ts';

export interface ApiClientOptions {
  /** Read again after it failed, and whenever the server does not take our word. */
  readonly load: () => Promise<ClientConfig>;
  readonly limits: RateLimits;
  /** The first pause before a request is tried again; it doubles. */
  readonly retryMs?: number;
  readonly clock: Clock;
}

export interface ApiRequest {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Sent as JSON; of a PATCH, as a merge patch. */
  readonly body?: unknown;
  readonly signal?: AbortSignal;
}

/** One attempt of an ordinary request, from its first byte to its last. */
const REQUEST_TIMEOUT_MS = 20_000;
/** All attempts of a request together. */
const DEADLINE_MS = 45_000;
/** For so long what is known of a server is believed, whatever happens. */
const DOUBT_AFTER_MS = 60_000;
const ATTEMPTS = 4;
const RETRY_MS = 200;
const LONGEST_RETRY_AFTER_MS = 10_000;
const LARGEST_ANSWER_BYTES = 128 * 1024 * 1024;

/**
 * Requests to one API server, over connections of its own.
 *
 * Everything that is sent here is safe to repeat: names collide, and patches name the version they expect. So a lost reply is an `unavailable` like a
 * refused connection, and both are tried again a few times first.
 */
export class ApiClient {
  readonly #options: ApiClientOptions;
  readonly #limit: RateLimit;
  #config: Promise<ClientConfig> | undefined;
  #loadedMs = 0;
  #agent: {readonly config: ClientConfig; readonly agent: HttpAgent | HttpsAgent} | undefined;

  constructor(options: ApiClientOptions) {
    this.#options = options;
    this.#limit = new RateLimit(options.limits, options.clock);
  }

  /** The answer's JSON. @throws ControlPlaneError as {@link refusalError} says; `unavailable` where there is no answer. */
  async json<T>(request: ApiRequest): Promise<T> {
    const text = await this.text(request);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw new ControlPlaneError('unavailable', 'Kubernetes: the answer is not JSON');
    }
  }

  /** The answer's body as text. @throws as {@link json} */
  async text(request: ApiRequest): Promise<string> {
    const until = this.#options.clock.monotonicMs() + DEADLINE_MS;
    for (let attempt = 1; ; attempt++) {
      const answer = await this.#limit.run(() => this.#attempt(request), request.signal);
      if (answer.kind === 'done') return answer.text;
      const pauseMs = answer.afterMs ?? (this.#options.retryMs ?? RETRY_MS) * 2 ** (attempt - 1) * (0.5 + Math.random());
      const isLast = attempt === ATTEMPTS || this.#options.clock.monotonicMs() + pauseMs > until;
      if (!answer.isPassing || isLast || request.signal?.aborted === true) throw answer.error;
      await sleep(pauseMs, request.signal);
    }
  }

  /**
   * An answer that goes on, as it comes. The caller watches over its silence. It does not count against the limits.
   *
   * @throws ControlPlaneError as {@link json}, without trying again
   */
  async stream(request: ApiRequest & {readonly signal: AbortSignal}): Promise<AsyncIterable<Buffer>> {
    const starting = new AbortController();
    const giveUp = (): void => starting.abort();
    request.signal.addEventListener('abort', giveUp, {once: true});
    // Only until it begins: the same signal stands for the whole of the answer.
    const timer = setTimeout(giveUp, REQUEST_TIMEOUT_MS);
    try {
      const response = await this.#send(request, starting.signal);
      response.once('close', () => request.signal.removeEventListener('abort', giveUp));
      if (response.statusCode === 200) return response;
      if (response.statusCode === 401) await this.#refused();
      throw refusalError(parseRefusal(response.statusCode ?? 0, await bodyOf(response, starting.signal)));
    } catch (err) {
      request.signal.removeEventListener('abort', giveUp);
      this.#doubt();
      throw connectionError(err);
    } finally {
      clearTimeout(timer);
    }
  }

  async #attempt(request: ApiRequest): Promise<Attempt> {
    const timeout = AbortSignal.timeout(REQUEST_TIMEOUT_MS);
    const signal = request.signal === undefined ? timeout : AbortSignal.any([request.signal, timeout]);
    try {
      const response = await this.#send(request, signal);
      const code = response.statusCode ?? 0;
      const text = await textOf(response, signal);
      if (code >= 200 && code < 300) return {kind: 'done', text};
      const status = parseRefusal(code, jsonOr(text));
      if (code === 401) await this.#refused();
      const afterSeconds = Number(response.headers['retry-after']);
      return {
        kind: 'failed',
        error: refusalError(status),
        isPassing: isPassing(status) || code === 401,
        ...(afterSeconds > 0 ? {afterMs: Math.min(afterSeconds * 1000, LONGEST_RETRY_AFTER_MS)} : {}),
      };
    } catch (err) {
      this.#doubt();
      return {kind: 'failed', error: connectionError(err), isPassing: !hasCode(err, 'too_large')};
    }
  }

  async #send({method, path, query, body}: ApiRequest, signal: AbortSignal): Promise<IncomingMessage> {
    const config = await this.#load();
    const authorization = await config.authorization();
    const url = new URL(path, config.server);
    // A server may live below a path of its host.
    url.pathname = config.server.pathname.replace(/\/+$/, '') + path;
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.set(name, value);
    const payload = body === undefined ? undefined : Buffer.from(JSON.stringify(body));
    const headers = {
      accept: 'application/json',
      'user-agent': 'scanplane',
      ...(authorization === undefined ? {} : {authorization}),
      ...(payload === undefined
        ? {}
        : {'content-type': method === 'PATCH' ? 'application/merge-patch+json' : 'application/json', 'content-length': String(payload.length)}),
    };
    const send = url.protocol === 'http:' ? httpRequest : httpsRequest;
    return new Promise((resolve, reject) => {
      const outgoing: ClientRequest = send(url, {method, headers, agent: this.#agentFor(config), signal});
      outgoing.on('response', resolve);
      outgoing.on('error', reject);
      outgoing.end(payload);
    });
  }

  /** How the server is reached. @throws ControlPlaneError `unavailable`: nobody knows now */
  config(): Promise<ClientConfig> {
    return this.#load();
  }

  #load(): Promise<ClientConfig> {
    if (this.#config === undefined) {
      this.#loadedMs = this.#options.clock.monotonicMs();
      this.#config = this.#options.load().catch((err: unknown) => {
        this.#config = undefined;
        throw err;
      });
    }
    return this.#config;
  }

  /** Something does not work that did: certificates may have been replaced, or the server moved. Looked up again, and not all the time. */
  #doubt(): void {
    if (this.#options.clock.monotonicMs() - this.#loadedMs > DOUBT_AFTER_MS) this.#config = undefined;
  }

  /** Our word was not taken: a token that was replaced is read again, and so is the file that may name another. */
  async #refused(): Promise<void> {
    const config = await this.#config;
    this.#config = undefined;
    await config?.authorization(true).catch(() => undefined);
  }

  #agentFor(config: ClientConfig): HttpAgent | HttpsAgent {
    if (this.#agent?.config !== config) {
      this.#agent?.agent.destroy();
      const options = {keepAlive: true, keepAliveMsecs: 10_000, timeout: 0};
      this.#agent = {config, agent: config.server.protocol === 'http:' ? new HttpAgent(options) : new HttpsAgent({...options, ...config.tls})};
    }
    return this.#agent.agent;
  }

  /** Ends all connections. */
  close(): void {
    this.#agent?.agent.destroy();
    this.#agent = undefined;
  }
}

type Attempt =
  | {readonly kind: 'done'; readonly text: string}
  | {readonly kind: 'failed'; readonly error: ControlPlaneError; readonly isPassing: boolean; readonly afterMs?: number};

async function textOf(response: IncomingMessage, signal: AbortSignal): Promise<string> {
  const end = (): void => void response.destroy(new Error('the answer took too long'));
  signal.addEventListener('abort', end, {once: true});
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of response) {
      bytes += (chunk as Buffer).length;
      if (bytes > LARGEST_ANSWER_BYTES) throw new ControlPlaneError('too_large', 'Kubernetes: the answer is too large');
      chunks.push(chunk as Buffer);
    }
    return Buffer.concat(chunks).toString();
  } finally {
    signal.removeEventListener('abort', end);
  }
}

async function bodyOf(response: IncomingMessage, signal: AbortSignal): Promise<unknown> {
  return jsonOr(await textOf(response, signal).catch(() => ''));
}

function jsonOr(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Whatever ended a connection, with no more than its code: a message may quote what was sent. */
export function connectionError(err: unknown): ControlPlaneError {
  if (err instanceof ControlPlaneError) return err;
  const {code, name} = err as NodeJS.ErrnoException;
  return new ControlPlaneError('unavailable', `Kubernetes is not reached: ${code ?? name}`, {cause: err});
}
