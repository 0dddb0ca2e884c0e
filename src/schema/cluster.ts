import {ControlPlaneError} from '../lib/errors.ts';
import {plainProblem} from '../lib/plain-json.ts';
import {kubernetesClusterProperties} from './kubernetes-cluster.ts';
import type {KubernetesClusterSettings} from './kubernetes-cluster.ts';
import {parserFor} from './validate.ts';
import type {Parser} from './validate.ts';

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
  /** Of an external cluster: the one with engine `kubernetes` where the scanner's servers run whose workers are here. Absent: somebody else starts them. */
  readonly server_cluster?: string;
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
        server_cluster: {type: 'string', minLength: 1},
        ...kubernetesClusterProperties,
      },
    },
  },
} as const;

const parseFields = parserFor<Cluster>('cluster', clusterSchema);

/** Reads a cluster's key. What it changes of Kubernetes objects is checked here, so that a mistake shows at the key and not at each launch. */
export const parseCluster: Parser<Cluster> = (text, key) => {
  const cluster = parseFields(text, key);
  const problem = plainProblem(cluster.settings);
  if (problem !== undefined) throw new ControlPlaneError('invalid', `cluster: settings: ${problem}`, {key});
  return cluster;
};
