import {createLocalJWKSet, errors} from 'jose';
import type {JSONWebKeySet, JWTVerifyGetKey} from 'jose';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {isTrustedUrl} from '../../lib/loopback.ts';
import {ApiError} from '../api-error.ts';

const FETCH_TIMEOUT_MS = 3000;
/** From one attempt to the next: a key id that somebody made up costs the provider no more than this. */
const COOLDOWN_MS = 5000;
const COOLDOWN_AFTER_FAILURE_MS = 1000;
/** After so long the keys are fetched again although nothing is missing, so that one the provider has withdrawn is heard of. */
const REFRESH_MS = 10 * 60_000;

/**
 * The public keys of an OpenID Connect provider, named by its discovery document.
 *
 * - Fetched when first needed, when a token names a key that we do not know, and every ten minutes in the background.
 * - With the provider away the keys that we have go on counting. A token signed by any other gets `unavailable`: the key may be a new one.
 *
 * (jose's own remote key set forgets its keys when it cannot renew them, and asks for each unknown one again while the provider is away.)
 */
export class KeyRing {
  readonly #url: string;
  readonly #clock: Clock;
  readonly #log: Log;
  #keys: JWTVerifyGetKey | undefined;
  #text = '';
  #revision = 0;
  #loading: Promise<void> | undefined;
  #triedAtMs = Number.NEGATIVE_INFINITY;
  #loadedAtMs = Number.NEGATIVE_INFINITY;
  #isAway = false;

  /** @param url the provider's, to which `/.well-known/openid-configuration` is added */
  constructor(url: string, clock: Clock, log: Log) {
    this.#url = url.replace(/\/+$/, '');
    this.#clock = clock;
    this.#log = log;
  }

  /** Grows with each change of the keys. */
  get revision(): number {
    return this.#revision;
  }

  /** Renews keys that were fetched long ago, without making anybody wait. */
  refresh(): void {
    if (this.#clock.monotonicMs() - this.#loadedAtMs >= REFRESH_MS && this.#keys !== undefined) void this.#load();
  }

  /** The key of a token. @throws ApiError `unavailable`. JOSEError: there is none. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    if (this.#keys === undefined) await this.#load();
    try {
      return await this.#known(header, token);
    } catch (err) {
      if (!(err instanceof errors.JWKSNoMatchingKey)) throw err;
    }
    await this.#load();
    try {
      return await this.#known(header, token);
    } catch (err) {
      if (err instanceof errors.JWKSNoMatchingKey && this.#isAway) throw unavailable();
      throw err;
    }
  };

  get #known(): JWTVerifyGetKey {
    if (this.#keys === undefined) throw unavailable();
    return this.#keys;
  }

  /** Fetches the keys, unless that has just been tried; who asks meanwhile joins. Never rejects. */
  #load(): Promise<void> {
    if (this.#loading !== undefined) return this.#loading;
    const nowMs = this.#clock.monotonicMs();
    if (nowMs - this.#triedAtMs < (this.#isAway ? COOLDOWN_AFTER_FAILURE_MS : COOLDOWN_MS)) return Promise.resolve();
    this.#loading = this.#fetch().finally(() => {
      this.#triedAtMs = this.#clock.monotonicMs();
      this.#loading = undefined;
    });
    return this.#loading;
  }

  async #fetch(): Promise<void> {
    try {
      const {jwks_uri: address} = (await fetchJson(`${this.#url}/.well-known/openid-configuration`)) as {jwks_uri?: unknown};
      if (typeof address !== 'string' || !isTrustedUrl(address)) throw new ControlPlaneError('invalid', 'its jwks_uri is not an https address');
      const jwks = await fetchJson(address);
      const keys = createLocalJWKSet(jwks as JSONWebKeySet);
      const text = JSON.stringify(jwks);
      if (text !== this.#text) this.#revision++;
      this.#text = text;
      this.#keys = keys;
      this.#loadedAtMs = this.#clock.monotonicMs();
      if (this.#isAway) this.#log.info({url: this.#url}, 'identity provider is back');
      this.#isAway = false;
    } catch (err) {
      // Once per outage, however many requests it turns away.
      if (!this.#isAway) this.#log.error({err, url: this.#url}, 'identity provider cannot be used; tokens signed by keys known before are accepted');
      this.#isAway = true;
    }
  }
}

/** @throws ControlPlaneError `unavailable` */
async function fetchJson(url: string): Promise<object> {
  try {
    // A redirect might lead to an address that we would not have believed.
    const response = await fetch(url, {signal: AbortSignal.timeout(FETCH_TIMEOUT_MS), redirect: 'error', headers: {accept: 'application/json'}});
    if (response.status !== 200) {
      await response.body?.cancel();
      throw new ControlPlaneError('unavailable', `status ${response.status}`);
    }
    const value: unknown = await response.json();
    if (typeof value !== 'object' || value === null) throw new ControlPlaneError('unavailable', 'no JSON object');
    return value;
  } catch (err) {
    throw new ControlPlaneError('unavailable', `${url} gave no answer of use`, {cause: err});
  }
}

/** For the caller. The ring itself has logged why. */
function unavailable(): ApiError {
  return new ApiError('unavailable', 'identity provider is away', {isLogged: true});
}
