/** One entry of a request type's access list: who has the role may do `ops`; an `admin`, everything. */
export interface AclEntry {
  readonly role: string;
  readonly admin: boolean;
  readonly ops: readonly string[];
}

/** What counts for all request types. */
export interface AclPolicy {
  /** Roles that may do everything with every request. */
  readonly adminRoles: readonly string[];
  /** Whether a request type without access list is nobody's but the admins', instead of everybody's. */
  readonly strict: boolean;
}

/** `ask`: as far as the access list goes they may, and whatever else decides has the last word. */
export type AclVerdict = {readonly kind: 'allow' | 'ask'} | {readonly kind: 'deny'; readonly reason: string};

/**
 * Whether a caller may do something with requests of a type. Roles are compared as they are, letter by letter.
 *
 * @param acl the type's access list; `undefined`: there is no such type
 * @param op `start` or `stop`
 */
export function aclVerdict(policy: AclPolicy, acl: readonly AclEntry[] | undefined, roles: readonly string[], op: string): AclVerdict {
  if (roles.some((role) => policy.adminRoles.includes(role))) return {kind: 'allow'};
  if (acl === undefined) return deny('there is no access list for its type');
  if (acl.length === 0) return policy.strict ? deny('its type has no access list, and access is strict') : {kind: 'allow'};
  const theirs = acl.filter(({role}) => roles.includes(role));
  if (theirs.length === 0) return deny(`none of the caller's roles (${listed(roles)}) is among ${listed(acl.map(({role}) => role))}`);
  if (theirs.some(({admin, ops}) => admin || ops.includes(op))) return {kind: 'ask'};
  return deny(`the caller's roles (${listed(theirs.map(({role}) => role))}) do not grant ${op}`);
}

const deny = (reason: string): AclVerdict => ({kind: 'deny', reason});
const listed = (names: readonly string[]): string => (names.length === 0 ? 'none' : names.join(', '));
