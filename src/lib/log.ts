import {pino} from 'pino';
import type {DestinationStream, Logger} from 'pino';

export type Log = Logger;

/** Names whose values never reach a log line, at any of the depths we log. */
const SECRET_NAMES = ['token', 'password', 'secret', 'authorization', 'Authorization', 'auth', 'privateKey', 'env'] as const;

/**
 * A structured logger: JSON lines on standard error, constant messages, what varies in fields.
 *
 * Values of fields named like secrets are replaced by `[redacted]`.
 */
export function createLog(level: string, base: Record<string, unknown> = {}, destination: DestinationStream = pino.destination(2)): Log {
  const paths = SECRET_NAMES.flatMap((name) => [name, `*.${name}`, `*.*.${name}`]);
  return pino({level, base, redact: {paths, censor: '[redacted]'}, timestamp: pino.stdTimeFunctions.isoTime}, destination);
}

/** Says nothing: for tests that do not look at logs. */
export const silentLog: Log = pino({level: 'silent'});
