import {decodeJson, encodeJson} from './json.ts';
import {ProtoError} from './error.ts';

export interface ClientOptions {
  /** Node's own unless told. */
  readonly fetch?: typeof fetch;
  /** From sending to the end of the answer; 30 s unless told. */
  readonly timeoutMs?: number;
  /** Sent with each call, as a bearer token for example. They are in no error's text. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends calls under way. */
  readonly signal?: AbortSignal;
}

/** An answer that was accepted: its JSON, `undefined` for an empty body, and the header that some answers carry. */
export interface Answer {
  readonly body: unknown;
  readonly location: string | undefined;
}

type Method = 'GET' | 'POST' | 'PUT';

const TIMEOUT_MS = 30_000;

/** Calls of one server. @throws ProtoError for whatever goes wrong, with the status of the answer where there was one */
export class HttpCaller {
  readonly #base: string;
  readonly #options: ClientOptions;

  constructor(baseUrl: string, options: ClientOptions) {
    this.#base = baseUrl.replace(/\/+$/, '');
    this.#options = options;
  }

  async call(method: Method, path: string, accepted: readonly number[], payload?: unknown): Promise<Answer> {
    const {fetch: send = fetch, timeoutMs = TIMEOUT_MS, headers = {}, signal} = this.#options;
    const timeout = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await send(`${this.#base}${path}`, {
        method,
        redirect: 'manual',
        headers: {...headers, Accept: 'application/json', ...(payload === undefined ? {} : {'Content-Type': 'application/json'})},
        ...(payload === undefined ? {} : {body: encodeJson(payload)}),
        signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
      });
      text = await response.text();
    } catch (err) {
      throw new ProtoError(`${method} ${path}: ${timeout.aborted ? `no answer within ${timeoutMs} ms` : reasonOf(err)}`, {cause: err});
    }
    if (!accepted.includes(response.status)) throw errorOf(method, path, response.status, text);
    return {
      body: text.trim() === '' ? undefined : jsonOf(method, path, response.status, text),
      location: response.headers.get('location') ?? undefined,
    };
  }
}

/** The words of a refusal: those of the server where it has any. */
function errorOf(method: Method, path: string, status: number, text: string): ProtoError {
  const more = {httpStatus: status};
  if (text.trim() === '') return new ProtoError(`${method} ${path}: no response body (HTTP status ${status})`, more);
  const message = messageOf(text);
  if (message !== undefined && status === 404) return new ProtoError(message, more);
  return new ProtoError(`API error: ${message ?? text.trim().slice(0, 1000)} (HTTP status ${status})`, more);
}

function messageOf(text: string): string | undefined {
  try {
    const message = (decodeJson(text) as {readonly message?: unknown} | null)?.message;
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined;
  }
}

function jsonOf(method: Method, path: string, status: number, text: string): unknown {
  try {
    return decodeJson(text);
  } catch (err) {
    throw new ProtoError(`${method} ${path}: the answer is no JSON (HTTP status ${status})`, {httpStatus: status, cause: err});
  }
}

/** Why a call failed, without the address that it was sent to: it may hold a password. */
function reasonOf(err: unknown): string {
  const {cause, message} = err as Error;
  const {code, message: inner} = (cause ?? {}) as {readonly code?: string; readonly message?: string};
  return [message, code ?? inner].filter((each) => each !== undefined && each !== '').join(': ');
}
