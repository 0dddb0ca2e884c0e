import {errors, jwtVerify} from 'jose';
import type {JWTPayload} from 'jose';
import type {Clock} from '../../lib/clock.ts';
import type {Log} from '../../lib/log.ts';
import type {Authenticator, Bearer, Identity} from './authenticator.ts';
import {KeyRing} from './key-ring.ts';
import {requestRolesOfClaims, rolesOfClaims} from './roles.ts';
import {TokenMemory} from './token-memory.ts';

export interface OidcConfig {
  readonly openidUrl: string;
  /** What `aud` must contain. */
  readonly audience: string;
  /** Signature algorithms that are accepted, all of them asymmetric. */
  readonly algorithms: readonly string[];
}

/** How far the provider's clock may be from ours. @see wipac-rest-tools, OpenIDAuth */
const LEEWAY_SECONDS = 60;
const REQUIRED_CLAIMS = ['exp', 'iat', 'iss', 'sub'];
const MAX_REMEMBERED = 10_000;
/** Three parts: anything else costs the provider nothing. */
const JWT = /^[\w-]+\.[\w-]+\.[\w-]+$/;

/**
 * Bearer tokens of an OpenID Connect provider.
 *
 * Signature, audience and times are checked; the issuer is not compared, since only the provider has the keys. A token that was good is remembered until
 * it expires or the provider's keys change, so that its next requests cost no signature check.
 */
export class Oidc implements Authenticator {
  readonly #config: OidcConfig;
  readonly #clock: Clock;
  readonly #log: Log;
  readonly #keys: KeyRing;
  readonly #memory = new TokenMemory(MAX_REMEMBERED);
  /** The keys' revision under which {@link #memory} was filled. */
  #memoryRevision = 0;

  constructor(config: OidcConfig, clock: Clock, log: Log) {
    this.#config = config;
    this.#clock = clock;
    this.#log = log;
    this.#keys = new KeyRing(config.openidUrl, clock, log);
  }

  async identify({text, digest}: Bearer): Promise<Identity | undefined> {
    if (!JWT.test(text)) return undefined;
    this.#keys.refresh();
    if (this.#memoryRevision !== this.#keys.revision) {
      this.#memory.clear();
      this.#memoryRevision = this.#keys.revision;
    }
    const known = this.#memory.find(digest, this.#clock.now());
    if (known !== undefined) return known;
    const claims = await this.#verify(text);
    if (claims === undefined) return undefined;
    const {preferred_username: userName, sub} = claims;
    const requestRoles = requestRolesOfClaims(claims, this.#config.audience);
    const identity: Identity = {
      name: typeof userName === 'string' && userName !== '' ? userName : String(sub),
      roles: rolesOfClaims(claims),
      ...(requestRoles.length === 0 ? {} : {requestRoles}),
    };
    // Not when the keys have changed since: it may be signed by the one that went.
    if (this.#memoryRevision === this.#keys.revision) this.#memory.remember(digest, identity, ((claims.exp ?? 0) + LEEWAY_SECONDS) * 1000);
    return identity;
  }

  /** What a token claims, if that is true now. */
  async #verify(text: string): Promise<JWTPayload | undefined> {
    const nowMs = this.#clock.now();
    try {
      const {payload} = await jwtVerify(text, this.#keys.find, {
        algorithms: [...this.#config.algorithms],
        audience: this.#config.audience,
        requiredClaims: REQUIRED_CLAIMS,
        clockTolerance: LEEWAY_SECONDS,
        currentDate: new Date(nowMs),
      });
      const {iat, sub} = payload;
      const isIssued = typeof iat === 'number' && iat <= nowMs / 1000 + LEEWAY_SECONDS;
      return isIssued && typeof sub === 'string' && sub !== '' ? payload : undefined;
    } catch (err) {
      if (!(err instanceof errors.JOSEError)) throw err;
      this.#log.debug({reason: err.code}, 'token refused'); // Its message and members may quote the token.
      return undefined;
    }
  }
}
