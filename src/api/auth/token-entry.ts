import {ControlPlaneError} from '../../lib/errors.ts';
import {randomHex} from '../../schema/ids.ts';
import {tokenDigest} from '../../schema/job-token.ts';
import {parserFor} from '../../schema/validate.ts';
import {ROLES} from './roles.ts';
import type {Role} from './roles.ts';

/**
 * One token of a tokens file, which holds a JSON array of them. A name may stand more than once, so that a token can be replaced without a gap.
 * `request_roles` are those of which the access lists of requests speak.
 */
export interface TokenEntry {
  readonly name: string;
  readonly roles?: readonly Role[];
  readonly request_roles?: readonly string[];
  /** SHA-256 of the token in hex. */
  readonly token_sha256: string;
}

const entrySchema = {
  type: 'object',
  additionalProperties: false,
  required: ['name', 'token_sha256'],
  properties: {
    name: {type: 'string', pattern: '\\S'},
    roles: {type: 'array', minItems: 1, uniqueItems: true, items: {enum: ROLES}},
    request_roles: {type: 'array', minItems: 1, uniqueItems: true, items: {type: 'string', pattern: '\\S'}},
    token_sha256: {type: 'string', pattern: '^[0-9a-f]{64}$'},
  },
} as const;

const parseEntry = parserFor<TokenEntry>('tokens file', entrySchema);

/** The entries of a tokens file. @throws ControlPlaneError `invalid`, naming the entry, never what is in it but its name. */
export function parseTokenEntries(text: string): TokenEntry[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new ControlPlaneError('invalid', 'is not JSON'); // The parser's own words would quote the file.
  }
  if (!Array.isArray(value)) throw new ControlPlaneError('invalid', 'is not a JSON array of entries');
  const places = new Map<string, number>();
  return value.map((each: unknown, at) => {
    const name = (each as {name?: unknown} | null)?.name;
    const place = `entry ${at + 1}${typeof name === 'string' ? ` (${name})` : ''}`;
    let entry: TokenEntry;
    try {
      entry = parseEntry(JSON.stringify(each), place);
    } catch (err) {
      const {detail} = ControlPlaneError.from(err);
      throw new ControlPlaneError('invalid', `${place}: ${detail.replace(/^tokens file: /, '')}`);
    }
    if (entry.roles === undefined && entry.request_roles === undefined) {
      throw new ControlPlaneError('invalid', `${place}: must have required property 'roles' or 'request_roles'`);
    }
    const same = places.get(entry.token_sha256);
    if (same !== undefined) throw new ControlPlaneError('invalid', `${place}: its token is that of entry ${same}`);
    places.set(entry.token_sha256, at + 1);
    return entry;
  });
}

/** How a role of requests is told from SkyDriver's two when a token is made. */
const REQUEST_ROLE = 'request:';

/** A new token, which is nowhere kept, and the entry that makes it count. Roles that begin with `request:` are those of requests. @throws ControlPlaneError `invalid`: no such name or role. */
export function newToken(name: string, roles: readonly string[]): {readonly token: string; readonly entry: TokenEntry} {
  const token = randomHex(32);
  const request_roles = roles.flatMap((role) => (role.startsWith(REQUEST_ROLE) ? [role.slice(REQUEST_ROLE.length)] : []));
  const ours = roles.filter((role) => !role.startsWith(REQUEST_ROLE));
  const given = {
    ...(ours.length === 0 && request_roles.length > 0 ? {} : {roles: ours}),
    ...(request_roles.length === 0 ? {} : {request_roles}),
  };
  const [entry] = parseTokenEntries(JSON.stringify([{name, ...given, token_sha256: tokenDigest(token)}]));
  return {token, entry: entry as TokenEntry};
}
