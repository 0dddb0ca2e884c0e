import {once} from 'node:events';
import {createServer} from 'node:http';
import type {IncomingMessage, Server, ServerResponse} from 'node:http';
import type {AddressInfo} from 'node:net';

/** One call that reached the workload manager. */
export interface EwmsCall {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  // oxlint-disable-next-line typescript/no-explicit-any
  readonly body: any;
}

/**
 * A workload manager of the tests, over HTTP on loopback: workflows come into being when they are first spoken of.
 *
 * `mode`: `well` answers; `hangs` takes calls and never answers them; `broken` answers 500; `refuses` ends no workflow (422). {@link DummyEwms.goAway} stops listening.
 */
export class DummyEwms {
  mode: 'well' | 'hangs' | 'broken' | 'refuses' = 'well';
  readonly calls: EwmsCall[] = [];
  /** How workflows were deactivated, by id. */
  readonly deactivated = new Map<string, string>();
  readonly taskforces = new Map<string, Record<string, unknown>[]>();
  /** Taskforces per page. */
  pageSize = 100;
  /** Where tokens are given out, and which one is good; none is asked for until it is set. */
  token: string | undefined;
  readonly #server: Server;
  #port = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response));
  }

  static async start(): Promise<DummyEwms> {
    const ewms = new DummyEwms();
    await ewms.comeBack();
    return ewms;
  }

  get address(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** Calls whose path ends so. */
  callsOf(end: string): EwmsCall[] {
    return this.calls.filter(({path}) => path.endsWith(end));
  }

  async comeBack(): Promise<void> {
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  async goAway(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const text = Buffer.concat(chunks).toString();
    const path = request.url ?? '';
    const {authorization} = request.headers;
    const body: unknown = path === '/token' ? Object.fromEntries(new URLSearchParams(text)) : text === '' ? undefined : JSON.parse(text);
    this.calls.push({method: request.method ?? '', path, authorization, body});
    if (this.mode === 'hangs') return;
    const [status, answer] = this.mode === 'broken' ? [500, {error: 'broken'}] : this.#answer(path, authorization, body as Record<string, unknown>);
    response.writeHead(status, {'content-type': 'application/json'}).end(JSON.stringify(answer));
  }

  #answer(path: string, authorization: string | undefined, body: Record<string, unknown>): [number, unknown] {
    if (path === '/token') return [200, {access_token: this.token, expires_in: 300}];
    if (this.token !== undefined && authorization !== `Bearer ${this.token}`) return [403, {error: 'authentication failed'}];
    const [, , , id = '', , action] = path.split('/');
    if (path === '/v1/query/taskforces') {
      const all = this.taskforces.get((body['query'] as {workflow_id: string}).workflow_id) ?? [];
      const from = Number(body['after'] ?? 0);
      const next = from + this.pageSize;
      return [200, {taskforces: all.slice(from, next), next_after: next < all.length ? String(next) : null}];
    }
    if (path === '/v1/query/task-directives') return [200, {task_directives: [{task_id: 'T1'}]}];
    if (path.endsWith('/actions/add-workers')) {
      return body['cluster_location'] === 'osg' ? [200, {taskforce_uuid: 'TF9', n_workers: body['n_workers']}] : [400, {error: 'unknown location'}];
    }
    if (action === undefined) return [200, {workflow_id: id, deactivated: this.deactivated.get(id) ?? null}];
    if (this.mode === 'refuses') return [422, {error: 'not now, not ever'}];
    if (this.deactivated.has(id)) return [404, {error: 'already deactivated'}];
    this.deactivated.set(id, action === 'abort' ? 'ABORTED' : 'FINISHED');
    return [200, {workflow_id: id, n_taskforces: 1}];
  }
}
