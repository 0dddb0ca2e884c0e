/** Body of an answer that reports an error. `requestId` is empty where it concerns no request. */
export interface ErrorBody {
  readonly message: string;
  readonly requestId: string;
  readonly httpStatus: number;
}

/**
 * An error that the API answers with. {@link detail} is the wire's `message`; the text of this error is what people are shown: for 404 the detail alone,
 * else `API error: <detail> (HTTP status <n>)`. As JSON it is an {@link ErrorBody}.
 */
export class ApiError extends Error {
  readonly detail: string;
  readonly requestId: string;
  readonly httpStatus: number;

  constructor(detail: string, {httpStatus, requestId = ''}: {readonly httpStatus: number; readonly requestId?: string}) {
    super(httpStatus === 404 ? detail : `API error: ${detail} (HTTP status ${httpStatus})`);
    this.name = 'ApiError';
    this.detail = detail;
    this.requestId = requestId;
    this.httpStatus = httpStatus;
  }

  toJSON(): ErrorBody {
    return {message: this.detail, requestId: this.requestId, httpStatus: this.httpStatus};
  }
}
