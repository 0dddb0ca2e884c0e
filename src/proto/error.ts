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
