import {ControlPlaneError} from '../lib/errors.ts';
import type {Log} from '../lib/log.ts';
import type {DatabaseOptions} from '../store/open.ts';

/** How `connect` reaches the database. What is left out comes from the environment, then from the defaults. */
export interface ConnectOptions extends Partial<Pick<DatabaseOptions, 'endpoints' | 'prefix' | 'user' | 'password' | 'cacert' | 'cert' | 'key'>> {
  /** Seconds that the client's own lease outlives its process at most. Default 10. */
  readonly ttlSeconds?: number;
  /** What owner keys say of this program. Default: the program and its script, without arguments, since those may be secret. */
  readonly command?: readonly string[];
  /** Told of broken connections and lost leases; the library is silent without one. */
  readonly log?: Log;
}

/** Names of variables, and their values. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** Our variables, each with the older one that means the same. */
const VARIABLES = {
  prefix: ['SCANPLANE_ETCD_PREFIX'],
  user: ['SCANPLANE_ETCD_USER', 'SDP_CONFIG_USERNAME'],
  password: ['SCANPLANE_ETCD_PASSWORD', 'SDP_CONFIG_PASSWORD'],
  cacert: ['SCANPLANE_ETCD_CACERT', 'SDP_CONFIG_CERT'],
  cert: ['SCANPLANE_ETCD_CERT'],
  key: ['SCANPLANE_ETCD_KEY'],
} as const;

const DEFAULT_ENDPOINT = 'http://127.0.0.1:2379';

/**
 * Where the database is: options first, then `SCANPLANE_ETCD_ENDPOINTS`, `…_PREFIX`, `…_USER`, `…_PASSWORD`, `…_CACERT`, `…_CERT`, `…_KEY`, then what
 * ska-sdp-config reads: `SDP_CONFIG_HOST`, `…_PORT`, `…_PROTOCOL`, `…_CERT`, `…_USERNAME`, `…_PASSWORD`. An empty variable is none.
 *
 * @throws ControlPlaneError `invalid`, with the option or variable; `unsupported`: `SDP_CONFIG_BACKEND` names another backend than etcd
 */
export function databaseOptions(options: ConnectOptions, env: Environment): DatabaseOptions {
  const backend = env['SDP_CONFIG_BACKEND'] || 'etcd3';
  if (backend !== 'etcd3') throw new ControlPlaneError('unsupported', `SDP_CONFIG_BACKEND is ${JSON.stringify(backend)}; only etcd3 is there`);
  const found: Partial<Record<keyof typeof VARIABLES, string>> = {};
  for (const [option, names] of Object.entries(VARIABLES) as [keyof typeof VARIABLES, readonly string[]][]) {
    const value = options[option] ?? names.map((name) => env[name]).find((text) => text !== undefined && text !== '');
    if (value !== undefined) found[option] = value;
  }
  const {prefix = '', ...others} = found;
  const endpoints = options.endpoints ?? endpointsFrom(env);
  for (const endpoint of endpoints) checkEndpoint(endpoint);
  if ((others.cert === undefined) !== (others.key === undefined)) throw new ControlPlaneError('invalid', 'cert and key go together');
  return {endpoints, prefix: checkedPrefix(prefix), ...others};
}

function endpointsFrom(env: Environment): readonly string[] {
  const ours = env['SCANPLANE_ETCD_ENDPOINTS'];
  if (ours !== undefined && ours !== '') return ours.split(',').map((each) => each.trim());
  const {SDP_CONFIG_HOST: host, SDP_CONFIG_PORT: port, SDP_CONFIG_PROTOCOL: protocol} = env;
  if (!host && !port && !protocol) return [DEFAULT_ENDPOINT];
  return [`${protocol || 'http'}://${host || '127.0.0.1'}:${port || '2379'}`];
}

function checkEndpoint(endpoint: string): void {
  // A scheme may be left out, as for etcdctl.
  const url = URL.parse(endpoint.includes('://') ? endpoint : `http://${endpoint}`);
  // The text itself may carry a password: it is not repeated.
  if (url === null || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new ControlPlaneError('invalid', 'endpoints: each must be host:port, http://… or https://…, without user and password');
  }
}

/** A trailing slash is taken off, as prefixes are joined with keys that begin with one. */
function checkedPrefix(prefix: string): string {
  const text = prefix.replace(/\/$/, '');
  if (!/^(?:\/[\w.-]+)*$/.test(text)) throw new ControlPlaneError('invalid', 'prefix: it is empty, or "/" and letters, digits, "_", "." or "-"');
  return text;
}
