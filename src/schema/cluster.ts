import {kubernetesClusterProperties} from './kubernetes-cluster.ts';
import type {KubernetesClusterSettings} from './kubernetes-cluster.ts';
import {parserFor} from './validate.ts';

export const ENGINE_NAMES = ['process', 'kubernetes'] as const;
export type EngineName = (typeof ENGINE_NAMES)[number];

/** The engine of clusters that have an API server of their own each. */
export const KUBERNETES_ENGINE = 'kubernetes';

/** The engine of clusters whose jobs are none of ours: a foreign init container hands the scan over to an outside workload manager (EWMS). */
export const EXTERNAL_ENGINE = 'external';

/**
 * `/cluster/[name]`: where jobs run. `capacity` is worker slots. `settings` belongs to the engine; for `process`: `scanner_server` and `worker` are
 * command lines, `env` what they get besides what the controller gives; for `kubernetes` also what {@link KubernetesClusterSettings} says. `place` names
 * what the jobs are in; absent, the engine's own name for it. `collector` and `schedd`, or `host` and `namespace`, are the names that older
 * clients know the cluster by.
 */
export interface Cluster {
  readonly engine: string;
  readonly capacity: number;
  readonly place?: string;
  readonly settings: ClusterSettings;
}

export interface ClusterSettings extends KubernetesClusterSettings {
  readonly scanner_server?: readonly string[];
  readonly worker?: readonly string[];
  readonly env?: readonly (readonly [string, string])[];
  readonly collector?: string;
  readonly schedd?: string;
  readonly host?: string;
}

const command = {type: 'array', minItems: 1, items: {type: 'string'}} as const;

export const clusterSchema = {
  type: 'object',
  required: ['engine', 'capacity'],
  properties: {
    engine: {type: 'string', minLength: 1},
    capacity: {type: 'integer', minimum: 0},
    place: {type: 'string'},
    settings: {
      type: 'object',
      default: {},
      properties: {
        scanner_server: command,
        worker: command,
        env: {type: 'array', items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string'}, {type: 'string'}]}},
        collector: {type: 'string'},
        schedd: {type: 'string'},
        host: {type: 'string'},
        ...kubernetesClusterProperties,
      },
    },
  },
} as const;

export const parseCluster = parserFor<Cluster>('cluster', clusterSchema);
