/** What is wrong with a request, as the request manager's API says it. `httpStatus` 0: none. */
export class ProtoError extends Error {
  readonly requestId: string;
  readonly httpStatus: number;

  constructor(
    message: string,
    {requestId = '', httpStatus = 0, cause}: {readonly requestId?: string; readonly httpStatus?: number; readonly cause?: unknown} = {},
  ) {
    super(message, {cause});
    this.name = 'ProtoError';
    this.requestId = requestId;
    this.httpStatus = httpStatus;
  }

  /** Its form on the wire. */
  toJSON(): {readonly message: string; readonly requestId: string; readonly httpStatus: number} {
    return {message: this.message, requestId: this.requestId, httpStatus: this.httpStatus};
  }
}

/** Input that is not what it should be. `field` is its path, as in `jobs.aB3x.retry`, or the name of a parameter; empty for the whole. */
export class FieldError extends ProtoError {
  readonly field: string;

  constructor(field: string, problem: string) {
    super(field === '' ? problem : `${field}: ${problem}`, {httpStatus: 400});
    this.name = 'FieldError';
    this.field = field;
  }
}
