import {Counter, Gauge, Histogram} from 'prom-client';
import type {Registry} from 'prom-client';
import {SCAN_STATES} from '../schema/state.ts';
import type {ApiDeps} from './deps.ts';
import {processMetrics} from './process-metrics.ts';

/** The figures of one API process, in a registry of its own: two apps in one process do not mix. */
export interface ApiMetrics {
  readonly registry: Registry;
  /** Counts one answered request. `route` is the path's pattern, never the path. */
  observeRequest(route: string, method: string, status: number, seconds: number): void;
}

export function createMetrics({cache, groupCommit, store}: ApiDeps): ApiMetrics {
  const registry = processMetrics({cache, store});
  const registers = [registry];

  const requests = new Counter({
    name: 'scanplane_http_requests_total',
    help: 'Requests answered.',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'scanplane_http_request_duration_seconds',
    help: 'From the request’s headers to its answer.',
    labelNames: ['route', 'method'],
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers,
  });
  new Gauge({
    name: 'scanplane_scans',
    help: 'Scans by state, as this process sees them.',
    labelNames: ['state'],
    registers,
    collect() {
      for (const state of SCAN_STATES) this.set({state}, cache.scans.idsBy('state', state).size);
    },
  });
  new Gauge({
    name: 'scanplane_backlog_scans',
    help: 'Scans that wait for admission.',
    registers,
    collect() {
      let waiting = 0;
      for (const {of} of cache.backlog()) if (of === 'scan') waiting++;
      this.set(waiting);
    },
  });
  // The one divided by the other says how well creations share transactions.
  new Counter({
    name: 'scanplane_group_commits_total',
    help: 'Creations sent to etcd in shared transactions.',
    registers,
    collect() {
      this.reset();
      this.inc(groupCommit.sent.commits);
    },
  });
  new Counter({
    name: 'scanplane_group_commit_transactions_total',
    help: 'Shared transactions sent to etcd.',
    registers,
    collect() {
      this.reset();
      this.inc(groupCommit.sent.transactions);
    },
  });

  return {
    registry,
    observeRequest: (route, method, status, seconds) => {
      requests.inc({route, method, status});
      durations.observe({route, method}, seconds);
    },
  };
}
