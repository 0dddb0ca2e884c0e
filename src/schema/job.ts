import {STATE_NAMES, writerSchema} from './state.ts';
import type {StateName, Writer} from './state.ts';
import {parserFor} from './validate.ts';

/** What a job does in a sky scan. */
export const JOB_TYPES = ['scanner-server', 'workers'] as const;
export type JobType = (typeof JOB_TYPES)[number];

/** One job as it was planned. `count` is how many processes of it run side by side; `retry` how many further tries a failure gets. */
export interface PlannedJob {
  readonly type: JobType;
  readonly cluster: string;
  readonly count: number;
  readonly retry: number;
}

/** `/scan/[id]/chain`: the jobs to run and their order, a pure function of the scan. `adjacency` names each job's successors. */
export interface Chain {
  readonly jobs: Readonly<Record<string, PlannedJob>>;
  readonly adjacency: Readonly<Record<string, readonly string[]>>;
}

/** The proof that a launch was decided by the owner: etcd's epoch and the create revision of the owner key. Larger is newer. */
export interface FenceToken {
  readonly epoch: number;
  readonly revision: number;
}

/** Why and how a try ended. Times are RFC 3339. */
export interface JobExit {
  /** Exit code of the first process that failed, else 0; `null` when a signal or a loss ended it. */
  readonly code: number | null;
  readonly signal?: string;
  readonly reason?: string;
  readonly ended_at: string;
}

/**
 * One try of a job: recorded as an intent before the engine is asked, completed by what the engine says.
 *
 * The fence token is not in it: an intent may travel in the very transaction that creates the owner key, whose revision nobody knows before.
 */
export interface JobTry {
  readonly try: number;
  readonly intent_at: string;
  /** SHA-256 of the token that this try was given, in hex. The token itself is nowhere stored. */
  readonly token_digest: string;
  /** Which run directory (process engine) or namespace (others) was asked. */
  readonly place: string;
  /** What the engine calls it. */
  readonly handle?: string;
  readonly started_at?: string;
  readonly exit?: JobExit;
}

/**
 * `/scan/[id]/job/[job]`: one job as it is.
 *
 * `tries` holds the last tries, newest last; `tries_total` counts all, `failures` those that used up the retry budget (a try that never began, or that
 * a stop ended, does not).
 */
export interface Job extends PlannedJob {
  readonly state: StateName;
  readonly tries_total: number;
  readonly failures: number;
  readonly tries: readonly JobTry[];
  readonly by?: Writer;
}

const plannedProperties = {
  type: {enum: JOB_TYPES},
  cluster: {type: 'string'},
  count: {type: 'integer', minimum: 1},
  retry: {type: 'integer', minimum: 0},
} as const;

export const chainSchema = {
  type: 'object',
  required: ['jobs', 'adjacency'],
  properties: {
    jobs: {
      type: 'object',
      additionalProperties: {type: 'object', required: ['type', 'cluster', 'count', 'retry'], properties: plannedProperties},
    },
    adjacency: {type: 'object', additionalProperties: {type: 'array', items: {type: 'string'}}},
  },
} as const;

const exitSchema = {
  type: 'object',
  required: ['code', 'ended_at'],
  properties: {
    code: {type: ['integer', 'null']},
    signal: {type: 'string'},
    reason: {type: 'string'},
    ended_at: {type: 'string'},
  },
} as const;

export const jobSchema = {
  type: 'object',
  required: ['type', 'cluster', 'count', 'retry', 'state', 'tries_total', 'failures', 'tries'],
  properties: {
    ...plannedProperties,
    state: {enum: STATE_NAMES},
    tries_total: {type: 'integer', minimum: 0},
    failures: {type: 'integer', minimum: 0},
    by: writerSchema,
    tries: {
      type: 'array',
      items: {
        type: 'object',
        required: ['try', 'intent_at', 'token_digest', 'place'],
        properties: {
          try: {type: 'integer', minimum: 1},
          intent_at: {type: 'string'},
          token_digest: {type: 'string'},
          place: {type: 'string'},
          handle: {type: 'string'},
          started_at: {type: 'string'},
          exit: exitSchema,
        },
      },
    },
  },
} as const;

export const parseChain = parserFor<Chain>('chain', chainSchema);
export const parseJob = parserFor<Job>('job', jobSchema);
