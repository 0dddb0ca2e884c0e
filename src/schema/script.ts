import {parserFor} from './validate.ts';

/**
 * `/script/[kind]:[name]:[version]`: how a processing script is run. Unknown members are kept.
 *
 * An engine of processes takes a `command`, one of containers an `image` (with the command as its arguments). `slots` is what a batch block of it takes
 * of its cluster's capacity.
 */
export interface Script {
  readonly image?: string;
  readonly command?: readonly string[];
  readonly env?: readonly (readonly [string, string])[];
  /** Absent: the cluster that is configured for requests. */
  readonly cluster?: string;
  /** Default 1. */
  readonly slots?: number;
  readonly [field: string]: unknown;
}

export const scriptSchema = {
  type: 'object',
  properties: {
    image: {type: 'string', minLength: 1},
    command: {type: 'array', minItems: 1, items: {type: 'string'}},
    env: {type: 'array', items: {type: 'array', minItems: 2, maxItems: 2, items: [{type: 'string'}, {type: 'string'}]}},
    cluster: {type: 'string', minLength: 1},
    slots: {type: 'integer', minimum: 1},
  },
} as const;

export const parseScript = parserFor<Script>('script', scriptSchema);
