import {jobResourcesSchema} from './job-resources.ts';
import type {JobResources} from './job-resources.ts';
import {containerPatchSchema, jobPatchSchema, podPatchSchema} from './kubernetes-patches.ts';

/**
 * Settings of a cluster with engine `kubernetes`, in `/cluster/[name]`.
 *
 * `job`, `pod` and `container` are JSON merge patches (RFC 7386: `null` removes a member): of every Job's and every pod's `{metadata, spec}`, and of the
 * container of the job itself. Lists are replaced, but volumes, their mounts and variables are taken in by name. Of `container`, `securityContext` and
 * `imagePullPolicy` hold for the containers beside it too. What makes a Job and its pods ours cannot be patched away.
 */
export interface KubernetesClusterSettings {
  /** Path of a kubeconfig file, where controllers run; absent: the service account of the pod that they run in. */
  readonly kubeconfig?: string;
  /** One of its contexts; absent: the current one. */
  readonly context?: string;
  /** Absent: the one that the kubeconfig or the service account names, else `default`. */
  readonly namespace?: string;
  /** Of jobs that name none. For sky scans `${docker_tag}` in it stands for the scanner's release. */
  readonly image?: string;
  /** By type of job, of chains and deployments: they win over what the type itself says. */
  readonly job_types?: Readonly<Record<string, {readonly image?: string; readonly resources?: JobResources}>>;
  /** Variables of every job whose values are in Secrets of the namespace: by name, the Secret and the key in it. */
  readonly secret_env?: Readonly<Record<string, {readonly secret: string; readonly key: string}>>;
  readonly job?: Readonly<Record<string, unknown>>;
  readonly pod?: Readonly<Record<string, unknown>>;
  readonly container?: Readonly<Record<string, unknown>>;
  /** Further volumes of every pod, and where the container of the job itself mounts them: a certificate authority, data. */
  readonly volumes?: readonly Readonly<Record<string, unknown>>[];
  readonly volume_mounts?: readonly Readonly<Record<string, unknown>>[];
  /** A volume (as in a pod, without its name) that all nodes share: jobs of a scan then have one folder of it as their working directory. */
  readonly shared_volume?: Readonly<Record<string, unknown>>;
  /** After how long a Job whose exit is recorded loses its pods, where the server has a TTL controller. */
  readonly ttl_seconds?: number;
  /** How long images that cannot be pulled, and containers that cannot be made, are tried again. */
  readonly patience_seconds?: number;
  /** Requests to the API server, of each controller. */
  readonly requests_per_second?: number;
}

const seconds = {type: 'integer', minimum: 0, maximum: 2_147_483_647} as const;

export const kubernetesClusterProperties = {
  kubeconfig: {type: 'string'},
  context: {type: 'string'},
  namespace: {type: 'string'},
  image: {type: 'string'},
  job_types: {
    type: 'object',
    additionalProperties: {
      type: 'object',
      additionalProperties: false,
      properties: {image: {type: 'string', minLength: 1}, resources: jobResourcesSchema},
    },
  },
  secret_env: {
    type: 'object',
    propertyNames: {pattern: '^[A-Za-z_][A-Za-z0-9_]*$'},
    additionalProperties: {
      type: 'object',
      additionalProperties: false,
      required: ['secret', 'key'],
      properties: {secret: {type: 'string', minLength: 1}, key: {type: 'string', minLength: 1}},
    },
  },
  job: jobPatchSchema,
  pod: podPatchSchema,
  container: containerPatchSchema,
  volumes: {type: 'array', items: {type: 'object', required: ['name'], properties: {name: {type: 'string', minLength: 1}}}},
  volume_mounts: {
    type: 'array',
    items: {
      type: 'object',
      required: ['name', 'mountPath'],
      properties: {name: {type: 'string', minLength: 1}, mountPath: {type: 'string', minLength: 1}},
    },
  },
  shared_volume: {type: 'object'},
  ttl_seconds: seconds,
  patience_seconds: seconds,
  requests_per_second: {type: 'number', exclusiveMinimum: 0},
} as const;
