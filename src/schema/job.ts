import type {JobFacts} from './chain.ts';
import {podSeenSchema} from './pod-seen.ts';
import type {PodSeen} from './pod-seen.ts';
import {STATE_NAMES, writerSchema} from './state.ts';
import type {StateName, Writer} from './state.ts';
import {parserFor} from './validate.ts';

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
  /** What the job says became of it; absent: its exit code says. */
  readonly state?: StateName;
  /** The exit code that the job says it has: a signed 64-bit integer as decimal digits. */
  readonly exit?: string;
  /** What the job says went wrong, or what is wrong with what it says. Never in `reason`, by which tries that we ended are known. */
  readonly error?: string;
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
  /** Of the newest try of a sky scan's job: its pods as they were seen last. */
  readonly pods?: readonly PodSeen[];
}

/** How often a sequence was tried again; in the record of its first job. The number of its try is `rolled_back` + 1, plus that of the sequence around it less 1. */
export interface SequenceRecord {
  /** Roll-backs, ever. */
  readonly rolled_back: number;
  /** The try of the sequence around it at the last roll-back: retries count anew in each. */
  readonly parent_try: number;
  /** Retries used within that try. */
  readonly used: number;
  /** The attempt of the request in which they were used: another has retries of its own. Absent: 1. */
  readonly attempt?: number;
  /** Not begun again before. RFC 3339. */
  readonly retry_at?: string;
}

/**
 * `/scan/[id]/job/[job]`: one job as it is. Written when its first try is; a `noop` has none.
 *
 * `tries` holds the last tries, newest last; `tries_total` counts all, `failures` those that used up the retry budget (a try that never began, or that
 * a stop ended, does not). `state` and `failures` hold for the sequence try and the attempt named: under later ones the job is PENDING without failures,
 * unless it was COMPLETE in an earlier attempt of the same sequence try.
 */
export interface Job extends JobFacts {
  readonly state: StateName;
  readonly tries_total: number;
  readonly failures: number;
  readonly tries: readonly JobTry[];
  /** Absent: 1. */
  readonly sequence_try?: number;
  /** Absent: 1. */
  readonly attempt?: number;
  /** The how-manieth of the chain to complete, from 1; noops count. Parents' data is handed on in this order. */
  readonly completed?: number;
  /** The keys that its tries have set, for its children and for its own further tries. */
  readonly data?: Readonly<Record<string, unknown>>;
  /** When the first try of this sequence try began, where that decides whether there are more. RFC 3339. */
  readonly since?: string;
  /** What it said of itself last, where it says so in a file. */
  readonly status?: string;
  readonly sequence?: SequenceRecord;
  readonly by?: Writer;
}

const exitSchema = {
  type: 'object',
  required: ['code', 'ended_at'],
  properties: {
    code: {type: ['integer', 'null']},
    signal: {type: 'string'},
    reason: {type: 'string'},
    state: {enum: STATE_NAMES},
    exit: {type: 'string'},
    error: {type: 'string'},
    ended_at: {type: 'string'},
  },
} as const;

export const jobTrySchema = {
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
    pods: {type: 'array', items: podSeenSchema},
  },
} as const;

export const jobSchema = {
  type: 'object',
  required: ['type', 'cluster', 'count', 'retry', 'state', 'tries_total', 'failures', 'tries'],
  properties: {
    name: {type: 'string'},
    type: {type: 'string', minLength: 1},
    cluster: {type: 'string'},
    count: {type: 'integer', minimum: 1},
    retry: {type: 'integer', minimum: 0},
    sequence_try: {type: 'integer', minimum: 1},
    attempt: {type: 'integer', minimum: 1},
    completed: {type: 'integer', minimum: 1},
    data: {type: 'object'},
    since: {type: 'string'},
    status: {type: 'string'},
    sequence: {
      type: 'object',
      required: ['rolled_back', 'parent_try', 'used'],
      properties: {
        rolled_back: {type: 'integer', minimum: 0},
        parent_try: {type: 'integer', minimum: 1},
        used: {type: 'integer', minimum: 0},
        attempt: {type: 'integer', minimum: 1},
        retry_at: {type: 'string'},
      },
    },
    state: {enum: STATE_NAMES},
    tries_total: {type: 'integer', minimum: 0},
    failures: {type: 'integer', minimum: 0},
    by: writerSchema,
    tries: {
      type: 'array',
      items: jobTrySchema,
    },
  },
} as const;

export const parseJob = parserFor<Job>('job', jobSchema);
