import type {ApiConfig, AuthConfig} from '../../config.ts';
import type {Clock} from '../../lib/clock.ts';
import {ControlPlaneError} from '../../lib/errors.ts';
import type {Log} from '../../lib/log.ts';
import {isLoopback} from '../../lib/loopback.ts';
import {anyOf} from './authenticator.ts';
import type {Authenticator} from './authenticator.ts';
import {Oidc} from './oidc.ts';
import {TokenFile} from './token-file.ts';

/**
 * The authentication that was configured; `undefined` when there is none, which is allowed on loopback, or anywhere when asked for by name.
 *
 * @throws ControlPlaneError `invalid`, saying what to set
 */
export function openAuthenticator(auth: AuthConfig, api: Pick<ApiConfig, 'host'>, clock: Clock, log: Log): Authenticator | undefined {
  const {methods} = auth;
  if (methods.length === 0) {
    if (isLoopback(api.host)) return undefined;
    const advice = 'set SCANPLANE_AUTH to oidc, tokens or both (oidc,tokens), or to none if anybody who reaches it may do anything';
    throw new ControlPlaneError(
      'invalid',
      `the API is to listen on ${JSON.stringify(api.host)}, which is not loopback, without authentication: ${advice}`,
    );
  }
  if (methods.includes('none')) {
    log.warn({host: api.host}, 'no authentication: anybody who reaches the API may do anything');
    return undefined;
  }
  // The file first: it is asked without a signature to check.
  const authenticators: Authenticator[] = [];
  if (methods.includes('tokens')) authenticators.push(new TokenFile(auth.tokensFile, clock, log));
  if (methods.includes('oidc')) authenticators.push(new Oidc(auth, clock, log));
  return anyOf(authenticators);
}
