import {once} from 'node:events';
import {createServer} from 'node:http';
import type {IncomingMessage, ServerResponse} from 'node:http';
import {createServer as createSecureServer} from 'node:https';
import type {AddressInfo, Socket} from 'node:net';
import type Koa from 'koa';
import type {ListenConfig} from '../config.ts';
import type {Log} from '../lib/log.ts';
import {keepCertificate, readCertificate} from './certificate.ts';

export interface ListenOptions extends Pick<ListenConfig, 'host' | 'port'>, Partial<Pick<ListenConfig, 'cert' | 'key'>> {
  /** After how many milliseconds a connection on which nothing moves is closed. */
  readonly silenceMs?: number | undefined;
  /** How often the certificate's files are looked at. Default: a minute. */
  readonly certificateLookMs?: number;
  /** How long answers under way get when the server ends. Default: 5 s. */
  readonly drainMs?: number;
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

const DRAIN_MS = 5000;

/** Serves an app. @throws ControlPlaneError `invalid`: no certificate can be made of the files. The system's error when it cannot listen. */
export async function listen(
  app: Koa,
  {host, port, cert = '', key = '', silenceMs, certificateLookMs, drainMs}: ListenOptions,
  log: Log,
): Promise<Listening> {
  const files = cert === '' ? undefined : {cert, key};
  const closing = new AbortController();
  const answer = app.callback();
  const onRequest = (request: IncomingMessage, response: ServerResponse): void => void answer(request, response); // It never rejects.
  const server = files === undefined ? createServer(onRequest) : createSecureServer(readCertificate(files), onRequest);
  if (files !== undefined && 'setSecureContext' in server) keepCertificate(server, files, log, closing.signal, certificateLookMs);
  // Of a connection that is not secure yet an HTTPS server knows nothing, but waits for it.
  const connections = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.setTimeout(silenceMs ?? SILENCE_MS);
  server.listen(port, host);
  await once(server, 'listening');
  const end = async (): Promise<void> => {
    closing.abort();
    const closed = once(server, 'close');
    server.close();
    server.closeIdleConnections();
    const late = setTimeout(() => {
      server.closeAllConnections();
      for (const socket of connections) socket.destroy();
    }, drainMs ?? DRAIN_MS);
    await closed;
    clearTimeout(late);
  };
  let ending: Promise<void> | undefined;
  return {port: (server.address() as AddressInfo).port, close: () => (ending ??= end())};
}
