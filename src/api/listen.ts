import {once} from 'node:events';
import type {AddressInfo} from 'node:net';
import type Koa from 'koa';

export interface ListenOptions {
  readonly host: string;
  /** 0: any that is free. */
  readonly port: number;
  /** After how many milliseconds a connection on which nothing moves is closed. */
  readonly silenceMs?: number | undefined;
}

export interface Listening {
  readonly port: number;
  /** Finishes the answers under way. May be called again. */
  close(): Promise<void>;
}

/**
 * A connection on which nothing moves for so long is closed: a client that stops reading its answer or sending its body holds memory. The longest
 * silence that a scanner puts up with is 60 s.
 */
const SILENCE_MS = 120_000;

/** How long answers under way get when a server stops. */
const DRAIN_MS = 5000;

/** Serves an app. @throws the system's error when it cannot listen */
export async function listen(app: Koa, {host, port, silenceMs}: ListenOptions): Promise<Listening> {
  const server = app.listen(port, host);
  server.setTimeout(silenceMs ?? SILENCE_MS);
  await once(server, 'listening');
  const end = async (): Promise<void> => {
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
    await closed;
    clearTimeout(late);
  };
  let ending: Promise<void> | undefined;
  return {port: (server.address() as AddressInfo).port, close: () => (ending ??= end())};
}
