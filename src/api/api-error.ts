import {ControlPlaneError} from '../lib/errors.ts';
import type {ErrorCode} from '../lib/errors.ts';
import type {Collection, TextSet} from './texts/text-set.ts';
import {v2Main} from './texts/v2-main.ts';

/**
 * What a caller is told. {@link ControlPlaneError.detail} is the reason in the body and in the status line, byte for byte what clients compare.
 *
 * Everything else that is thrown stays inside: it is logged, and answered with the status' own phrase.
 */
export class ApiError extends ControlPlaneError {
  /** Whether its reason is in the log already: of what turns away many requests, not each is worth a line. */
  readonly isLogged: boolean;
  /** The HTTP status, where it is not its code's own. */
  readonly status: number | undefined;

  constructor(code: ErrorCode, detail: string, options: {readonly cause?: unknown; readonly isLogged?: true; readonly status?: number} = {}) {
    super(code, detail, options);
    this.name = 'ApiError';
    this.isLogged = options.isLogged ?? false;
    this.status = options.status;
  }
}

/** An error that each text set has its own words for. {@link ControlPlaneError.detail} has the newest version's. */
export class WordedError extends ApiError {
  readonly say: (texts: TextSet) => string;

  constructor(code: ErrorCode, say: (texts: TextSet) => string, options: {readonly cause?: unknown} = {}) {
    super(code, say(v2Main), options);
    this.name = 'WordedError';
    this.say = say;
  }
}

/** One argument is wrong in a way that no schema tells. */
export const badArgument = (name: string, problem: string): WordedError => new WordedError('invalid', (texts) => texts.argument(name, problem));
/** A document that somebody asked for by its id is not there. */
export const missing = (collection: Collection): WordedError => new WordedError('not_found', (texts) => texts.missing(collection));

export const badRequest = (reason: string): ApiError => new ApiError('invalid', reason);
export const notFound = (reason = 'Not Found'): ApiError => new ApiError('not_found', reason);
/** Who calls is not known. SkyDriver says 403 here too, never 401. */
export const authenticationFailed = (): ApiError => new ApiError('forbidden', 'authentication failed');
/** Who calls may not do this. */
export const authorizationFailed = (): ApiError => new ApiError('forbidden', 'authorization failed');
/** Well asked, but the scan is not in a state for it. */
export const wrongState = (reason: string): ApiError => new ApiError('wrong_state', reason);
/** Well asked, but what is stored, or who owns it, stands against it: 409. */
export const conflict = (reason: string): ApiError => new ApiError('wrong_state', reason, {status: 409});
export const tooLarge = (reason = 'Request Entity Too Large'): ApiError => new ApiError('too_large', reason);
