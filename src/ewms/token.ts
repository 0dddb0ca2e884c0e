import type {Clock} from '../lib/clock.ts';
import {ControlPlaneError} from '../lib/errors.ts';
import {askJson} from './http.ts';
import type {CallLimits} from './http.ts';

export interface ClientCredentials {
  /** Empty: calls carry no token. */
  readonly tokenUrl: string;
  readonly clientId: string;
  readonly clientSecret: string;
}

/** A token is renewed so long before it ends, in seconds: calls under way and clocks need some. */
const SPARE_SECONDS = 30;
/** Of a token that does not say how long it lives. */
const LIFE_SECONDS = 300;

/** The bearer token of our own client at the identity provider: fetched when first needed, one at a time, kept in memory until shortly before its end. */
export class ClientToken {
  readonly #credentials: ClientCredentials;
  readonly #clock: Clock;
  #token: {readonly text: string; readonly untilMs: number} | undefined;
  #fetching: Promise<string> | undefined;

  constructor(credentials: ClientCredentials, clock: Clock) {
    this.#credentials = credentials;
    this.#clock = clock;
  }

  /** @returns `undefined` where calls carry no token. @throws ControlPlaneError as {@link askJson} */
  async current(limits: CallLimits): Promise<string | undefined> {
    if (this.#credentials.tokenUrl === '') return undefined;
    if (this.#token !== undefined && this.#clock.monotonicMs() < this.#token.untilMs) return this.#token.text;
    this.#fetching ??= this.#fetch(limits).finally(() => (this.#fetching = undefined));
    return this.#fetching;
  }

  /** The token was refused: the next call gets a new one. */
  drop(): void {
    this.#token = undefined;
  }

  /** @see RFC 6749, 4.4: the client credentials grant */
  async #fetch(limits: CallLimits): Promise<string> {
    const {tokenUrl, clientId, clientSecret} = this.#credentials;
    const startedMs = this.#clock.monotonicMs();
    const body = new URLSearchParams({grant_type: 'client_credentials', client_id: clientId, client_secret: clientSecret});
    const answer = await askJson('token of the EWMS client', tokenUrl, {method: 'POST', body}, limits);
    const {access_token: text, expires_in: life} = answer;
    if (typeof text !== 'string' || text === '') throw new ControlPlaneError('unavailable', 'token of the EWMS client: none in the answer');
    const lifeSeconds = typeof life === 'number' && life > 0 ? life : LIFE_SECONDS;
    this.#token = {text, untilMs: startedMs + Math.max(1, lifeSeconds - SPARE_SECONDS) * 1000};
    return text;
  }
}
