import {parserFor} from './validate.ts';

/** `/scan/[id]/owner`, `/leader/[controller]`: which process leads. Leased. `replica` is a per-process random id, so two starts never look the same. */
export interface Owner {
  readonly command: readonly string[];
  readonly hostname: string;
  readonly pid: number;
  readonly replica: string;
  readonly since: string;
}

export const ownerSchema = {
  type: 'object',
  required: ['hostname', 'pid'],
  properties: {
    command: {type: 'array', items: {type: 'string'}, default: []},
    hostname: {type: 'string'},
    pid: {type: 'integer'},
    replica: {type: 'string', default: ''},
    since: {type: 'string', default: ''},
  },
} as const;

export const parseOwner = parserFor<Owner>('owner', ownerSchema);
