import {once} from 'node:events';
import type {Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import type {ApiConfig} from '../config.ts';
import {publicAddress} from '../config.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import type {Database} from '../store/open.ts';
import {createApp} from './app.ts';

export interface ServeOptions {
  readonly config: ApiConfig;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** Told the port once it is listening: for a configured port of 0. */
  readonly onListening?: (port: number) => void;
}

/** How long answers under way get when the API stops. */
const DRAIN_MS = 5000;

/** Serves the REST API until `signal` aborts, then finishes the answers under way. @throws ControlPlaneError or the system's error when it cannot listen. */
export async function serveApi(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const {config, database, clock, log} = options;
  const {bodyLimitBytes, imageDirectory, trustProxy, idempotencySeconds} = config;
  const find = {seconds: config.findSeconds, rows: config.findRows, bytes: config.findBytes};
  const common = {publicAddress: publicAddress(config), bodyLimitBytes, trustProxy, idempotencySeconds, find};
  const settings = {...common, ...(imageDirectory === '' ? {} : {imageDirectory})};
  const app = createApp({...database, clock, log, config: settings});
  const server: Server = app.listen(config.port, config.host);
  await once(server, 'listening');
  const {port} = server.address() as AddressInfo;
  log.info({host: config.host, port}, 'API is listening');
  options.onListening?.(port);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), {once: true}));
  const closed = once(server, 'close');
  server.close();
  server.closeIdleConnections();
  const late = setTimeout(() => server.closeAllConnections(), DRAIN_MS);
  await closed;
  clearTimeout(late);
}
