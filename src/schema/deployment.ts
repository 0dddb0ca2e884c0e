import {lastUpdatedSchema} from './execution-block.ts';
import type {JobTry} from './job.ts';
import {jobTrySchema} from './job.ts';
import {namedAs} from './named-as.ts';
import {writerSchema} from './state.ts';
import type {Writer} from './state.ts';
import {parserFor} from './validate.ts';

/** `job` runs on one of our clusters. `helm` is a chart: stored and shown for whoever installs those, never touched here. */
export const DEPLOYMENT_TYPES = ['job', 'helm'] as const;
export type DeploymentType = (typeof DEPLOYMENT_TYPES)[number];

/** What a deployment of type `job` runs. */
export interface DeploymentArgs {
  readonly command?: readonly string[];
  readonly image?: string;
  readonly env?: readonly (readonly [string, string])[];
  readonly cluster?: string;
  /** Processes side by side. Default 1. */
  readonly count?: number;
  /** What it gets as a document: see `docs/jobs.md`. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** How often it is started again when it fails. Default 5. */
  readonly retries?: number;
  /** Slots that its processing block takes of the cluster's capacity. Default 1. */
  readonly slots?: number;
  readonly [field: string]: unknown;
}

/** `/deploy/[id]`: what is to run, until the key goes away. Changed args are run in the place of the former ones. Unknown members are kept. */
export interface Deployment {
  readonly id: string;
  readonly type: DeploymentType;
  readonly args: DeploymentArgs;
  /** The processing block that it goes away with; absent: its id says, see `blockOfDeployment`. */
  readonly pb_id?: string;
  readonly [field: string]: unknown;
}

export const DEPLOYMENT_STATUSES = ['UNSET', 'PENDING', 'RUNNING', 'FINISHED', 'CANCELLED', 'FAILED'] as const;
export type DeploymentStatus = (typeof DEPLOYMENT_STATUSES)[number];

/**
 * `/deploy/[id]/state`: what became of it. Its owner's, fenced.
 *
 * `of` is the create revision of the deployment that it speaks of: one that was deleted and created again is another. `args_digest` is SHA-256 in hex of
 * the canonical JSON of the args that the tries run. `tries` holds the last tries, newest last; `tries_total` counts all under `of`, `failures` those that
 * failed under these args.
 */
export interface DeploymentState {
  readonly status: DeploymentStatus;
  readonly reason?: string;
  readonly of?: number;
  readonly args_digest?: string;
  readonly tries_total: number;
  readonly failures: number;
  readonly tries: readonly JobTry[];
  /** Not started again before. RFC 3339. */
  readonly retry_at?: string;
  readonly last_updated?: string | number;
  readonly by?: Writer;
}

const deploymentSchema = {
  type: 'object',
  required: ['id', 'type'],
  properties: {
    id: {type: 'string'},
    type: {enum: DEPLOYMENT_TYPES},
    args: {
      type: 'object',
      default: {},
      properties: {
        command: {type: 'array', minItems: 1, items: {type: 'string'}},
        image: {type: 'string', minLength: 1},
        env: {type: 'array', items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string'}, {type: 'string'}]}},
        cluster: {type: 'string', minLength: 1},
        count: {type: 'integer', minimum: 1},
        retries: {type: 'integer', minimum: 0},
        slots: {type: 'integer', minimum: 1},
      },
    },
    pb_id: {type: 'string'},
  },
} as const;

/** The args of a chart are the chart's alone. */
const helmSchema = {...deploymentSchema, properties: {...deploymentSchema.properties, args: {type: 'object', default: {}}}} as const;

const deploymentStateSchema = {
  type: 'object',
  required: ['status'],
  properties: {
    status: {enum: DEPLOYMENT_STATUSES},
    reason: {type: 'string'},
    of: {type: 'integer'},
    args_digest: {type: 'string'},
    tries_total: {type: 'integer', minimum: 0, default: 0},
    failures: {type: 'integer', minimum: 0, default: 0},
    tries: {type: 'array', default: [], items: jobTrySchema},
    retry_at: {type: 'string'},
    last_updated: lastUpdatedSchema,
    by: writerSchema,
  },
} as const;

/** Refuses one that is stored under another deployment's key. */
export const parseDeployment = namedAs(
  'id',
  parserFor<Deployment>('deployment', (value) => ((value as {readonly type?: unknown} | null)?.type === 'helm' ? helmSchema : deploymentSchema)),
);
export const parseDeploymentState = parserFor<DeploymentState>('state of a deployment', deploymentStateSchema);

/** The deployment of a processing block's script. */
export const scriptDeploymentId = (pbId: string): string => `proc-${pbId}-script`;

/**
 * Ids of the processing blocks that a deployment may belong to, by its name `proc-[block]-[name]`: both parts may have dashes, so there may be several.
 * None for any other name.
 */
export function blocksOfDeployment(id: string): string[] {
  if (!id.startsWith('proc-')) return [];
  const parts = id.slice('proc-'.length).split('-');
  const blocks: string[] = [];
  for (let n = 1; n < parts.length; n++) blocks.push(parts.slice(0, n).join('-'));
  return blocks.filter((block) => block !== '');
}

const JOBS_OF = 'deploy.';

/** What engines, tokens and logs call a deployment's jobs by, where those of scans have the scan's id: no scan id has a dot. */
export const deploymentJobs = (id: string): string => `${JOBS_OF}${id}`;

/** The deployment that {@link deploymentJobs} was made of; `undefined`: none. */
export function deploymentOfJobs(name: string): string | undefined {
  return name.startsWith(JOBS_OF) ? name.slice(JOBS_OF.length) : undefined;
}
