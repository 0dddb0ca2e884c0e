import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import type {AddressInfo, Server, Socket} from 'node:net';

/** Stands between a client and an API server, whose connections it can cut, or let fall silent without a word. */
export class ApiProxy {
  readonly #target: {readonly host: string; readonly port: number};
  readonly #sockets = new Set<Socket>();
  #server: Server | undefined;
  #port = 0;

  constructor(server: URL) {
    this.#target = {host: server.hostname, port: Number(server.port === '' ? 443 : server.port)};
  }

  /** Begins to accept connections, on the port that it had before if it had one. */
  async open(): Promise<void> {
    this.#server = createServer((client) => {
      const upstream = connect(this.#target);
      for (const [from, to] of [
        [client, upstream],
        [upstream, client],
      ] as const) {
        this.#sockets.add(from);
        from.on('error', () => to.destroy());
        from.on('close', () => {
          this.#sockets.delete(from);
          to.destroy();
        });
        from.pipe(to);
      }
    });
    this.#server.listen(this.#port, '127.0.0.1');
    await once(this.#server, 'listening');
    this.#port = (this.#server.address() as AddressInfo).port;
  }

  /** As if the server were stopped: what is open is cut, what comes is refused. */
  async close(): Promise<void> {
    const closed = this.#server === undefined ? undefined : once(this.#server, 'close');
    this.#server?.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
    this.#server = undefined;
  }

  /** As if a cable were cut: what is open stays so, and nothing comes any more. New connections work. */
  silence(): void {
    for (const socket of this.#sockets) {
      socket.unpipe();
      socket.pause();
    }
  }

  get url(): string {
    return `https://127.0.0.1:${this.#port}`;
  }
}
