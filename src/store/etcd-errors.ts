import {ControlPlaneError} from '../lib/errors.ts';
import type {ErrorCode} from '../lib/errors.ts';

/** gRPC status codes that etcd or the channel answers with. */
const CANCELLED = 1;
const INVALID_ARGUMENT = 3;
const DEADLINE_EXCEEDED = 4;
const NOT_FOUND = 5;
const PERMISSION_DENIED = 7;
const RESOURCE_EXHAUSTED = 8;
const FAILED_PRECONDITION = 9;
const OUT_OF_RANGE = 11;
const UNIMPLEMENTED = 12;
const UNAVAILABLE = 14;
const UNAUTHENTICATED = 16;

/** What a failed gRPC call carries. Anything else that is thrown has code -1. */
export interface GrpcFailure {
  readonly code: number;
  readonly details: string;
}

export function grpcFailure(thrown: unknown): GrpcFailure {
  const {code, details, message} = (typeof thrown === 'object' && thrown !== null ? thrown : {}) as Record<string, unknown>;
  const text = typeof details === 'string' && details !== '' ? details : typeof message === 'string' ? message : String(thrown);
  return {code: typeof code === 'number' ? code : -1, details: text};
}

/** Logging in failed, so the call itself was never sent. */
export class LoginError extends Error {
  readonly code: number;
  readonly details: string;

  constructor(cause: unknown) {
    const {code, details} = grpcFailure(cause);
    super(details, {cause});
    this.name = 'LoginError';
    this.code = code;
    this.details = details;
  }
}

/**
 * Whether etcd refused the call because of its token, before it looked at the request. Nothing was written: a new token and another try are safe.
 * etcd checks tokens when a request arrives, and the revision of its user table again when it would apply it.
 */
export function isAuthExpired(thrown: unknown): boolean {
  const {code, details} = grpcFailure(thrown);
  // "user name is empty": it was sent without a token, when authentication was still switched off.
  return code === UNAUTHENTICATED || /invalid auth token|user name is empty|revision (of|in) .*(auth store|header) is old/.test(details);
}

/** Whether the member itself is the likely cause, so that another one may do better. */
export function isMemberFailure(thrown: unknown): boolean {
  const {code} = grpcFailure(thrown);
  return (
    code === UNAVAILABLE || code === DEADLINE_EXCEEDED || code === UNIMPLEMENTED || code === CANCELLED || code === 2 || code === 13 || code === -1
  );
}

/** Details of an UNAVAILABLE that prove that etcd has not begun with the request. The first three are the channel's own words, before it sends. */
const NEVER_BEGUN = /^(No connection established|Name resolution failed|Channel closed before call started)|^etcdserver: no leader/;

/** Refusals whose code alone decides: etcd checks all of these before it writes anything. */
function refusal(failure: GrpcFailure): ErrorCode | undefined {
  switch (failure.code) {
    case INVALID_ARGUMENT:
      if (failure.details.includes('too many operations')) return 'too_many_operations';
      if (failure.details.includes('request is too large')) return 'too_large';
      // A user without a name: etcd wants credentials and was given none. A wrong password has this code as well.
      return /user name is empty|authentication failed/.test(failure.details) ? 'forbidden' : 'invalid';
    case NOT_FOUND:
      return 'not_found';
    case PERMISSION_DENIED:
    case UNAUTHENTICATED:
      return 'forbidden';
    case FAILED_PRECONDITION:
      return 'invalid';
    case OUT_OF_RANGE:
      return 'revision_conflict';
    case UNIMPLEMENTED:
      return 'unsupported';
    case RESOURCE_EXHAUSTED:
      if (failure.details.includes('too many requests')) return 'unavailable';
      if (failure.details.includes('message larger than max')) return 'too_large';
      return undefined;
    default:
      return undefined;
  }
}

/** An error of a read: nothing was written, so whatever is not a refusal is `unavailable`. */
export function readError(thrown: unknown, key?: string): ControlPlaneError {
  if (thrown instanceof ControlPlaneError) return thrown;
  const failure = grpcFailure(thrown);
  const code = refusal(failure) ?? 'unavailable';
  return new ControlPlaneError(code, describe(code, failure), {cause: thrown, ...(key === undefined ? {} : {key})});
}

/**
 * An error of a write that was handed to the channel. `unknown_outcome` unless it is proven that nothing was written.
 *
 * "database space exceeded" is unknown too: etcd answers so before it proposes, but also after it has applied the write that filled the quota.
 */
export function writeError(thrown: unknown, key?: string): ControlPlaneError {
  if (thrown instanceof ControlPlaneError) return thrown;
  if (thrown instanceof LoginError) return readError(thrown, key);
  const failure = grpcFailure(thrown);
  const code = refusal(failure) ?? (failure.code === UNAVAILABLE && NEVER_BEGUN.test(failure.details) ? 'unavailable' : 'unknown_outcome');
  return new ControlPlaneError(code, describe(code, failure), {cause: thrown, ...(key === undefined ? {} : {key})});
}

/** Whether etcd said that its quota is used up. Looks through our own errors. */
export function isNoSpace(thrown: unknown): boolean {
  const failure = grpcFailure(thrown instanceof ControlPlaneError ? thrown.cause : thrown);
  return failure.code === RESOURCE_EXHAUSTED && failure.details.includes('space exceeded');
}

/** Whether a lease named in the call does not exist (any more). Looks through our own errors. */
export function isLeaseGone(thrown: unknown): boolean {
  const failure = grpcFailure(thrown instanceof ControlPlaneError ? thrown.cause : thrown);
  return failure.code === NOT_FOUND && failure.details.includes('lease not found');
}

/** Whether a revision named in the call has been compacted. Looks through our own errors. */
export function isCompacted(thrown: unknown): boolean {
  const failure = grpcFailure(thrown instanceof ControlPlaneError ? thrown.cause : thrown);
  return failure.code === OUT_OF_RANGE && failure.details.includes('compacted');
}

/** A text that is fit for a caller: etcd's words, without addresses and stacks. */
function describe(code: ErrorCode, failure: GrpcFailure): string {
  const words = /etcdserver: [^\n]*/.exec(failure.details)?.[0];
  switch (code) {
    case 'unknown_outcome':
      return words === undefined
        ? 'the database did not answer; the write may or may not have happened'
        : `the database answered "${words}"; the write may or may not have happened`;
    case 'unavailable':
      return words === undefined ? 'the database cannot be reached' : `the database is not available: ${words}`;
    case 'revision_conflict':
      return `${words ?? failure.details}; read again`;
    default:
      return words ?? failure.details;
  }
}
