import {ControlPlaneError} from '../../lib/errors.ts';
import type {ErrorCode} from '../../lib/errors.ts';
import {isJsonObject} from '../../lib/plain-json.ts';

/** What an API server answers when it refuses. @see https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/status/ */
export interface RefusalStatus {
  /** HTTP status code. */
  readonly code: number;
  /** `AlreadyExists`, `Conflict`, `Expired`, …; empty where the server gives none. */
  readonly reason: string;
  readonly message: string;
  /** What the refusal is about: `jobs`, `namespaces`, …; empty where it does not say. */
  readonly kind: string;
}

/** Characters of a server's message that are passed on. */
const MESSAGE_LENGTH = 500;

/** Reads a refusal from a body that may be anything. */
export function parseRefusal(code: number, body: unknown): RefusalStatus {
  const fields = isJsonObject(body) ? body : {};
  const details = isJsonObject(fields['details']) ? fields['details'] : {};
  const text = (value: unknown): string => (typeof value === 'string' ? value : '');
  const message = text(fields['message']).slice(0, MESSAGE_LENGTH);
  return {code, reason: text(fields['reason']), message: message === '' ? `HTTP status ${code}` : message, kind: text(details['kind'])};
}

/** Whether asking again, later and unchanged, may be answered differently, and nothing was done. */
export function isPassing({code, reason}: RefusalStatus): boolean {
  return code === 429 || code >= 500 || reason === 'ServerTimeout' || reason === 'Timeout';
}

/**
 * A refusal as one of our errors. The server tells a quota and a missing right from what may never be only by its words.
 */
export function refusalError(status: RefusalStatus): ControlPlaneError {
  return new ControlPlaneError(codeOf(status), `Kubernetes: ${status.message}`);
}

function codeOf(status: RefusalStatus): ErrorCode {
  const {code, reason, message, kind} = status;
  if (isPassing(status) || code === 401) return 'unavailable';
  switch (code) {
    case 403:
      // A quota is freed and an account mended without the job's doing; what an admission check refuses, it refuses always.
      return /exceeded quota|cannot \w+ resource|being terminated/.test(message) ? 'unavailable' : 'invalid';
    case 404:
      return kind === 'namespaces' ? 'unavailable' : 'not_found';
    case 409:
      return reason === 'AlreadyExists' ? 'already_exists' : 'revision_conflict';
    case 410:
      return 'revision_conflict';
    case 413:
      return 'too_large';
    default:
      return 'invalid';
  }
}
