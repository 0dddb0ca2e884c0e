import type {ApiConfig} from '../config.ts';
import {publicAddress} from '../config.ts';
import type {EwmsClient} from '../ewms/client.ts';
import {EwmsViews} from '../ewms/views.ts';
import type {Clock} from '../lib/clock.ts';
import type {Log} from '../lib/log.ts';
import {sleep} from '../lib/sleep.ts';
import type {K8sJobSettings} from '../model/k8s-job.ts';
import type {Database} from '../store/open.ts';
import {createApp} from './app.ts';
import type {Authenticator} from './auth/authenticator.ts';
import type {RequestParts} from './deps.ts';
import {listen} from './listen.ts';

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
  /** Requests of other types than the sky scan, and who may do what with them. */
  readonly requests?: RequestParts | undefined;
  /** Told the port once it is listening: for a configured port of 0. */
  readonly onListening?: (port: number) => void;
  /** After how many milliseconds a connection on which nothing moves is closed. */
  readonly silenceMs?: number;
}

/** Serves the REST API until `signal` aborts and for `drainSeconds` more, then finishes the answers under way. @throws ControlPlaneError or the system's error when it cannot listen. */
export async function serveApi(options: ServeOptions, signal: AbortSignal): Promise<void> {
  const {config, database, clock, log, ewms, k8sJob, authenticator, requests = {}} = options;
  const {bodyLimitBytes, imageDirectory, images, minImageTag, trustProxy, idempotencySeconds, texts} = config;
  const find = {seconds: config.findSeconds, rows: config.findRows, bytes: config.findBytes};
  const settings = {
    ...{publicAddress: publicAddress(config), bodyLimitBytes, minImageTag, trustProxy, idempotencySeconds, texts, find},
    ...(imageDirectory === '' ? {} : {imageDirectory}),
    ...(images.length === 0 ? {} : {images}),
    ...(k8sJob === undefined ? {} : {k8sJob}),
  };
  const views = ewms === undefined ? {} : {ewms: new EwmsViews(ewms, clock, log)};
  const app = createApp({...database, ...views, clock, log, config: settings, authenticator, requests, stopping: signal});
  const {host, port, cert, key} = config;
  const server = await listen(app, {host, port, cert, key, silenceMs: options.silenceMs}, log);
  log.info({host: config.host, port: server.port}, 'API is listening');
  options.onListening?.(server.port);
  if (!signal.aborted) await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), {once: true}));
  // Whoever sends requests here has to find out first, by /readyz or by being told.
  await sleep(config.drainSeconds * 1000);
  await server.close();
}
