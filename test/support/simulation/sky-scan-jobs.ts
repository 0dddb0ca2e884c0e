import {resultKey, scanKey} from '../../../src/schema/keys.ts';
import type {Behaviour} from './simulated-host.ts';
import type {Simulation} from './simulation.ts';

export interface SkyScanJobsOptions {
  /** Of servers, and of workers, the part that fails. */
  readonly serverFails: number;
  readonly workersFail: number;
  /** How long a server takes at the most, in milliseconds. */
  readonly longestMs: number;
}

/** Puts a sky scan in place, as somebody with etcdctl does. */
export function putSkyScan(simulation: Simulation, id: string, workers: number): void {
  const request = {reco_algo: 'a', nsides: [['1', 0]], request_clusters: [['local', workers]], i3_event_id: 'e'};
  simulation.etcd.put(scanKey(id), JSON.stringify({type: 'skymap-scan', request, created_at: Date.now() / 1000}));
}

/** Scanners: the server writes the final result and exits, or fails before; workers wait to be stopped, or fail. */
export function skyScanJobs(options: SkyScanJobsOptions): (simulation: Simulation) => Behaviour {
  return ({random, etcd}) =>
    (run) => {
      const isServer = run.ref.job === 'server';
      const fails = random() < (isServer ? options.serverFails : options.workersFail);
      run.after(20 + random() * options.longestMs, () => {
        if (fails) run.exit(random() < 0.5 ? 1 : null, {});
        else if (isServer) {
          etcd.put(resultKey(run.ref.scanId), finalResult());
          run.after(random() * 200, () => run.exit(0));
        }
      });
    };
}

function finalResult(): string {
  const blob = {digest: '0'.repeat(64), size: 1, stored_size: 1, chunks: 1, compression: 'zstd'};
  return JSON.stringify({is_final: true, updated_at: Date.now() / 1000, blob});
}
