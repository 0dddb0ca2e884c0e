import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import type {AddressInfo, Server, Socket} from 'node:net';

/** One address in front of several servers: each connection goes to the next of them that takes it. A server that dies takes its connections along. */
export class TcpBalancer {
  /** Ports of servers that are about to die, or have: they get no new connections. A listening socket outlives what it has accepted by a moment. */
  readonly away = new Set<number>();
  readonly #ports: readonly number[];
  readonly #server: Server;
  readonly #clients = new Set<Socket>();
  #turn = 0;

  private constructor(ports: readonly number[]) {
    this.#ports = ports;
    this.#server = createServer({allowHalfOpen: true}, (client) => this.#accept(client));
  }

  /** @param ports of the servers, on loopback */
  static async start(ports: readonly number[]): Promise<TcpBalancer> {
    const balancer = new TcpBalancer(ports);
    balancer.#server.listen(0, '127.0.0.1');
    await once(balancer.#server, 'listening');
    return balancer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    this.#clients.add(client);
    client.on('close', () => this.#clients.delete(client));
    client.on('error', () => {}); // 'close' follows.
    this.#turn += 1;
    this.#connect(client, this.#turn, this.#ports.length);
  }

  #connect(client: Socket, turn: number, triesLeft: number): void {
    if (triesLeft === 0) return void client.destroy();
    const port = this.#ports[turn % this.#ports.length] as number;
    if (this.away.has(port)) return this.#connect(client, turn + 1, triesLeft - 1);
    const server = connect({port, host: '127.0.0.1', allowHalfOpen: true});
    const isRefused = (): void => this.#connect(client, turn + 1, triesLeft - 1);
    server.once('error', isRefused);
    server.once('connect', () => {
      server.off('error', isRefused);
      server.on('error', () => {});
      server.on('close', () => client.destroy());
      client.on('close', () => server.destroy());
      client.pipe(server);
      server.pipe(client);
    });
  }
}
