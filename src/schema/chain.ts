import {blobHeaderSchema} from './blob.ts';
import type {BlobHeader} from './blob.ts';
import {jobTypeSchema} from './job-type.ts';
import type {JobType} from './job-type.ts';
import {requestArgSchema} from './request-arg.ts';
import type {RequestArg} from './request-arg.ts';
import {parserFor} from './validate.ts';

/** The job type that does nothing: begin and end of every sequence. It is never launched; see `model/chain-run.ts`. */
export const NOOP = 'noop';

/** The jobs of a sky scan, which the program itself knows how to launch. */
export const SKYMAP_JOB_TYPES = ['scanner-server', 'workers'] as const;

/**
 * One job as it was planned. `count` is how many processes of it run side by side; `retry` how many further tries a failure gets. Durations are Go's
 * (`500ms`). What is absent does not apply.
 */
export interface PlannedJob {
  /** The name of its node; absent: its id is its name. */
  readonly name?: string;
  readonly type: string;
  /** Where it runs; empty for what runs nowhere. */
  readonly cluster: string;
  readonly count: number;
  readonly retry: number;
  readonly retry_wait?: string;
  /** By how much each further wait is longer than the one before; absent: all are the same. */
  readonly retry_backoff?: number;
  readonly retry_max_wait?: string;
  /** Counted from the first try of a sequence try: after it a failure is final. */
  readonly retry_deadline?: string;
  /** Longest duration of one try. */
  readonly timeout?: string;
  /** The arguments that the job was created with: those before its creation changed any. */
  readonly args?: Readonly<Record<string, unknown>>;
  /** What a job class serialised when it was created, in base64. */
  readonly bytes?: string;
  /** Id of the first job of its sequence; absent in a sky scan, which has none. */
  readonly sequence?: string;
}

/** What of a planned job its own record repeats. */
export type JobFacts = Pick<PlannedJob, 'name' | 'type' | 'cluster' | 'count' | 'retry'>;

/** A sequence, filed under the id of its first job: how often it may be tried again, and in which sequence it lies. */
export interface PlannedSequence {
  readonly retry: number;
  readonly retry_wait?: string;
  /** Id of the first job of the sequence around it; absent: the outermost. */
  readonly parent?: string;
}

/** The jobs to run and their order, fixed when the request was made. `adjacency` names each job's successors. */
export interface Chain {
  readonly jobs: Readonly<Record<string, PlannedJob>>;
  readonly adjacency: Readonly<Record<string, readonly string[]>>;
  readonly sequences?: Readonly<Record<string, PlannedSequence>>;
  /** How the types among its jobs are run: so that a change of the specs changes no request that was made before. */
  readonly types?: Readonly<Record<string, JobType>>;
  /** How many jobs may run at once; absent: as many as can. */
  readonly concurrency?: number;
  /** Longest duration of the whole, from its start; time in which it was suspended counts. */
  readonly timeout?: string;
  /** The arguments of its request as they were resolved when it was built. */
  readonly request_args?: readonly RequestArg[];
}

/** A chain too large for one value: its JSON text is a blob. `demand` and `jobs_total` say what schedulers and lists need of it. */
export interface StoredChain {
  readonly blob: BlobHeader;
  /** `[cluster, jobs]`: how many jobs may want to run there at once. */
  readonly demand: readonly (readonly [string, number])[];
  /** `[cluster, processes]` of the largest job there, where that is more than one. */
  readonly largest?: readonly (readonly [string, number])[];
  readonly jobs_total: number;
}

const nameSchema = {type: 'string'} as const;

const plannedSchema = {
  type: 'object',
  required: ['type', 'cluster', 'count', 'retry'],
  properties: {
    name: nameSchema,
    type: {type: 'string', minLength: 1},
    cluster: nameSchema,
    count: {type: 'integer', minimum: 1},
    retry: {type: 'integer', minimum: 0},
    retry_wait: nameSchema,
    retry_backoff: {type: 'number', minimum: 1},
    retry_max_wait: nameSchema,
    retry_deadline: nameSchema,
    timeout: nameSchema,
    args: {type: 'object'},
    bytes: nameSchema,
    sequence: nameSchema,
  },
} as const;

export const chainSchema = {
  type: 'object',
  required: ['jobs', 'adjacency'],
  properties: {
    jobs: {type: 'object', additionalProperties: plannedSchema},
    adjacency: {type: 'object', additionalProperties: {type: 'array', items: nameSchema}},
    sequences: {
      type: 'object',
      additionalProperties: {
        type: 'object',
        required: ['retry'],
        properties: {retry: {type: 'integer', minimum: 0}, retry_wait: nameSchema, parent: nameSchema},
      },
    },
    types: {type: 'object', additionalProperties: jobTypeSchema},
    concurrency: {type: 'integer', minimum: 1},
    timeout: nameSchema,
    request_args: {type: 'array', items: requestArgSchema},
  },
} as const;

const countsSchema = {
  type: 'array',
  items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string'}, {type: 'integer', minimum: 1}]},
} as const;

const storedChainSchema = {
  type: 'object',
  required: ['blob', 'demand', 'jobs_total'],
  properties: {
    blob: blobHeaderSchema,
    demand: countsSchema,
    largest: countsSchema,
    jobs_total: {type: 'integer', minimum: 0},
  },
} as const;

/** `/scan/[id]/chain`: the chain itself, or where it lies. */
export const parseChain = parserFor<Chain | StoredChain>('chain', (value) =>
  (value as {readonly blob?: unknown} | null)?.blob === undefined ? chainSchema : storedChainSchema,
);

/** The content of a chain's blob. */
export const parseWholeChain = parserFor<Chain>('chain', chainSchema);

/** Whether the chain lies in a blob. */
export function isStoredChain(chain: Chain | StoredChain): chain is StoredChain {
  return 'blob' in chain;
}
