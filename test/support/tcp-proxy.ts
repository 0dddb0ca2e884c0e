import {once} from 'node:events';
import {connect, createServer} from 'node:net';
import type {AddressInfo, Server, Socket} from 'node:net';

/** Which way bytes go: `request` from client to server, `reply` from server to client. */
export type Direction = 'request' | 'reply';

/**
 * What happens to the bytes of one direction.
 *
 * - `pass`: they go on.
 * - `stall`: they are held back, and go on in order when the mode becomes `pass` again.
 * - `swallow`: they vanish. (The stream is damaged by it: cut the connections before it passes anything again.)
 * - `cut`: the first ones that come end the connection.
 */
export type ProxyMode = 'pass' | 'stall' | 'swallow' | 'cut';

/**
 * A TCP proxy on loopback in front of one server, that misbehaves on command.
 *
 * It knows nothing of gRPC: what it does to bytes befalls every call on that connection.
 */
export class TcpProxy {
  readonly #target: {readonly host: string; readonly port: number};
  readonly #scheme: string;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  readonly #modes: Record<Direction, ProxyMode> = {request: 'pass', reply: 'pass'};
  #isRefusing = false;
  /** Connections accepted so far. */
  accepted = 0;

  /** @param target the server, as `http://host:port`. */
  constructor(target: string) {
    const url = new URL(target);
    this.#target = {host: url.hostname, port: Number(url.port)};
    this.#scheme = url.protocol;
    this.#server = createServer((client) => this.#accept(client));
  }

  static async start(target: string): Promise<TcpProxy> {
    const proxy = new TcpProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  /** Where clients connect to. */
  get endpoint(): string {
    return `${this.#scheme}//127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Open connections. */
  get open(): number {
    return this.#links.size;
  }

  /** Sets the mode of one direction, for the connections there are and those to come. */
  set(direction: Direction, mode: ProxyMode): void {
    this.#modes[direction] = mode;
    for (const link of this.#links) link.update();
  }

  mode(direction: Direction): ProxyMode {
    return this.#modes[direction];
  }

  /** Both directions pass. */
  heal(): void {
    this.#isRefusing = false;
    this.set('request', 'pass');
    this.set('reply', 'pass');
  }

  /** Neither direction passes, and nothing tells the client: a cable that was pulled. */
  blackhole(): void {
    this.set('request', 'stall');
    this.set('reply', 'stall');
  }

  /**
   * Requests go on and replies are held back until `done` resolves, which has to show that the server did what it was asked; then the connections
   * are cut. Later connections work.
   *
   * (Cutting at the first byte of a reply would not do: HTTP/2 servers answer with pings and window updates before they answer the call.)
   */
  async loseReplies(done: () => Promise<unknown>): Promise<void> {
    this.set('reply', 'stall');
    try {
      await done();
    } finally {
      this.cutAll();
      this.set('reply', 'pass');
    }
  }

  /** Ends all connections there are, with RST where `reset`. */
  cutAll(reset = false): void {
    for (const link of this.#links) link.end(reset);
  }

  /** Ends new connections as soon as they come. */
  refuse(): void {
    this.#isRefusing = true;
    this.cutAll();
  }

  async stop(): Promise<void> {
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #accept(client: Socket): void {
    this.accepted += 1;
    if (this.#isRefusing) {
      client.on('error', () => {});
      client.destroy();
      return;
    }
    const server = connect(this.#target.port, this.#target.host);
    const link = new Link(client, server, {
      mode: (direction) => this.#modes[direction],
      onEnd: () => this.#links.delete(link),
    });
    this.#links.add(link);
  }
}

interface LinkHooks {
  mode(direction: Direction): ProxyMode;
  onEnd(): void;
}

/** One client's connection and its counterpart to the server. */
class Link {
  readonly #client: Socket;
  readonly #server: Socket;
  readonly #hooks: LinkHooks;
  readonly #held: Record<Direction, Buffer[]> = {request: [], reply: []};

  constructor(client: Socket, server: Socket, hooks: LinkHooks) {
    this.#client = client;
    this.#server = server;
    this.#hooks = hooks;
    for (const socket of [client, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => this.end(false));
      socket.on('close', () => this.end(false));
    }
    client.on('data', (bytes) => this.#carry('request', bytes));
    server.on('data', (bytes) => this.#carry('reply', bytes));
  }

  /** The mode has changed: what was held back may go on. */
  update(): void {
    for (const direction of ['request', 'reply'] as const) {
      if (this.#hooks.mode(direction) === 'stall') continue;
      for (const bytes of this.#held[direction].splice(0)) this.#carry(direction, bytes);
    }
  }

  end(reset: boolean): void {
    for (const socket of [this.#client, this.#server]) {
      if (reset && !socket.destroyed) socket.resetAndDestroy();
      else socket.destroy();
    }
    this.#hooks.onEnd();
  }

  #carry(direction: Direction, bytes: Buffer): void {
    switch (this.#hooks.mode(direction)) {
      case 'pass': {
        const to = direction === 'request' ? this.#server : this.#client;
        if (!to.destroyed) to.write(bytes);
        return;
      }
      case 'stall':
        this.#held[direction].push(bytes);
        return;
      case 'swallow':
        return;
      case 'cut':
        this.end(false);
        return;
    }
  }
}
