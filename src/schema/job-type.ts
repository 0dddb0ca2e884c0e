import {jobResourcesSchema} from './job-resources.ts';
import type {JobResources} from './job-resources.ts';

/** Runs a command. Arguments reach it as environment variables `ARG_<NAME>` and, with the data of its parents, as a JSON document on standard input and in a file. */
export interface CommandRun {
  readonly kind: 'command';
  /** Program and arguments; `${name}` stands for an argument of the job. */
  readonly command: readonly string[];
  readonly env?: readonly (readonly [string, string])[];
}

/** Makes one HTTP request; `${name}` stands for an argument of the job in `url`, header values and `body`. */
export interface HttpRun {
  readonly kind: 'http';
  readonly method: string;
  readonly url: string;
  readonly headers?: readonly (readonly [string, string])[];
  /** Sent as it is when it is text, else as JSON. */
  readonly body?: unknown;
  /** Status codes that mean success. */
  readonly expect: readonly number[];
  /** Whether redirects are followed. Unless told, the answer is the redirect. */
  readonly follow?: boolean;
}

/** Runs an object that the configured module makes for this type. */
export interface ClassRun {
  readonly kind: 'class';
}

/** How jobs of one type are run. `timeout` is a Go duration. */
export interface JobType {
  readonly run: CommandRun | HttpRun | ClassRun;
  /** Where; absent: on the default cluster. */
  readonly cluster?: string;
  /** How many processes of it run side by side; 1 unless told. */
  readonly count?: number;
  /** Longest duration of one try; a node may set its own. */
  readonly timeout?: string;
  /** Of a command, on clusters that run containers: its image and what it may use. The cluster's `job_types` win; absent: the cluster's image. */
  readonly image?: string;
  readonly resources?: JobResources;
}

const pairsSchema = {
  type: 'array',
  items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string'}, {type: 'string'}]},
} as const;

export const jobTypeSchema = {
  type: 'object',
  required: ['run'],
  properties: {
    run: {
      type: 'object',
      required: ['kind'],
      oneOf: [
        {
          required: ['command'],
          properties: {kind: {const: 'command'}, command: {type: 'array', minItems: 1, items: {type: 'string'}}, env: pairsSchema},
        },
        {
          required: ['method', 'url', 'expect'],
          properties: {
            kind: {const: 'http'},
            method: {type: 'string'},
            url: {type: 'string'},
            headers: pairsSchema,
            expect: {type: 'array', minItems: 1, items: {type: 'integer', minimum: 100, maximum: 599}},
            follow: {type: 'boolean'},
          },
        },
        {properties: {kind: {const: 'class'}}},
      ],
    },
    cluster: {type: 'string'},
    count: {type: 'integer', minimum: 1},
    timeout: {type: 'string'},
    image: {type: 'string', minLength: 1},
    resources: jobResourcesSchema,
  },
} as const;
