import type {RolesByGeneration} from './roles.ts';

/** A token as it came, and its SHA-256 in hex, by which it may be kept. */
export interface Bearer {
  readonly text: string;
  readonly digest: string;
}

/** Whom a token belongs to. */
export interface Identity {
  readonly name: string;
  readonly roles: RolesByGeneration;
  /** Further roles, of which the access lists of requests speak. */
  readonly requestRoles?: readonly string[];
  /** Which of several authenticators says so: two of them may know different people by one name. */
  readonly by?: number;
}

/** One way to find out who calls. */
export interface Authenticator {
  /**
   * Whose token this is; `undefined` when it is nobody's, or holds no longer.
   *
   * @throws ApiError `unavailable`: nobody can tell now
   */
  identify(token: Bearer): Promise<Identity | undefined>;
}

/** Asks one after the other; the first that knows the token answers. */
export function anyOf(authenticators: readonly Authenticator[]): Authenticator {
  return {
    identify: async (token) => {
      for (const [by, each] of authenticators.entries()) {
        const identity = await each.identify(token);
        if (identity !== undefined) return {...identity, by};
      }
      return undefined;
    },
  };
}
