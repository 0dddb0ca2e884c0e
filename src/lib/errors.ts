/**
 * Every way in which an operation of ours can end badly. Code decides what a caller does next; nobody matches message text.
 *
 * - `invalid`: the input or the stored value breaks its schema; a retry cannot help.
 * - `forbidden`: the caller may not do this.
 * - `not_found`, `already_exists`: as they say, of one key or object.
 * - `wrong_state`: the object exists, but not in a state that allows this.
 * - `too_large`: above a configured or a database limit.
 * - `unsupported`: understood, and not offered.
 * - `revision_conflict`: someone wrote first; read again and decide again.
 * - `not_owner`: our owner key is gone; stop working on this object.
 * - `too_many_operations`: above etcd's operations per transaction.
 * - `unknown_outcome`: a write was sent and its reply lost; it may or may not have happened.
 * - `unavailable`: etcd (or an engine) cannot be reached now; nothing was written.
 * - `internal`: a bug or damage, of ours.
 */
export const ERROR_CODES = [
  'invalid',
  'forbidden',
  'not_found',
  'already_exists',
  'wrong_state',
  'too_large',
  'unsupported',
  'revision_conflict',
  'not_owner',
  'too_many_operations',
  'unknown_outcome',
  'unavailable',
  'internal',
] as const;
export type ErrorCode = (typeof ERROR_CODES)[number];

const RETRYABLE = {
  invalid: false,
  forbidden: false,
  not_found: false,
  already_exists: false,
  wrong_state: false,
  too_large: false,
  unsupported: false,
  revision_conflict: true,
  not_owner: false,
  too_many_operations: false,
  unknown_outcome: true,
  unavailable: true,
  internal: false,
} as const satisfies Record<ErrorCode, boolean>;

export interface ControlPlaneErrorOptions {
  readonly key?: string;
  readonly cause?: unknown;
}

/** The one error class. `message` starts with `[code]`; {@link detail} is the text without it, fit for an answer. */
export class ControlPlaneError extends Error {
  readonly code: ErrorCode;
  readonly detail: string;
  readonly key: string | undefined;

  constructor(code: ErrorCode, detail: string, options: ControlPlaneErrorOptions = {}) {
    super(`[${code}] ${detail}`, options.cause === undefined ? undefined : {cause: options.cause});
    this.name = 'ControlPlaneError';
    this.code = code;
    this.detail = detail;
    this.key = options.key;
  }

  /** Any thrown thing as one of ours; what is not ours already is `internal`. */
  static from(thrown: unknown): ControlPlaneError {
    if (thrown instanceof ControlPlaneError) return thrown;
    const text = thrown instanceof Error ? thrown.message : String(thrown);
    return new ControlPlaneError('internal', text, {cause: thrown});
  }
}

/** Whether doing the whole step again (read, decide, write) can help. */
export function isRetryable(thrown: unknown): boolean {
  return thrown instanceof ControlPlaneError && RETRYABLE[thrown.code];
}

/** Whether `thrown` is ours and carries one of `codes`. */
export function hasCode(thrown: unknown, ...codes: readonly ErrorCode[]): thrown is ControlPlaneError {
  return thrown instanceof ControlPlaneError && codes.includes(thrown.code);
}

/** One line for a state's `reason`: what went wrong, without a stack. */
export function reasonOf(thrown: unknown): string {
  return thrown instanceof ControlPlaneError ? thrown.detail : thrown instanceof Error ? thrown.message : String(thrown);
}
