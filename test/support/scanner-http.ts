import {Agent} from 'node:http';
import {sleep} from '../../src/lib/sleep.ts';
import {rawRequest} from './raw-http.ts';
import type {RawAnswer} from './raw-http.ts';

/** How hard a scanner tries: milliseconds for one attempt, and how many follow a first one that failed. @see SkyDriver, clients inside the scanner */
export interface Patience {
  readonly timeoutMs: number;
  readonly retries: number;
}

/** For the event, the final result and the final report: if they fail, the scanner dies. */
export const URGENT: Patience = {timeoutMs: 60_000, retries: 24};
/** For everything else. */
export const NON_URGENT: Patience = {timeoutMs: 10_000, retries: 1};

const RETRIED: ReadonlySet<number> = new Set([408, 429, 500, 502, 503, 504]);
const HONOURS_RETRY_AFTER: ReadonlySet<number> = new Set([429, 503]);

/**
 * The HTTP client of a scanner, as its retry rules are: connection errors, silence and some statuses are tried again after 0, 0.6, 1.2 … 120 s (or what
 * `Retry-After` says), all others end the call.
 *
 * Connections are kept and used again.
 */
export class ScannerHttp {
  readonly #base: string;
  readonly #token: string | undefined;
  readonly #agent = new Agent({keepAlive: true});
  /** Attempts that failed and were made good. */
  absorbed = 0;

  /** @param base with the path of its generation, if any, and without a slash at the end */
  constructor(base: string, token?: string) {
    this.#base = base;
    this.#token = token;
  }

  /** @returns an answer with a status below 300. @throws when the rules allow no further attempt */
  async call(method: string, path: string, patience: Patience, body?: string): Promise<RawAnswer> {
    const reasons: string[] = [];
    const failure = (attempt: number): ScannerFailure => new ScannerFailure(`${method} ${path}: ${reasons.join(', then ')}`, attempt);
    for (let attempt = 0; ; attempt++) {
      const startedAt = performance.now();
      let waitMs = attempt === 0 ? 0 : Math.min(120_000, 600 * 2 ** (attempt - 1));
      try {
        const answer = await rawRequest(method, this.#base + path, {
          agent: this.#agent,
          timeoutMs: patience.timeoutMs,
          ...(this.#token === undefined ? {} : {token: this.#token}),
          ...(body === undefined ? {} : {body}),
        });
        if (answer.status < 300) {
          this.absorbed += attempt;
          return answer;
        }
        reasons.push(`${answer.status} ${answer.bytes.toString('utf8', 0, 300)}`);
        if (!RETRIED.has(answer.status)) throw failure(attempt);
        const retryAfter = answer.headers['retry-after'];
        if (retryAfter !== undefined && HONOURS_RETRY_AFTER.has(answer.status)) waitMs = 1000 * Number(retryAfter);
      } catch (err) {
        if (err instanceof ScannerFailure) throw err;
        reasons.push(`${String(err)} after ${(performance.now() - startedAt).toFixed(0)} ms`);
        this.#dropIdle();
      }
      if (attempt >= patience.retries) throw failure(attempt);
      await sleep(waitMs);
    }
  }

  /** Python's client looks whether an idle connection was closed before it uses it; here that may not have been noticed yet. */
  #dropIdle(): void {
    for (const sockets of Object.values(this.#agent.freeSockets)) for (const socket of sockets ?? []) socket.destroy();
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** A call that failed although the rules were followed. `attempts` were made good before. */
export class ScannerFailure extends Error {
  readonly attempts: number;

  constructor(message: string, attempts: number) {
    super(message);
    this.attempts = attempts;
  }
}
