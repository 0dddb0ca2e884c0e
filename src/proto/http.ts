import {FieldError, ProtoError} from './error.ts';
import type {Decoder} from './fields.ts';
import {decodeJson, encodeJson} from './json.ts';

export interface ClientOptions {
  /** Node's own unless told. */
  readonly fetch?: typeof fetch;
  /** From sending to the end of the answer; 30 s unless told. */
  readonly timeoutMs?: number;
  /** Sent with each call, a bearer token for example. Their values are in no error's text. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends calls under way, which then throw its reason. */
  readonly signal?: AbortSignal;
  /** An answer that is longer is an error; 64 MiB unless told. */
  readonly maxAnswerBytes?: number;
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  /** With its question mark; empty or absent for none. */
  readonly query?: string;
  /** Sent as JSON. */
  readonly payload?: unknown;
  /** The status codes that mean success. */
  readonly accepted: readonly number[];
}

/** An answer with an accepted status. */
export interface Answer {
  readonly status: number;
  readonly text: string;
  readonly location: string | undefined;
}

const TIMEOUT_MS = 30_000;
const MAX_ANSWER_BYTES = 64 * 1024 * 1024;
/** Of what a server says is wrong, this many characters are quoted. */
const MAX_QUOTED = 4000;
/** A header's value that is shorter is no secret, but a word that any message may hold. */
const SHORTEST_SECRET = 8;

/**
 * Calls of one server. Whatever goes wrong is a {@link ProtoError}: its `httpStatus` is that of the answer, 0 when there was no whole answer, so that what was
 * sent may have been done. Redirects are not followed: they would take the headers elsewhere.
 */
export class HttpCaller {
  readonly #base: string;
  readonly #options: ClientOptions;
  readonly #headers: Readonly<Record<string, string>>;

  /** @throws ProtoError for an address that is not http or https or holds credentials, and for a header that cannot be sent */
  constructor(baseUrl: string, options: ClientOptions) {
    this.#base = baseOf(baseUrl);
    this.#options = options;
    this.#headers = options.headers ?? {};
    for (const [name, value] of Object.entries(this.#headers)) {
      if (!isHeader(name, value)) throw new ProtoError(`the header ${JSON.stringify(name)} cannot be sent: its name or its value is not allowed`);
    }
  }

  async call({method, path, query = '', payload, accepted}: Call): Promise<Answer> {
    const {fetch: send = fetch, timeoutMs = TIMEOUT_MS, signal, maxAnswerBytes = MAX_ANSWER_BYTES} = this.#options;
    const what = `${method} ${this.#base}${path}`;
    const body = payload === undefined ? undefined : encodeJson(payload);
    const late = AbortSignal.timeout(timeoutMs);
    let response: Response;
    let text: string;
    try {
      response = await send(`${this.#base}${path}${query}`, {
        method,
        redirect: 'manual',
        headers: {...this.#headers, accept: 'application/json', ...(body === undefined ? {} : {'content-type': 'application/json'})},
        ...(body === undefined ? {} : {body}),
        signal: signal === undefined ? late : AbortSignal.any([signal, late]),
      });
      text = await textOf(response, maxAnswerBytes);
    } catch (err) {
      if (signal?.aborted) throw signal.reason; // Ending is not failing.
      throw new ProtoError(`${what}: ${late.aborted ? `no answer within ${timeoutMs} ms` : this.#withoutSecrets(reasonOf(err))}`);
    }
    const {status} = response;
    if (isRedirect(response))
      throw new ProtoError(`${what}: answered with a redirect, which is not followed (HTTP status ${status})`, {httpStatus: status});
    if (!accepted.includes(status)) throw this.#refusal(status, text);
    return {status, text, location: response.headers.get('location') ?? undefined};
  }

  /** The JSON of an answer, as a `T`. */
  async read<T>(call: Call, decode: Decoder<T>): Promise<T> {
    const {status, text} = await this.call(call);
    try {
      return decode(decodeJson(text));
    } catch (err) {
      const problem =
        err instanceof FieldError ? `is not understood: ${err.message}` : text.trim() === '' ? 'is empty' : 'is no JSON that can be read';
      const what = `${call.method} ${this.#base}${call.path}`;
      throw new ProtoError(`${what}: the answer ${this.#withoutSecrets(problem)} (HTTP status ${status})`, {httpStatus: status});
    }
  }

  /** What the server says is wrong: the bare text of what is not there, else in a frame with the status. */
  #refusal(status: number, text: string): ProtoError {
    const {message, requestId} = bodyOf(text);
    const said = this.#withoutSecrets(message ?? (text.trim() || 'no response')).slice(0, MAX_QUOTED);
    const isBare = message !== undefined && status === 404;
    return new ProtoError(isBare ? said : `API error: ${said} (HTTP status ${status})`, {httpStatus: status, requestId});
  }

  /** A server, or what stands before it, may repeat what it was sent. */
  #withoutSecrets(text: string): string {
    const values = Object.values(this.#headers).flatMap((value) => [value, ...value.split(/\s+/)]);
    const secrets = values.filter((value) => value.length >= SHORTEST_SECRET).sort((a, b) => b.length - a.length);
    return secrets.reduce((rest, secret) => rest.replaceAll(secret, '[hidden]'), text);
  }
}

/** @throws ProtoError, which does not repeat the address where it may hold a password */
function baseOf(text: string): string {
  const url = URL.parse(text);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw new ProtoError('the base URL is no http or https address');
  if (url.username !== '' || url.password !== '') throw new ProtoError('the base URL holds credentials: give them as a header');
  if (url.search !== '' || url.hash !== '') throw new ProtoError('the base URL has a query or a fragment');
  return `${url.origin}${url.pathname}`.replace(/\/+$/, '');
}

function isHeader(name: string, value: string): boolean {
  try {
    new Headers([[name, value]]);
    return true;
  } catch {
    return false; // The error itself would repeat the value.
  }
}

function isRedirect({status, type}: Response): boolean {
  return type === 'opaqueredirect' || (status >= 300 && status < 400 && status !== 304);
}

async function textOf({body}: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body ?? []) {
    size += chunk.length;
    if (size > maxBytes) throw new Error(`the answer is longer than ${maxBytes} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** What an answer says in the shape of an error; no message when it has another shape. */
function bodyOf(text: string): {readonly message?: string; readonly requestId: string} {
  try {
    const {message, requestId} = Object(decodeJson(text)) as {readonly message?: unknown; readonly requestId?: unknown};
    return {...(typeof message === 'string' && message !== '' ? {message} : {}), requestId: typeof requestId === 'string' ? requestId : ''};
  } catch {
    return {requestId: ''}; // A proxy's page, say.
  }
}

/** Why there was no answer. Of several addresses tried in vain each has an error of its own, and the whole has no text. */
function reasonOf(err: unknown): string {
  const {cause, message} = err as Error;
  const inner = cause instanceof AggregateError && cause.errors.length > 0 ? (cause.errors[0] as unknown) : cause;
  return inner instanceof Error && inner.message !== '' ? inner.message : message;
}
