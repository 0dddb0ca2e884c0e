import {parserFor} from './validate.ts';

/**
 * `/replica/[id]`: a live process that runs controllers. Leased. `places`: engine name → the place (run directory, namespace) that its engine works in.
 * `address`: where it takes job chains and tells what runs, without a slash at the end.
 */
export interface Replica {
  readonly hostname: string;
  readonly pid: number;
  readonly started_at: string;
  readonly places: Readonly<Record<string, string>>;
  readonly address?: string;
}

export const replicaSchema = {
  type: 'object',
  required: ['hostname', 'pid'],
  properties: {
    hostname: {type: 'string'},
    pid: {type: 'integer'},
    started_at: {type: 'string', default: ''},
    places: {type: 'object', additionalProperties: {type: 'string'}, default: {}},
    address: {type: 'string'},
  },
} as const;

export const parseReplica = parserFor<Replica>('replica', replicaSchema);

/** `/meta`: which database this is. A restore from backup raises `epoch`. */
export interface Meta {
  readonly cluster_id: string;
  readonly epoch: number;
  readonly schema_version: number;
}

export const SCHEMA_VERSION = 1;

export const metaSchema = {
  type: 'object',
  required: ['cluster_id', 'epoch', 'schema_version'],
  properties: {cluster_id: {type: 'string'}, epoch: {type: 'integer', minimum: 1}, schema_version: {type: 'integer', minimum: 1}},
} as const;

export const parseMeta = parserFor<Meta>('meta', metaSchema);
