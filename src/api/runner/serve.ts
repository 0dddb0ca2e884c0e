import {runnerAddress} from '../../config.ts';
import type {RunnerConfig} from '../../config.ts';
import type {RequestGate} from '../requests/gate.ts';
import {listen} from '../listen.ts';
import {createRunnerApp} from './app.ts';
import type {RunnerDeps} from './routes.ts';

/** A process' job runner API, as it listens. */
export interface Runner {
  /** Where it can be reached, without a slash at the end. */
  readonly address: string;
  /** Finishes the answers under way. */
  close(): Promise<void>;
}

export interface RunnerOptions extends Omit<RunnerDeps, 'address' | 'isStopping' | 'isCacheReady'> {
  readonly config: RunnerConfig;
  readonly gate: RequestGate;
}

/** Serves the job runner's API until it is closed. From `stopping` on it takes no more chains, but still tells what runs. @throws the system's error when it cannot listen */
export async function serveRunner({config, gate, ...options}: RunnerOptions, stopping: AbortSignal): Promise<Runner> {
  let address = '';
  let isCacheReady = false;
  options.cache.ready(stopping).then(
    () => (isCacheReady = true),
    () => {}, // Told to stop before.
  );
  const app = createRunnerApp({...options, address: () => address, isStopping: () => stopping.aborted, isCacheReady: () => isCacheReady}, gate);
  const server = await listen(app, config, options.log);
  address = runnerAddress(config, server.port);
  options.log.info({address}, 'job runner API is listening');
  return {address, close: () => server.close()};
}
