import {decodeJobChain, decodeJobLog, decodeList, decodeRequest, decodeRequestSpec, decodeRunningStatus} from './decode.ts';
import {ProtoError} from './error.ts';
import {requestQuery, statusQuery} from './filter.ts';
import type {RequestFilter, StatusFilter} from './filter.ts';
import {HttpCaller} from './http.ts';
import type {ClientOptions} from './http.ts';
import {STATE_VALUE, isState} from './state.ts';
import type {FinishRequest, JobChain, JobLog, JsonObject, Request, RequestProgress, RequestSpec, RunningStatus, SuspendedJobChain} from './types.ts';

const OK = [200, 201];

/** The request manager's API. Every method throws a {@link ProtoError}, with the status of the answer where there was one. */
export class RequestManagerClient {
  readonly #http: HttpCaller;

  /** `baseUrl` is what stands before `/api/v1`. */
  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#http = new HttpCaller(baseUrl, options);
  }

  /** Creates and starts a request. @returns its id */
  async createRequest(type: string, args: JsonObject): Promise<string> {
    const {body} = await this.#http.call('POST', '/api/v1/requests', OK, {Type: type, Args: args, User: ''});
    return decodeRequest(body).id;
  }

  async getRequest(id: string): Promise<Request> {
    return decodeRequest((await this.#http.call('GET', pathOf(id), OK)).body);
  }

  async findRequests(filter: RequestFilter = {}): Promise<Request[]> {
    const query = requestQuery(filter);
    return decodeList((await this.#http.call('GET', `/api/v1/requests${query === '' ? '' : `?${query}`}`, OK)).body, decodeRequest);
  }

  async startRequest(id: string): Promise<void> {
    await this.#http.call('PUT', pathOf(id, 'start'), OK);
  }

  async finishRequest(finish: FinishRequest): Promise<void> {
    if (finish.requestId === '') throw new ProtoError('the request id is empty');
    if (!isState(finish.state) || finish.state === STATE_VALUE.UNKNOWN) throw new ProtoError('the state is unknown');
    if (finish.finishedAt === '') throw new ProtoError('finishedAt is not set');
    await this.#http.call('PUT', pathOf(finish.requestId, 'finish'), OK, finish);
  }

  async stopRequest(id: string): Promise<void> {
    await this.#http.call('PUT', pathOf(id, 'stop'), OK);
  }

  async suspendRequest(id: string, suspended: SuspendedJobChain): Promise<void> {
    await this.#http.call('PUT', pathOf(id, 'suspend'), OK, suspended);
  }

  async updateProgress(progress: RequestProgress): Promise<void> {
    await this.#http.call('PUT', pathOf(progress.requestId, 'progress'), OK, progress);
  }

  async getJobChain(id: string): Promise<JobChain> {
    return decodeJobChain((await this.#http.call('GET', pathOf(id, 'job-chain'), OK)).body);
  }

  async getJobLogs(id: string): Promise<JobLog[]> {
    return decodeList((await this.#http.call('GET', pathOf(id, 'log'), OK)).body, decodeJobLog);
  }

  /** The latest try of one job. */
  async getJobLog(id: string, jobId: string): Promise<JobLog> {
    return decodeJobLog((await this.#http.call('GET', pathOf(id, 'log', jobId), OK)).body);
  }

  async createJobLog(id: string, log: JobLog): Promise<void> {
    await this.#http.call('POST', pathOf(id, 'log'), OK, log);
  }

  async listRequestSpecs(): Promise<RequestSpec[]> {
    return decodeList((await this.#http.call('GET', '/api/v1/request-list', OK)).body, decodeRequestSpec);
  }

  async getRunning(filter: StatusFilter = {}): Promise<RunningStatus> {
    return decodeRunningStatus((await this.#http.call('GET', `/api/v1/status/running${statusQuery(filter)}`, OK)).body);
  }
}

function pathOf(id: string, ...rest: readonly string[]): string {
  return ['/api/v1/requests', id, ...rest].map((part, at) => (at === 0 ? part : encodeURIComponent(part))).join('/');
}
