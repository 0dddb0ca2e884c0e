import {ControlPlaneError, hasCode} from '../../lib/errors.ts';
import type {Clock} from '../../lib/clock.ts';
import type {Options} from './options.ts';
import {parseExactly, readLog, readRequest, readRequests, readRunning, readSpecs, STATE_NAMES} from './wire.ts';
import type {JobLog, Request, RequestSpec, RunningStatus} from './wire.ts';

/** What `find` looks for. `states` are numbers of the wire; times are RFC 3339; a `limit` of 0 means all. */
export interface RequestFilter {
  readonly type?: string;
  readonly user?: string;
  readonly states?: readonly number[];
  readonly args?: ReadonlyMap<string, string>;
  readonly since?: string;
  readonly until?: string;
  readonly limit: number;
  readonly offset: number;
}

/** What the commands ask of the server. Changes are taken note of and answered at once; the state shows what becomes of them. */
export interface RequestApi {
  requestList(): Promise<readonly RequestSpec[]>;
  create(type: string, args: Readonly<Record<string, string>>): Promise<Request>;
  get(id: string): Promise<Request>;
  find(filter: RequestFilter): Promise<readonly Request[]>;
  change(id: string, verb: 'stop' | 'suspend' | 'resume' | 'retry'): Promise<void>;
  log(id: string): Promise<readonly JobLog[]>;
  /** Jobs that run, of one request or of all. */
  running(id?: string): Promise<RunningStatus>;
}

/** Whether the server could not be asked, or could not answer: it may do so later, and what was sent may have been done. */
export function isOutage(err: unknown): boolean {
  return hasCode(err, 'unavailable');
}

/** The API at `options.addr`. `trace` is told what is asked, and never the token; `interrupt` ends every call. */
export function openRequestApi(options: Options, interrupt: AbortSignal, clock: Clock, trace: (text: string) => void): RequestApi {
  const call = async (method: string, path: string, body?: unknown, parse: (json: string) => unknown = JSON.parse): Promise<unknown> => {
    const url = `${options.addr}/api/v1${path}`;
    trace(`${method} ${url}`);
    const beganMs = clock.monotonicMs();
    const {status, text} = await exchange(method, url, body === undefined ? undefined : JSON.stringify(body), options, interrupt);
    trace(`${status} after ${Math.round(clock.monotonicMs() - beganMs)} ms`);
    if (status !== 200 && status !== 201) throw refusal(status, text);
    if (text === '') return undefined;
    try {
      return parse(text);
    } catch (err) {
      throw new ControlPlaneError('unavailable', `${method} ${url}: the answer is not JSON`, {cause: err});
    }
  };
  const at = (id: string): string => `/requests/${encodeURIComponent(id)}`;
  return {
    requestList: async () => readSpecs(await call('GET', '/request-list')),
    create: async (type, args) => readRequest(await call('POST', '/requests', {Type: type, Args: args, User: ''})),
    get: async (id) => readRequest(await call('GET', at(id))),
    find: async (filter) => readRequests(await call('GET', `/requests${queryOf(filter)}`)),
    change: async (id, verb) => void (await call('PUT', `${at(id)}/${verb}`)),
    log: async (id) => readLog(await call('GET', `${at(id)}/log`, undefined, parseExactly)),
    running: async (id) =>
      readRunning(await call('GET', `/status/running${id === undefined ? '' : `?requestId=${encodeURIComponent(id)}`}`, undefined, parseExactly)),
  };
}

/** @throws ControlPlaneError `unavailable`: no whole answer. It names what was asked, and says nothing of what was sent. */
async function exchange(
  method: string,
  url: string,
  body: string | undefined,
  {timeoutMs, token}: Options,
  interrupt: AbortSignal,
): Promise<{readonly status: number; readonly text: string}> {
  const late = AbortSignal.timeout(timeoutMs);
  try {
    const answer = await fetch(url, {
      method,
      headers: {'content-type': 'application/json', ...(token === undefined ? {} : {authorization: `Bearer ${token}`})},
      redirect: 'error', // It would take the token somewhere else.
      signal: AbortSignal.any([interrupt, late]),
      ...(body === undefined ? {} : {body}),
    });
    return {status: answer.status, text: await answer.text()};
  } catch (err) {
    const {cause} = err as Error;
    const why = late.aborted ? `no answer within ${timeoutMs} ms` : cause instanceof Error ? whyOf(cause) : (err as Error).message;
    throw new ControlPlaneError('unavailable', `${method} ${url}: ${why}`, {cause: err});
  }
}

/** Of several addresses that were tried in vain each has an error of its own, and the whole has no text. */
function whyOf(cause: Error): string {
  if (cause.message !== '') return cause.message;
  return cause instanceof AggregateError && cause.errors.length > 0 ? (cause.errors[0] as Error).message : 'no connection';
}

/** What the server says is wrong: the bare text of what is not there, else in a frame with the status. */
function refusal(status: number, text: string): ControlPlaneError {
  const code = status >= 500 ? 'unavailable' : status === 404 ? 'not_found' : 'invalid';
  if (text === '') return new ControlPlaneError(code, `API error: no response (HTTP status ${status})`);
  const message = messageOf(text);
  if (status === 404 && message !== undefined) return new ControlPlaneError(code, message);
  return new ControlPlaneError(code, `API error: ${message ?? text} (HTTP status ${status})`);
}

function messageOf(text: string): string | undefined {
  try {
    const message = (JSON.parse(text) as {readonly message?: unknown} | null)?.message;
    return typeof message === 'string' && message !== '' ? message : undefined;
  } catch {
    return undefined; // A proxy's page, say.
  }
}

/** A filter as a query string, its parts in the order of their names; empty where nothing is looked for. */
export function queryOf(filter: RequestFilter): string {
  const query = new URLSearchParams();
  for (const [name, value] of filter.args ?? []) query.append('arg', `${name}=${value}`);
  for (const state of filter.states ?? []) query.append('state', STATE_NAMES[state] ?? String(state));
  for (const name of ['type', 'user', 'since', 'until'] as const) if (filter[name] !== undefined) query.set(name, filter[name]);
  if (filter.limit > 0) query.set('limit', String(filter.limit));
  if (filter.offset > 0) query.set('offset', String(filter.offset));
  query.sort();
  return query.size === 0 ? '' : `?${query.toString()}`;
}
