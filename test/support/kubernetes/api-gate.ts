import {once} from 'node:events';
import {mkdtemp, rm, writeFile} from 'node:fs/promises';
import {createServer} from 'node:http';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {Agent, request as httpsRequest} from 'node:https';
import type {AddressInfo} from 'node:net';
import {tmpdir} from 'node:os';
import {join} from 'node:path';
import {buffer} from 'node:stream/consumers';
import {loadKubeconfig} from '../../../src/engines/kubernetes/client-config.ts';
import type {ClientConfig} from '../../../src/engines/kubernetes/client-config.ts';

/** A request that passes the gate. */
export interface GateRequest {
  readonly method: string;
  readonly path: string;
  readonly body: string;
}

interface Trap {
  readonly matches: (request: GateRequest) => boolean;
  /** Before the server gets the request, or after it has answered and before the client hears of it. */
  readonly when: 'before' | 'after';
  readonly act: () => Promise<void>;
  readonly done: () => void;
}

/**
 * Stands between clients and an API server as a server of its own, and sees what they ask, so that something can be done right at that moment: the client
 * never hears an answer to that request.
 */
export class ApiGate {
  readonly kubeconfig: string;
  readonly #folder: string;
  readonly #config: ClientConfig;
  readonly #agent: Agent;
  readonly #server = createServer((incoming, outgoing) => void this.#pass(incoming, outgoing).catch(() => outgoing.destroy()));
  #trap: Trap | undefined;

  private constructor(config: ClientConfig, folder: string) {
    this.#config = config;
    this.#folder = folder;
    this.kubeconfig = join(folder, 'kubeconfig');
    this.#agent = new Agent({keepAlive: true, ...config.tls});
  }

  static async open(kubeconfig: string): Promise<ApiGate> {
    const gate = new ApiGate(await loadKubeconfig(kubeconfig, undefined, {}), await mkdtemp(join(tmpdir(), 'scanplane-gate-')));
    gate.#server.listen(0, '127.0.0.1');
    await once(gate.#server, 'listening');
    const server = `http://127.0.0.1:${(gate.#server.address() as AddressInfo).port}`;
    const named = (name: string, key: string, value: object): object => ({name, [key]: value});
    await writeFile(
      gate.kubeconfig,
      JSON.stringify({
        ...{apiVersion: 'v1', kind: 'Config', 'current-context': 'gate'},
        clusters: [named('gate', 'cluster', {server})],
        users: [named('gate', 'user', {})],
        contexts: [named('gate', 'context', {cluster: 'gate', user: 'gate'})],
      }),
    );
    return gate;
  }

  /** Has `act` done at the first request that matches; resolves when it is. */
  once(when: 'before' | 'after', matches: (request: GateRequest) => boolean, act: () => Promise<void>): Promise<void> {
    return new Promise((done) => {
      this.#trap = {when, matches, act, done};
    });
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    this.#agent.destroy();
    await rm(this.#folder, {recursive: true, force: true});
  }

  async #pass(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
    const body = await buffer(incoming);
    const request = {method: incoming.method ?? '', path: incoming.url ?? '', body: body.toString()};
    const trap = this.#trap?.matches(request) === true ? this.#trap : undefined;
    if (trap !== undefined) this.#trap = undefined;
    if (trap?.when === 'before') return this.#spring(trap, outgoing);
    const authorization = await this.#config.authorization();
    const {host: _host, ...headers} = incoming.headers;
    const upstream = httpsRequest(new URL(request.path, this.#config.server), {
      method: request.method,
      agent: this.#agent,
      headers: {...headers, ...(authorization === undefined ? {} : {authorization})},
    });
    outgoing.on('close', () => upstream.destroy());
    upstream.end(body);
    const [answer] = (await once(upstream, 'response')) as [IncomingMessage];
    if (trap !== undefined) {
      await buffer(answer);
      return this.#spring(trap, outgoing);
    }
    outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
    answer.on('error', () => outgoing.destroy()).pipe(outgoing);
  }

  async #spring({act, done}: Trap, outgoing: ServerResponse): Promise<void> {
    await act();
    outgoing.destroy();
    done();
  }
}
