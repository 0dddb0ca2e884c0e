import {ControlPlaneError} from '../lib/errors.ts';
import type {ErrorCode} from '../lib/errors.ts';

/**
 * What a caller is told. {@link ControlPlaneError.detail} is the reason in the body and in the status line, byte for byte what clients compare.
 *
 * Everything else that is thrown stays inside: it is logged, and answered with the status' own phrase.
 */
export class ApiError extends ControlPlaneError {
  /** Whether its reason is in the log already: of what turns away many requests, not each is worth a line. */
  readonly isLogged: boolean;

  constructor(code: ErrorCode, detail: string, options: {readonly cause?: unknown; readonly isLogged?: true} = {}) {
    super(code, detail, options);
    this.name = 'ApiError';
    this.isLogged = options.isLogged ?? false;
  }
}

export const badRequest = (reason: string): ApiError => new ApiError('invalid', reason);
export const notFound = (reason = 'Not Found'): ApiError => new ApiError('not_found', reason);
/** Who calls is not known. SkyDriver says 403 here too, never 401. */
export const authenticationFailed = (): ApiError => new ApiError('forbidden', 'authentication failed');
/** Who calls may not do this. */
export const authorizationFailed = (): ApiError => new ApiError('forbidden', 'authorization failed');
/** Well asked, but the scan is not in a state for it. */
export const wrongState = (reason: string): ApiError => new ApiError('wrong_state', reason);
export const tooLarge = (reason = 'Request Entity Too Large'): ApiError => new ApiError('too_large', reason);
