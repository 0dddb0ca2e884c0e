import {once} from 'node:events';
import type {Server} from 'node:http';
import type {AddressInfo} from 'node:net';
import type {ApiConfig} from '../config.ts';
import {publicAddress} from '../config.ts';
import type {EwmsClient} from '../ewms/client.ts';
import {EwmsViews} from '../ewms/views.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import type {K8sJobSettings} from '../model/k8s-job.ts';
import type {Database} from '../store/open.ts';
import {createApp} from './app.ts';
import type {Authenticator} from './auth/authenticator.ts';

export interface ServeOptions {
  readonly config: ApiConfig;
  readonly database: Database;
  readonly clock: Clock;
  readonly log: Log;
  /** The outside workload manager, where one is configured. */
  readonly ewms?: EwmsClient;
  /** What Kubernetes jobs are made of. */
  readonly k8sJob?: K8sJobSettings;
  /** Without one callers are not asked who they are. */
  readonly authenticator?: Authenticator | undefined;
  /** Told the port once it is listening: for a configured port of 0. */
  readonly onListening?: (port: number) => void;
  /** After how many milliseconds a connection on which nothing moves is closed. */
  readonly silenceMs?: number;
}

/**
 * A connection on which nothing moves for so long is closed: a client that stops reading its answer or sending its body holds memory. The longest
 * silence that a scanner puts up with is 60 s.
 */
const SILENCE_MS = 120_000;

/** How long answers under way get when the API stops. */
const DRAIN_MS = 5000;

/** Serves the REST API until `signal` aborts, then finishes the answers under way. @throws ControlPlaneError or the system's error when it cannot listen. */
export async function serveApi(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const {config, database, clock, log, ewms, k8sJob, authenticator} = options;
  const {bodyLimitBytes, imageDirectory, images, minImageTag, trustProxy, idempotencySeconds, texts} = config;
  const settings = {
    ...{publicAddress: publicAddress(config), bodyLimitBytes, minImageTag, trustProxy, idempotencySeconds, texts},
    ...(imageDirectory === '' ? {} : {imageDirectory}),
    ...(images.length === 0 ? {} : {images}),
    ...(k8sJob === undefined ? {} : {k8sJob}),
  };
  const views = ewms === undefined ? {} : {ewms: new EwmsViews(ewms, clock, log)};
  const app = createApp({...database, ...views, clock, log, config: settings, authenticator});
  const server: Server = app.listen(config.port, config.host);
  server.setTimeout(options.silenceMs ?? SILENCE_MS);
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
