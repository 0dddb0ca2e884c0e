import {decodeJobChain, decodeJobLog, decodeRequest, decodeRequestSpec, decodeRunningStatus} from './decode.ts';
import {FieldError} from './error.ts';
import {decodeList} from './fields.ts';
import {requestQuery, statusQuery} from './filter.ts';
import type {RequestFilter, StatusFilter} from './filter.ts';
import {HttpCaller} from './http.ts';
import type {ClientOptions} from './http.ts';
import {apiPath} from './path.ts';
import {STATE_UNKNOWN, isState} from './state.ts';
import {ZERO_TIME, formatTime} from './time.ts';
import type {
  CreateRequest,
  FinishRequest,
  JobChain,
  JobLog,
  JsonObject,
  Request,
  RequestProgress,
  RequestSpec,
  RunningStatus,
  SuspendedJobChain,
} from './types.ts';

const accepted = [200, 201];

/**
 * The request manager's API. Every method throws a ProtoError: what the server says, with its status; or, with status 0, why there is no whole answer. An id
 * that no path can hold, and a finish without its parts, is a FieldError, and nothing is sent.
 */
export class RequestManagerClient {
  readonly #http: HttpCaller;

  /** `baseUrl` is what stands before `/api/v1`. @throws ProtoError for an address or a header that cannot be used */
  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#http = new HttpCaller(baseUrl, options);
  }

  /** Creates and starts a request. @returns its id */
  async createRequest(type: string, args: JsonObject): Promise<string> {
    const payload: CreateRequest = {Type: type, Args: args, User: ''};
    return this.#http.read({method: 'POST', path: '/api/v1/requests', payload, accepted}, (value) => {
      const {id} = decodeRequest(value);
      if (id === '') throw new FieldError('id', 'missing');
      return id;
    });
  }

  /** One request with its arguments and its chain. */
  async getRequest(id: string): Promise<Request> {
    return this.#http.read({method: 'GET', path: apiPath('requests', id), accepted}, decodeRequest);
  }

  /** The newest first, without arguments and chains. */
  async findRequests(filter: RequestFilter = {}): Promise<Request[]> {
    const query = requestQuery(filter);
    const call = {method: 'GET', path: '/api/v1/requests', query: query === '' ? '' : `?${query}`, accepted} as const;
    return this.#http.read(call, (value) => decodeList(value, decodeRequest));
  }

  async startRequest(id: string): Promise<void> {
    await this.#put(apiPath('requests', id, 'start'));
  }

  async finishRequest(finish: FinishRequest): Promise<void> {
    const {requestId, state, finishedAt} = finish;
    if (!isState(state) || state === STATE_UNKNOWN) throw new FieldError('state', 'not known');
    if (finishedAt === '' || formatTime(finishedAt, 'finishedAt') === ZERO_TIME) throw new FieldError('finishedAt', 'not set');
    await this.#put(apiPath('requests', requestId, 'finish'), finish);
  }

  async stopRequest(id: string): Promise<void> {
    await this.#put(apiPath('requests', id, 'stop'));
  }

  /** With a chain: parks it, as whoever runs the request does. Without: asks that it be parked, which this project's servers know. */
  async suspendRequest(id: string, suspended?: SuspendedJobChain): Promise<void> {
    await this.#put(apiPath('requests', id, 'suspend'), suspended);
  }

  /** Lets a suspended request go on. This project's servers know it. */
  async resumeRequest(id: string): Promise<void> {
    await this.#put(apiPath('requests', id, 'resume'));
  }

  /** Runs again what of a failed request did not complete. This project's servers know it. */
  async retryRequest(id: string): Promise<void> {
    await this.#put(apiPath('requests', id, 'retry'));
  }

  async updateProgress(progress: RequestProgress): Promise<void> {
    await this.#put(apiPath('requests', progress.requestId, 'progress'), progress);
  }

  async getJobChain(id: string): Promise<JobChain> {
    return this.#http.read({method: 'GET', path: apiPath('requests', id, 'job-chain'), accepted}, decodeJobChain);
  }

  /** All tries of all jobs, in no order; see compareJobLogs. */
  async getJobLogs(id: string): Promise<JobLog[]> {
    return this.#http.read({method: 'GET', path: apiPath('requests', id, 'log'), accepted}, (value) => decodeList(value, decodeJobLog));
  }

  /** The latest try of one job. */
  async getJobLog(id: string, jobId: string): Promise<JobLog> {
    return this.#http.read({method: 'GET', path: apiPath('requests', id, 'log', jobId), accepted}, decodeJobLog);
  }

  async createJobLog(id: string, log: JobLog): Promise<void> {
    await this.#http.call({method: 'POST', path: apiPath('requests', id, 'log'), payload: log, accepted});
  }

  /** What can be asked for. */
  async listRequestSpecs(): Promise<RequestSpec[]> {
    const call = {method: 'GET', path: '/api/v1/request-list', accepted} as const;
    return this.#http.read(call, (value) => decodeList(value, decodeRequestSpec));
  }

  /** What runs now. */
  async getRunning(filter: StatusFilter = {}): Promise<RunningStatus> {
    return this.#http.read({method: 'GET', path: '/api/v1/status/running', query: statusQuery(filter), accepted}, decodeRunningStatus);
  }

  /** The server's version, as it writes it. */
  async getVersion(): Promise<string> {
    return (await this.#http.call({method: 'GET', path: '/version', accepted})).text.trim();
  }

  async #put(path: string, payload?: unknown): Promise<void> {
    await this.#http.call({method: 'PUT', path, payload, accepted});
  }
}
