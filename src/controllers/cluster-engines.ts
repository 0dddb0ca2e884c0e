import type {Engine, JobRef} from '../engines/engine.ts';
import {canonicalJson} from '../lib/canonical-json.ts';
import {reasonOf} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import {KUBERNETES_ENGINE} from '../schema/cluster.ts';
import type {Cluster} from '../schema/cluster.ts';
import type {Cache} from '../store/cache.ts';

/** Makes the engine of one cluster that has an API server of its own. Nothing is asked of the server yet. */
export type OpenClusterEngine = (name: string, cluster: Cluster) => Engine;

/** Under what name a replica keeps the engine of a cluster: all clusters share most engines; each Kubernetes cluster has its own. */
export function engineKey(clusterName: string, {engine}: Pick<Cluster, 'engine'>): string {
  return engine === KUBERNETES_ENGINE ? `${engine}/${clusterName}` : engine;
}

export interface ClusterEnginesDeps {
  readonly cache: Cache;
  readonly open: OpenClusterEngine;
  readonly onChange: (ref: JobRef) => void;
  readonly log: Log;
}

/**
 * Keeps one engine for each cluster key with engine `kubernetes` in `engines`, and has it listened to, until `signal` aborts. A changed key gets a new one;
 * that of a key which is gone stays, since jobs may run there.
 */
export function keepClusterEngines(engines: Map<string, Engine>, {cache, open, onChange, log}: ClusterEnginesDeps, signal: AbortSignal): void {
  const kept = new Map<string, {readonly facts: string; readonly listening: AbortController}>();
  const sync = (): void => {
    for (const [name, {value: cluster}] of cache.clusters) {
      if (cluster.engine !== KUBERNETES_ENGINE) continue;
      const facts = canonicalJson({place: cluster.place ?? '', settings: cluster.settings});
      const before = kept.get(name);
      if (before?.facts === facts) continue;
      try {
        const engine = open(name, cluster);
        const listening = new AbortController();
        engine.onChange(onChange, AbortSignal.any([signal, listening.signal]));
        before?.listening.abort();
        engines.set(engineKey(name, cluster), engine);
        kept.set(name, {facts, listening});
        log.info({cluster: name, place: engine.place}, 'serving a cluster');
      } catch (err) {
        log.error({cluster: name, reason: reasonOf(err)}, 'cannot serve a cluster');
      }
    }
  };
  sync();
  cache.onChange((changes) => {
    if (changes.some((change) => change.kind === 'relist' || change.ref.kind === 'cluster')) sync();
  }, signal);
}
