import {Gauge, Registry, collectDefaultMetrics} from 'prom-client';
import type {Cache} from '../store/cache.ts';
import type {Store} from '../store/store.ts';

/** A registry with the figures that every process has, whatever its part: its own, and how it stands with etcd. */
export function processMetrics({cache, store}: {readonly cache: Cache; readonly store: Store}): Registry {
  const registry = new Registry();
  collectDefaultMetrics({register: registry, prefix: 'scanplane_'});
  const registers = [registry];
  new Gauge({
    name: 'scanplane_cache_revision',
    help: 'The etcd revision up to which the cache has applied everything.',
    registers,
    collect() {
      this.set(cache.revision);
    },
  });
  new Gauge({
    name: 'scanplane_cache_age_seconds',
    help: 'Time since the cache was last known to be current.',
    registers,
    collect() {
      this.set(cache.ageMs() / 1000);
    },
  });
  new Gauge({
    name: 'scanplane_bad_keys',
    help: 'Keys whose value does not parse.',
    registers,
    collect() {
      this.set(cache.bad.size);
    },
  });
  new Gauge({
    name: 'scanplane_etcd_reachable',
    help: '1 when the last exchange with etcd worked, else 0.',
    registers,
    collect() {
      this.set(store.isReachable() ? 1 : 0);
    },
  });
  return registry;
}
