import type {Generation} from '../generation.ts';

/** Sorted, as a caller with several acts with the first of them that a route allows. */
export const ROLES = ['system', 'user'] as const;
/** `user`: people and their scripts. `system`: the scanner of a scan, init containers, watchdogs. */
export type Role = (typeof ROLES)[number];

/** Roles in each version of the API, which read them from different attributes of a token. */
export type RolesByGeneration = Readonly<Record<Generation, readonly Role[]>>;

/** The same roles in every version. */
export function everywhere(roles: readonly Role[]): RolesByGeneration {
  const sorted = ROLES.filter((role) => roles.includes(role));
  return {v2: sorted, v1: sorted, v0: sorted};
}

/** The roles that a verified token gives. @see SkyDriver 2.x and 1.x, ROLE_ATTRS of their REST handlers */
export function rolesOfClaims(claims: Readonly<Record<string, unknown>>): RolesByGeneration {
  const v2 = sorted({
    user: rolesOfClient(claims, 'skydriver-external').includes('users'),
    system: rolesOfClient(claims, 'skydriver-internal').includes('system'),
  });
  const v1 = sorted({
    user: listOf(claims['groups']).some((group) => typeof group === 'string' && /^\/institutions\/IceCube.*$/.test(group)),
    system: claims['skydriver_role'] === 'system',
  });
  return {v2, v1, v0: v1};
}

/** The roles that a verified token gives for requests: its groups, and its roles at the client `client`. */
export function requestRolesOfClaims(claims: Readonly<Record<string, unknown>>, client: string): readonly string[] {
  const named = [...rolesOfClient(claims, client), ...listOf(claims['groups'])];
  return named.filter((role): role is string => typeof role === 'string' && role !== '');
}

function sorted(has: Readonly<Record<Role, boolean>>): Role[] {
  return ROLES.filter((role) => has[role]);
}

function rolesOfClient(claims: Readonly<Record<string, unknown>>, client: string): readonly unknown[] {
  return listOf(memberOf(memberOf(claims['resource_access'], client), 'roles'));
}

function memberOf(value: unknown, name: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined;
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}
